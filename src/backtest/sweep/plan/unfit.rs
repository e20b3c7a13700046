//! What does not fit, and which value of the grid is at fault.

use std::fmt;

use super::super::grid::Parameter;
use super::{digits, sizes};
use crate::config::{KeyPath, Mistake};

/// Why a combination cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    /// The keys at fault as far as they are known, and what is wrong.
    wrong: Vec<(String, String)>,
}

/// Of a number beyond all combinations.
pub(super) static NOWHERE: Unfit = Unfit { wrong: Vec::new() };

impl Unfit {
    pub(super) fn of_policy(mistakes: &[Mistake]) -> Self {
        let wrong = mistakes
            .iter()
            .map(|mistake| (mistake.key.clone(), format!("{}: {}", mistake.key, mistake.message)));
        Self { wrong: wrong.collect() }
    }

    /// By the keys that are wrong alone; of none of them where they are wrong together.
    pub(super) fn of_setting(alone: Vec<(String, String)>, together: &str) -> Self {
        // What is missing alone may stand beside it.
        let told = |(key, message): (String, String)| {
            if message.starts_with("missing field") { (key, together.to_owned()) } else { (key, message) }
        };
        let mut wrong: Vec<(String, String)> = alone.into_iter().map(told).collect();
        if wrong.is_empty() {
            wrong.push((String::new(), together.to_owned()));
        }
        Self { wrong }
    }

    fn blames(&self, path: &KeyPath) -> bool {
        self.wrong.iter().any(|(key, _)| is_of(key, path))
    }

    /// What is wrong with a key, or with everything where nothing is with that.
    fn about(&self, path: &KeyPath) -> String {
        let own: Vec<&str> = self
            .wrong
            .iter()
            .filter(|(key, _)| is_of(key, path))
            .map(|(_, message)| message.as_str())
            .collect();
        if own.is_empty() { self.to_string() } else { own.join("; ") }
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut messages: Vec<&str> = self.wrong.iter().map(|(_, message)| message.as_str()).collect();
        messages.dedup();
        f.write_str(&messages.join("; "))
    }
}

fn is_of(key: &str, path: &KeyPath) -> bool {
    key.parse::<KeyPath>().is_ok_and(|key| key.overlaps(path))
}

/// Offset, key and message of what is wrong in the grid.
pub(super) type Wrong = (usize, String, String);

/// The values that fit into no combination: their own key is at fault in all of them, or other values of that key do fit.
/// Where nothing fits and no key of the grid is at fault, that.
pub(super) fn mistakes<T>((of, parameters): (&str, &[Parameter]), made: &[Result<T, Unfit>]) -> Vec<Wrong> {
    let sizes = sizes(parameters);
    let mut wrong = Vec::new();
    for (at, parameter) in parameters.iter().enumerate() {
        let tally = Tally::of(made, &sizes, (at, parameter));
        for (place, choice) in parameter.values.iter().enumerate() {
            if let Some(why) = tally.wrong(place) {
                let key = format!("{of}.{}", parameter.path);
                wrong.push((
                    choice.offset,
                    key,
                    format!("{} does not fit: {}", choice.shown, why.about(&parameter.path)),
                ));
            }
        }
    }
    if let (true, Some(Err(first))) = (wrong.is_empty(), made.first())
        && made.iter().all(Result::is_err)
    {
        wrong.push((0, of.to_owned(), format!("no combination can be; the first: {first}")));
    }
    wrong
}

/// How often each value of one parameter fits.
struct Tally<'a> {
    values: Vec<Count<'a>>,
}

#[derive(Clone, Default)]
struct Count<'a> {
    fits: bool,
    /// Whether its own key was not at fault in one of the combinations that cannot be.
    blameless: bool,
    first: Option<&'a Unfit>,
}

impl<'a> Tally<'a> {
    fn of<T>(made: &'a [Result<T, Unfit>], sizes: &[usize], (at, parameter): (usize, &Parameter)) -> Self {
        let mut values = vec![Count::default(); parameter.values.len()];
        for (number, made) in made.iter().enumerate() {
            let place = digits(number, sizes).get(at).copied().unwrap_or_default();
            let Some(count) = values.get_mut(place) else { continue };
            match made {
                Ok(_) => count.fits = true,
                Err(unfit) => {
                    count.blameless |= !unfit.blames(&parameter.path);
                    count.first = count.first.or(Some(unfit));
                }
            }
        }
        Self { values }
    }

    /// Why the value of that place is a mistake, if it is.
    fn wrong(&self, place: usize) -> Option<&'a Unfit> {
        let count = self.values.get(place)?;
        let others_fit = self.values.iter().any(|count| count.fits);
        if count.fits || (count.blameless && !others_fit) { None } else { count.first }
    }
}
