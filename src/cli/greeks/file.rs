//! Options from a CSV file, with everything that is wrong in it said at once.

use std::fmt::Write;
use std::path::Path;

use csv::{ReaderBuilder, StringRecord, Trim};
use eyre::{Report, WrapErr, eyre};

use crate::domain::models::greeks::{Contract, Greeks, OptionKind, Underlying};

/// Most mistakes that are listed; the rest are counted.
const MOST_LISTED: usize = 50;

/// Columns that a file has whatever its options are written on.
const ALWAYS: [&str; 5] = ["kind", "strike", "years", "vol", "rate"];

/// A row as far as it could be read, or all that is wrong in it, column by column.
type Parsed<T> = Result<T, Vec<String>>;

/// The options of the file with their Greeks, in its order.
///
/// # Errors
/// The file cannot be read, lacks a column, or has a bad row; each is named by line and column.
pub(super) fn read(path: &Path) -> Result<Vec<(Contract, Greeks)>, Report> {
    let name = path.display();
    let text = std::fs::read_to_string(path).wrap_err_with(|| format!("{name} cannot be read"))?;
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = ReaderBuilder::new().flexible(true).trim(Trim::All).from_reader(text.as_bytes());
    let headers = reader.headers().wrap_err_with(|| format!("{name} cannot be read"))?.clone();
    if headers.is_empty() {
        return Err(eyre!("{name} is empty; its first line must name the columns {}", ALWAYS.join(", ")));
    }
    let mut wrong: Vec<(usize, String)> = wrong_columns(&headers).into_iter().map(|what| (1, what)).collect();
    let mut options = Vec::new();
    if wrong.is_empty() {
        for record in reader.records() {
            let record = record.wrap_err_with(|| format!("{name} cannot be read"))?;
            match option(&Fields { headers: &headers, record: &record }) {
                Ok(option) => options.push(option),
                Err(all) => {
                    let line = line_of(text, &record);
                    wrong.extend(all.into_iter().map(|what| (line, what)));
                }
            }
        }
    }
    if wrong.is_empty() { Ok(options) } else { Err(Report::msg(list(path, &wrong))) }
}

/// What is wrong with the names of the columns.
fn wrong_columns(headers: &StringRecord) -> Vec<String> {
    let count = |name: &str| headers.iter().filter(|header| *header == name).count();
    let underlying: &[&str] = if count("forward") > 0 { &["forward"] } else { &["spot", "carry"] };
    let mut wrong = Vec::new();
    for name in ALWAYS.iter().chain(underlying) {
        match count(name) {
            1 => {}
            0 if *name == "spot" => wrong.push("there is no column spot, and no forward in its place".into()),
            0 => wrong.push(format!("there is no column {name}")),
            more => wrong.push(format!("there are {more} columns {name}")),
        }
    }
    for name in ["spot", "carry"] {
        if count("forward") > 0 && count(name) > 0 {
            wrong.push(format!("there is a column {name} beside forward, which stands in its place"));
        }
    }
    wrong
}

/// A row with the names of its columns.
struct Fields<'a> {
    headers: &'a StringRecord,
    record: &'a StringRecord,
}

impl Fields<'_> {
    fn has(&self, column: &str) -> bool {
        self.headers.iter().any(|header| header == column)
    }

    /// The text in a column; empty in a row that is too short.
    fn text(&self, column: &str) -> &str {
        let position = self.headers.iter().position(|header| header == column);
        position.and_then(|position| self.record.get(position)).unwrap_or_default()
    }

    fn kind(&self) -> Parsed<OptionKind> {
        match self.text("kind").to_ascii_lowercase().as_str() {
            "call" => Ok(OptionKind::Call),
            "put" => Ok(OptionKind::Put),
            other => Err(vec![format!("kind: `{other}` is neither call nor put")]),
        }
    }

    fn number(&self, column: &str) -> Parsed<f64> {
        let text = self.text(column);
        let number = text.parse().ok().filter(|number: &f64| number.is_finite());
        number.ok_or_else(|| vec![format!("{column}: `{text}` is not a finite number")])
    }

    fn non_negative(&self, column: &str) -> Parsed<f64> {
        let number = self.number(column)?;
        if number < 0.0 { Err(vec![format!("{column}: {number} must not be negative")]) } else { Ok(number) }
    }

    fn underlying(&self) -> Parsed<Underlying> {
        if self.has("forward") {
            return Ok(Underlying::Forward { price: self.non_negative("forward")? });
        }
        let (price, carry) = both(self.non_negative("spot"), self.number("carry"))?;
        Ok(Underlying::Spot { price, carry })
    }
}

fn option(fields: &Fields<'_>) -> Parsed<(Contract, Greeks)> {
    let named = both(fields.kind(), fields.underlying());
    let terms = both(fields.non_negative("strike"), fields.non_negative("years"));
    let market = both(fields.non_negative("vol"), fields.number("rate"));
    let ((kind, underlying), ((strike, years), (volatility, rate))) = both(named, both(terms, market))?;
    let (there, wanted) = (fields.record.len(), fields.headers.len());
    if there > wanted {
        return Err(vec![format!("there are {there} fields for {wanted} columns")]);
    }
    let option = Contract { kind, underlying, strike, years, volatility, rate };
    let greeks = option.greeks().map_err(|error| vec![error.to_string()])?;
    Ok((option, greeks))
}

/// Both, or all that is wrong with either.
fn both<A, B>(a: Parsed<A>, b: Parsed<B>) -> Parsed<(A, B)> {
    match (a, b) {
        (Ok(a), Ok(b)) => Ok((a, b)),
        (Err(a), Err(b)) => Err([a, b].concat()),
        (Err(wrong), Ok(_)) | (Ok(_), Err(wrong)) => Err(wrong),
    }
}

/// Line of a record, from 1. The reader's own position is before the line breaks and empty lines that it passes over.
fn line_of(text: &str, record: &StringRecord) -> usize {
    let start = record.position().and_then(|position| usize::try_from(position.byte()).ok()).unwrap_or(0);
    let (before, after) = text.split_at_checked(start).unwrap_or((text, ""));
    let passed = after.chars().take_while(|c| c.is_whitespace());
    let breaks = before.chars().chain(passed).filter(|c| *c == '\n').count();
    breaks.saturating_add(1)
}

fn list(path: &Path, wrong: &[(usize, String)]) -> String {
    let (name, count) = (path.display(), wrong.len());
    let mut text = format!("{count} {} in {name}", if count == 1 { "mistake" } else { "mistakes" });
    for (line, what) in wrong.iter().take(MOST_LISTED) {
        // Writing to a string does not fail.
        let _ = write!(text, "\n  {name}:{line}: {what}");
    }
    if count > MOST_LISTED {
        let _ = write!(text, "\n  and {} more", count.saturating_sub(MOST_LISTED));
    }
    text
}
