//! A policy with some of its values changed, read again as its file would be: what is wrong with a change is what would be
//! wrong with the file.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde_json::{Map, Value};

use super::mistakes::Mistake;
use super::policy::parse_policy;
use crate::domain::policy::{Policy, PublishedPolicy};

/// Where a value stands in a policy: `strategy.implied.expiries[0].days`, or with `.0` for `[0]`. Shown as mistakes show
/// keys, in brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPath(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

/// One value to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amendment {
    /// Where; the value may be absent from the policy so far.
    pub path: KeyPath,
    /// As in the file, where quotes may be left out: `5000`, `"5000"`, `{ kind = "economic" }`.
    pub value: String,
}

/// `policy` with every amendment made, checked and hashed.
///
/// # Errors
/// Every mistake that its file would have, by key; lines and columns say nothing.
pub fn amended_policy(policy: &Policy, amendments: &[Amendment]) -> Result<PublishedPolicy, Vec<Mistake>> {
    let mut document = serde_json::to_value(policy).map_err(|error| vec![mistake("", &error.to_string())])?;
    amend(&mut document, amendments).map_err(|mistake| vec![mistake])?;
    // A number may stand in quotes or not. Which of the two the key wants shows once everything is in its place.
    for Amendment { path, value } in amendments {
        let mut other = document.clone();
        let place = path.within(&mut other).map_err(|mistake| vec![mistake])?;
        let (text, Some(literal)) = (Value::String(value.clone()), literal(value)) else { continue };
        *place = if *place == text { literal } else { text };
        if is_wrong(&document, path) && !is_wrong(&other, path) {
            document = other;
        }
    }
    read(&document)
}

/// Makes every amendment in `document`, a number in quotes where what it replaces is.
///
/// # Errors
/// A place that the document cannot have.
pub(crate) fn amend(document: &mut Value, amendments: &[Amendment]) -> Result<(), Mistake> {
    for Amendment { path, value } in amendments {
        let place = path.within(document)?;
        *place = meant(value, place);
    }
    Ok(())
}

/// How `value` is meant, by what it replaces: as it would stand in the file, or as text without its quotes.
fn meant(value: &str, replaced: &Value) -> Value {
    let is_text = |literal: &Value| literal.is_number() && matches!(replaced, Value::String(_));
    literal(value).filter(|literal| !is_text(literal)).unwrap_or_else(|| Value::String(value.to_owned()))
}

/// The value that stands in a file as `text`, if it could.
fn literal(text: &str) -> Option<Value> {
    let mut table: Map<String, Value> = toml::from_str(&format!("value = {text}")).ok()?;
    table.remove("value").filter(|_| table.is_empty())
}

fn is_wrong(document: &Value, path: &KeyPath) -> bool {
    let key = path.to_string();
    read(document).is_err_and(|mistakes| mistakes.iter().any(|mistake| mistake.key == key))
}

fn read(document: &Value) -> Result<PublishedPolicy, Vec<Mistake>> {
    let entries = document.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    let lines: Vec<String> =
        entries.map(|(key, value)| format!("{} = {}\n", quoted(key), inline(value))).collect();
    parse_policy(Path::new(""), &lines.concat())
}

/// A value as TOML on one line.
fn inline(value: &Value) -> String {
    match value {
        Value::Object(entries) => {
            let entries = entries.iter().filter(|(_, value)| !value.is_null());
            let entries: Vec<String> =
                entries.map(|(key, value)| format!("{} = {}", quoted(key), inline(value))).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        Value::Array(elements) => {
            format!("[{}]", elements.iter().map(inline).collect::<Vec<_>>().join(", "))
        }
        Value::String(text) => quoted(text),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// Text in quotes: what JSON escapes TOML reads.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn mistake(key: &str, message: &str) -> Mistake {
    Mistake { file: Path::new("").into(), line: 1, column: 1, key: key.into(), message: message.into() }
}

impl KeyPath {
    /// Whether one of the two is the other or stands in it.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(one, other)| one == other)
    }

    /// Whether its first key is `key`.
    #[must_use]
    pub fn starts_with(&self, key: &str) -> bool {
        matches!(self.0.first(), Some(Step::Key(first)) if first == key)
    }

    /// The place of the value in `document`, with what is around it made where it is absent. A list grows at its end.
    fn within<'d>(&self, document: &'d mut Value) -> Result<&'d mut Value, Mistake> {
        self.0.iter().try_fold(document, |place, step| {
            step.within(place).map_err(|why| mistake(&self.to_string(), &why))
        })
    }
}

impl Step {
    fn within<'d>(&self, place: &'d mut Value) -> Result<&'d mut Value, String> {
        match self {
            Self::Key(key) => {
                if !place.is_object() {
                    *place = Value::Object(Map::new());
                }
                let entries = place.as_object_mut().ok_or("is no table")?;
                Ok(entries.entry(key.as_str()).or_insert(Value::Null))
            }
            Self::Index(index) => {
                if !place.is_array() {
                    *place = Value::Array(Vec::new());
                }
                let elements = place.as_array_mut().ok_or("is no list")?;
                let count = elements.len();
                if *index == count {
                    elements.push(Value::Null);
                }
                elements.get_mut(*index).ok_or_else(|| format!("the list has {count}, numbered from 0"))
            }
        }
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if i == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

