//! From the text of a grid to what it says, with every mistake in it at once.

use std::path::Path;

use rust_decimal::Decimal;
use toml::de::{DeTable, DeValue};

use super::notes::{Notes, Placed};
use super::period::Period;
use super::range::{MOST_STEPS, Scale, values};
use super::{Choice, Grid, Parameter};
use crate::config::{KeyPath, Mistake};

const VALUES: &str =
    "a list of values, or a range such as { from = \"1\", to = \"100\", steps = 5, scale = \"log\" }";

/// Reads the grid of `text`.
///
/// # Errors
/// All mistakes, in the order of the text.
pub(super) fn read(file: &Path, text: &str) -> Result<Grid, Vec<Mistake>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader { file, text, notes: Notes::of(file, text) };
    for error in &errors {
        let offset = error.span().map_or(0, |span| span.start);
        reader.notes.mistake(offset, "", format!("not TOML: {}", error.message()));
    }
    let grid = reader.grid(table.get_ref());
    if reader.notes.count() == 0 { Ok(grid) } else { Err(reader.notes.in_order()) }
}

/// Notes mistakes and goes on.
struct Reader<'t> {
    file: &'t Path,
    text: &'t str,
    notes: Notes<'t>,
}

impl<'t> Reader<'t> {
    fn grid(&mut self, table: &DeTable<'t>) -> Grid {
        let (mut policy, mut setting, mut capital, mut periods) = (Vec::new(), Vec::new(), None, Vec::new());
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "policy" => policy = self.keys("policy", value),
                "setting" => setting = self.keys("setting", value),
                "capital" => capital = self.capital(value),
                "period" => periods = self.periods(value),
                other => {
                    let message = "unknown key; expected one of `policy`, `setting`, `capital`, `period`";
                    self.notes.mistake(key.span().start, other, message);
                }
            }
        }
        let nothing = policy.is_empty() && setting.is_empty() && capital.is_none() && periods.is_empty();
        if nothing && self.notes.count() == 0 {
            self.notes.mistake(
                0,
                "",
                "it varies nothing; expected keys with values under [policy] or [setting]",
            );
        }
        Grid { file: self.file.to_owned(), policy, setting, capital, periods, text: self.text.to_owned() }
    }

    /// The keys of a table with their values, in the order of the text.
    fn keys(&mut self, of: &str, value: &Placed<'t>) -> Vec<Parameter> {
        let Some(table) = value.get_ref().as_table() else {
            self.notes.mistake(value.span().start, of, "expected a table of keys with their values");
            return Vec::new();
        };
        let mut found = Vec::new();
        self.under(&[], table, (of, &mut found));
        found.sort_by_key(|(offset, _)| *offset);
        for (at, (offset, parameter)) in found.iter().enumerate() {
            let before = found.iter().take(at).find(|(_, before)| before.path.overlaps(&parameter.path));
            if let Some((_, before)) = before {
                let message =
                    format!("stands in `{of}.{}`, or that in it: leave one of the two out", before.path);
                self.notes.mistake(*offset, &format!("{of}.{}", parameter.path), message);
            }
        }
        found.into_iter().map(|(_, parameter)| parameter).collect()
    }

    /// A key may be one text with dots, or tables in one another.
    fn under(
        &mut self,
        above: &[&str],
        table: &DeTable<'t>,
        (of, found): (&str, &mut Vec<(usize, Parameter)>),
    ) {
        for (key, value) in table {
            let path: Vec<&str> = above.iter().copied().chain([key.get_ref().as_ref()]).collect();
            let dotted = path.join(".");
            let name = format!("{of}.{dotted}");
            match value.get_ref() {
                DeValue::Table(inner) if inner.get("steps").is_none() => {
                    self.under(&path, inner, (of, &mut *found));
                }
                DeValue::Table(_)
                | DeValue::Array(_)
                | DeValue::String(_)
                | DeValue::Integer(_)
                | DeValue::Float(_)
                | DeValue::Boolean(_)
                | DeValue::Datetime(_) => match dotted.parse::<KeyPath>() {
                    Ok(path) => {
                        let values = self.values(&name, value);
                        found.push((key.span().start, Parameter { path, values }));
                    }
                    Err(why) => self.notes.mistake(key.span().start, &name, why),
                },
            }
        }
    }

    /// A list or a range.
    fn values(&mut self, name: &str, value: &Placed<'t>) -> Vec<Choice> {
        let offset = value.span().start;
        let values = match value.get_ref() {
            DeValue::Array(list) if list.is_empty() => {
                self.notes.mistake(
                    offset,
                    name,
                    "the list is empty; leave the key out where it does not vary",
                );
                Vec::new()
            }
            DeValue::Array(list) => list.iter().map(|value| self.choice(value)).collect(),
            DeValue::Table(range) => self.range(name, offset, range),
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => {
                self.notes.mistake(offset, name, format!("expected {VALUES}"));
                Vec::new()
            }
        };
        for (at, choice) in values.iter().enumerate() {
            if values.iter().take(at).any(|before| same(&before.shown, &choice.shown)) {
                self.notes.mistake(choice.offset, name, format!("{} stands twice in the list", choice.shown));
            }
        }
        values
    }

    fn choice(&self, value: &Placed<'t>) -> Choice {
        let text = self.text.get(value.span()).unwrap_or_default();
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let shown = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(_) | DeValue::Float(_) => text.replace('_', ""),
            DeValue::Boolean(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
                text.clone()
            }
        };
        let is_text = matches!(value.get_ref(), DeValue::String(_));
        let text = if is_text { quoted(&shown) } else { text };
        Choice { shown, text, offset: value.span().start }
    }

    fn range(&mut self, name: &str, offset: usize, table: &DeTable<'t>) -> Vec<Choice> {
        let before = self.notes.count();
        for (key, _) in table {
            if !["from", "to", "steps", "scale"].contains(&key.get_ref().as_ref()) {
                let message = "unknown key; expected one of `from`, `to`, `steps`, `scale`";
                self.notes.mistake(key.span().start, &format!("{name}.{}", key.get_ref()), message);
            }
        }
        let ends = ["from", "to"].map(|key| self.end(name, (key, offset), table));
        let steps = table.get("steps").map_or(0, |steps| self.steps(name, steps));
        let scale = table.get("scale").map_or(Scale::Linear, |scale| self.scale(name, scale));
        let [Some((from, first_whole)), Some((to, last_whole))] = ends else { return Vec::new() };
        if self.notes.count() > before {
            return Vec::new();
        }
        let whole = first_whole && last_whole;
        let written = |value: Decimal| {
            let shown = value.to_string();
            let text = if whole { shown.clone() } else { quoted(&shown) };
            Choice { shown, text, offset }
        };
        match values((from, to), steps, scale, whole) {
            Ok(values) => values.into_iter().map(written).collect(),
            Err(why) => {
                self.notes.mistake(offset, name, why);
                Vec::new()
            }
        }
    }

    /// An end of a range, and whether it is a whole number without quotes.
    fn end(
        &mut self,
        name: &str,
        (key, offset): (&str, usize),
        table: &DeTable<'t>,
    ) -> Option<(Decimal, bool)> {
        let value = table.get(key);
        let choice = value.map(|value| self.choice(value));
        let number = choice.and_then(|choice| choice.shown.parse::<Decimal>().ok());
        if number.is_none() {
            let offset = value.map_or(offset, |value| value.span().start);
            self.notes.mistake(offset, &format!("{name}.{key}"), "expected a number");
        }
        Some((number?, matches!(value?.get_ref(), DeValue::Integer(_))))
    }

    fn steps(&mut self, name: &str, value: &Placed<'t>) -> u32 {
        let steps = self.choice(value).shown.parse().ok().filter(|steps| (2..=MOST_STEPS).contains(steps));
        if steps.is_none() {
            let message = format!("expected the number of values, from 2 to {MOST_STEPS}");
            self.notes.mistake(value.span().start, &format!("{name}.steps"), message);
        }
        steps.and_then(|steps| u32::try_from(steps).ok()).unwrap_or(2)
    }

    fn scale(&mut self, name: &str, value: &Placed<'t>) -> Scale {
        match value.get_ref().as_str() {
            Some("linear") => Scale::Linear,
            Some("log") => Scale::Log,
            _ => {
                let key = format!("{name}.scale");
                self.notes.mistake(value.span().start, &key, "expected \"linear\" or \"log\"");
                Scale::Linear
            }
        }
    }

    fn capital(&mut self, value: &Placed<'t>) -> Option<Parameter> {
        let values = self.values("capital", value);
        for choice in &values {
            let amount = choice.shown.parse::<Decimal>().ok();
            let fits = |amount: &Decimal| *amount >= Decimal::ONE && *amount <= Decimal::from(1_000_000_000);
            if amount.filter(fits).is_none() {
                self.notes.mistake(choice.offset, "capital", "expected amounts from 1 to 1,000,000,000");
            }
        }
        Some(Parameter { path: "capital".parse().ok()?, values })
    }

    fn periods(&mut self, value: &Placed<'t>) -> Vec<Period> {
        let Some(list) = value.get_ref().as_array() else {
            self.notes.mistake(value.span().start, "period", "expected [[period]] with name, start and end");
            return Vec::new();
        };
        let mut periods: Vec<Period> = Vec::new();
        for (number, value) in list.iter().enumerate() {
            let key = format!("period[{number}]");
            let Some(period) = Period::read(&mut self.notes, &key, value) else { continue };
            if periods.iter().any(|before| before.name == period.name) {
                self.notes.mistake(
                    value.span().start,
                    &key,
                    format!("two periods have the name {}", period.name),
                );
            }
            periods.push(period);
        }
        if list.is_empty() {
            self.notes.mistake(value.span().start, "period", "the list is empty; leave it out");
        }
        periods
    }
}

/// As TOML reads it back.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Whether two texts are one value.
fn same(one: &str, other: &str) -> bool {
    let number = |text: &str| text.parse::<Decimal>().ok();
    one == other || matches!((number(one), number(other)), (Some(one), Some(other)) if one == other)
}
