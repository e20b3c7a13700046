//! Parts of the past.

use std::path::PathBuf;

use toml::de::{DeTable, DeValue};

use super::notes::{Notes, Placed};
use crate::stage::path::time::unix_seconds;

/// A part of the past under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Period {
    /// What it is called; no two have one name.
    pub name: String,
    /// First bar, seconds since 1970; the first there is where absent.
    pub start: Option<u64>,
    /// First bar that is left out again.
    pub end: Option<u64>,
    /// Prices of its own, relative to the folder of the grid; those of the command line where absent.
    pub prices: Option<PathBuf>,
}

const KEYS: [&str; 4] = ["name", "start", "end", "prices"];

impl Period {
    /// A period, or nothing where that was noted.
    pub(super) fn read(notes: &mut Notes<'_>, key: &str, value: &Placed<'_>) -> Option<Self> {
        let Some(table) = value.get_ref().as_table() else {
            notes.mistake(value.span().start, key, "expected a table with name, start and end");
            return None;
        };
        for (inner, _) in table {
            if !KEYS.contains(&inner.get_ref().as_ref()) {
                let message = "unknown key; expected one of `name`, `start`, `end`, `prices`";
                notes.mistake(inner.span().start, &format!("{key}.{}", inner.get_ref()), message);
            }
        }
        let place = (key, value.span().start);
        let name = words(notes, place, table, "name").filter(|name| !name.trim().is_empty());
        if name.is_none() {
            notes.mistake(place.1, &format!("{key}.name"), "expected a name for the period");
        }
        let [start, end] = ["start", "end"].map(|moment| self::moment(notes, place, table, moment));
        if let (Some(start), Some(end)) = (start, end)
            && start >= end
        {
            notes.mistake(place.1, key, "expected an end after its start");
        }
        let prices = words(notes, place, table, "prices").map(PathBuf::from);
        Some(Self { name: name?, start, end, prices })
    }
}

fn words(notes: &mut Notes<'_>, (key, _): (&str, usize), table: &DeTable<'_>, of: &str) -> Option<String> {
    let value = table.get(of)?;
    let text = value.get_ref().as_str();
    if text.is_none() {
        notes.mistake(value.span().start, &format!("{key}.{of}"), "expected a text in quotes");
    }
    text.map(str::to_owned)
}

/// A time of UTC as a text, as a TOML date, or Unix seconds.
fn moment(notes: &mut Notes<'_>, (key, _): (&str, usize), table: &DeTable<'_>, of: &str) -> Option<u64> {
    let value = table.get(of)?;
    let text = match value.get_ref() {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Array(_) | DeValue::Table(_) => String::new(),
    };
    let seconds = unix_seconds(&text);
    if let Err(why) = &seconds {
        let message =
            format!("expected a time in UTC, such as 2020-03-12 or \"2020-03-12 10:00:00\": it {why}");
        notes.mistake(value.span().start, &format!("{key}.{of}"), message);
    }
    seconds.ok()
}