impl FromStr for KeyPath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "expected the path of a key, such as limits.max_trade or venues[0].pool".to_owned();
        let mut steps = Vec::new();
        for part in text.split('.') {
            let mut pieces = part.split('[');
            let name = pieces.next().unwrap_or_default();
            steps.push(name.parse().map_or_else(|_| Step::Key(name.to_owned()), Step::Index));
            for piece in pieces {
                let index = piece.strip_suffix(']').and_then(|index| index.parse().ok());
                steps.push(Step::Index(index.ok_or_else(wrong)?));
            }
        }
        let named = |step: &Step| !matches!(step, Step::Key(key) if key.is_empty() || key.contains(']'));
        if steps.iter().all(named) { Ok(Self(steps)) } else { Err(wrong()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLES: [&str; 6] = [
        include_str!("../../examples/policies/combined.toml"),
        include_str!("../../examples/policies/constant-weight.toml"),
        include_str!("../../examples/policies/cppi.toml"),
        include_str!("../../examples/policies/delta-hedge.toml"),
        include_str!("../../examples/policies/tipp.toml"),
        include_str!("../../examples/policies/volatility-target.toml"),
    ];

    fn example(text: &str) -> PublishedPolicy {
        parse_policy(Path::new("policy.toml"), text).unwrap()
    }

    fn amended(text: &str, changes: &[(&str, &str)]) -> Result<PublishedPolicy, Vec<String>> {
        let amendment = |(path, value): &(&str, &str)| Amendment {
            path: path.parse().unwrap(),
            value: (*value).to_owned(),
        };
        let amendments: Vec<_> = changes.iter().map(amendment).collect();
        amended_policy(example(text).policy(), &amendments)
            .map_err(|all| all.iter().map(|one| format!("{}: {}", one.key, one.message)).collect())
    }

    #[test]
    fn a_policy_that_is_read_again_is_the_same() {
        for text in EXAMPLES {
            assert_eq!(amended(text, &[]), Ok(example(text)));
            let name = example(text).policy().name.clone();
            assert_eq!(amended(text, &[("name", &name)]), Ok(example(text)));
        }
    }

    #[test]
    fn a_change_is_what_the_file_would_say_with_it() {
        let of = |changes: &[(&str, &str)]| amended(EXAMPLES[2], changes).unwrap();
        let file = |from: &str, to: &str| {
            assert!(EXAMPLES[2].contains(from), "{from}");
            example(&EXAMPLES[2].replacen(from, to, 1))
        };
        let trade = file("max_trade = \"1000000\"", "max_trade = \"5000\"");
        for value in ["5000", "\"5000\"", "5000.0"] {
            assert_eq!(of(&[("limits.max_trade", value)]), trade, "{value}");
        }
        let units = file("[gas]", "[gas]\nswap_units = 90_000");
        for value in ["90000", "90_000"] {
            assert_eq!(of(&[("gas.swap_units", value)]), units, "{value}");
        }
        let style = "style = { kind = \"twap\", slices = 4, interval_seconds = 3600 }";
        let sliced = file("[execution]", &format!("[execution]\n{style}"));
        let whole = [("execution.style", "{ kind = \"twap\", slices = 4, interval_seconds = 3600 }")];
        assert_eq!(of(&whole), sliced);
        let parts = [
            ("execution.style.slices", "4"),
            ("execution.style.interval_seconds", "3600"),
            ("execution.style.kind", "twap"),
        ];
        assert_eq!(of(&parts), sliced);
        assert_eq!(
            of(&[("execution.cost_margin", "1.5")]),
            file("[execution]", "[execution]\ncost_margin = \"1.5\"")
        );
        let hedge = |path: &str| amended(EXAMPLES[3], &[(path, "0.69")]).unwrap();
        let dots = hedge("strategy.implied.expiries.0.points.2.volatility");
        assert_eq!(dots, hedge("strategy.implied.expiries[0].points[2].volatility"));
        assert_ne!(dots, example(EXAMPLES[3]));
    }

    #[test]
    fn what_is_wrong_with_changes_is_what_would_be_wrong_with_the_file_all_at_once() {
        let wrong = |path: &str, value: &str| amended(EXAMPLES[2], &[(path, value)]).unwrap_err();
        let share = "expected a decimal number in quotes, such as \"0.05\"";
        assert_eq!(wrong("limits.max_trade", "x"), [format!("limits.max_trade: is not valid; {share}")]);
        assert_eq!(wrong("limits", "5"), ["limits: is a whole number; expected a table"]);
        let list = "venues[2].pool: the list has 1, numbered from 0";
        assert_eq!(wrong("venues[2].pool", "5"), [list]);
        assert!(
            wrong("limits.max_trad", "5")[0].starts_with("limits.max_trad: unknown key; expected one of ")
        );
        let two = [("risk.aversion", "80"), ("limits.max_slippage_bps", "10001")];
        let keys = amended(EXAMPLES[2], &two).unwrap_err();
        assert_eq!(keys.len(), 2, "{keys:?}");
        for path in ["", "a..b", "a[b]", "a[0", "a]0", "a[0]b"] {
            assert!(path.parse::<KeyPath>().is_err(), "{path}");
        }
    }
}
