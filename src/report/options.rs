//! The positions of an option book, from their opening to their settlement.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::backtest::to_f64;
use super::tables::opened;
use super::text::{count, escape, number, usd};
use crate::stage::path::time::utc;

/// One position; money in USD.
#[derive(Debug, Clone, PartialEq)]
pub struct Position {
    /// What it is: `written call`, `bought put`.
    pub what: &'static str,
    /// Risky units.
    pub units: f64,
    /// USD per risky unit.
    pub strike: f64,
    /// Where the payoff stops growing; 0 of a put that nothing stops.
    pub limit: Option<f64>,
    /// When it was opened, seconds since 1970; absent of one that was there.
    pub opened: Option<u64>,
    /// Received for it; below 0 paid.
    pub premium: Option<f64>,
    /// Seconds since 1970.
    pub expiry: u64,
    /// How it ended: the feed's price at the expiry, and what was received; below 0 owed. Absent while it is open.
    pub settled: Option<(f64, f64)>,
    /// Why no price settled it; absent of one that is settled or open.
    pub undone: Option<&'static str>,
}

/// Why options were not opened that were due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotOpened {
    /// Its code, with the position where it is of one.
    pub code: String,
    /// How often, in ticks of a backtest or steps of all paths.
    pub times: u64,
    /// The same for people.
    pub why: &'static str,
}

/// Positions that the page lists; those beyond are counted.
const MOST_LISTED: usize = 1_000;
/// What the columns hold.
const NOTE: &str = "Premium and payoff are what the vault received, below zero what it paid or owed.";

/// The table; nothing without any.
pub(super) fn section(positions: &[Position]) -> String {
    if positions.is_empty() {
        return String::new();
    }
    let columns = [
        "Opened, UTC",
        "Option",
        "Units",
        "Strike, USD",
        "Limit, USD",
        "Premium, USD",
        "Expiry, UTC",
        "Settled at, USD",
        "Payoff, USD",
    ];
    let mut note = format!("{}. {NOTE}", count(positions.len(), "position"));
    if positions.len() > MOST_LISTED {
        let _infallible = write!(note, " The first {MOST_LISTED} are listed.");
    }
    let whys: BTreeSet<&str> = positions.iter().filter_map(|position| position.undone).collect();
    for why in whys {
        let undone = positions.iter().filter(|position| position.undone == Some(why)).count();
        let _infallible = write!(note, " {undone} undone: {}.", escape(why));
    }
    let mut out = opened("Options", &note, &columns, 2);
    for position in positions.iter().take(MOST_LISTED) {
        row(&mut out, position);
    }
    out.push_str("</tbody></table></div></section>\n");
    out
}

/// Why none were opened, and how often; nothing where all were.
pub(super) fn not_opened(unopened: &[NotOpened]) -> String {
    if unopened.is_empty() {
        return String::new();
    }
    let note = "How often a series was due and was not opened, by the reason.";
    let mut out = opened("Options that were not opened", note, &["Reason", "Why", "Times"], 2);
    for NotOpened { code, times, why } in unopened {
        let _infallible = writeln!(
            out,
            "<tr><td class=\"left\"><code>{}</code></td><td class=\"left\">{}</td><td>{}</td></tr>",
            escape(code),
            escape(why),
            number(to_f64(*times), 0)
        );
    }
    out.push_str("</tbody></table></div></section>\n");
    out
}

fn row(out: &mut String, position: &Position) {
    let none = || "–".to_owned();
    let settled = match position.settled {
        _ if position.undone.is_some() => "undone".to_owned(),
        Some((price, _)) => usd(price),
        None => "open".to_owned(),
    };
    let _infallible = writeln!(
        out,
        "<tr><td>{}</td><td class=\"left\">{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{settled}</td>\
         <td>{}</td></tr>",
        position.opened.map_or_else(none, utc),
        escape(position.what),
        number(position.units, 4),
        usd(position.strike),
        position.limit.map_or_else(none, usd),
        position.premium.map_or_else(none, usd),
        utc(position.expiry),
        position.settled.map_or_else(none, |(_, payoff)| usd(payoff)),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_a_row_and_one_that_is_open_says_so() {
        let settled = Position {
            what: "written call",
            units: 100.0,
            strike: 2_000.0,
            limit: Some(3_000.0),
            opened: Some(1_600_000_000),
            premium: Some(4_728.849_369),
            expiry: 1_600_172_800,
            settled: Some((2_200.0, -20_000.0)),
            undone: None,
        };
        let open = Position { settled: None, limit: None, opened: None, premium: None, ..settled.clone() };
        let undone =
            Position { settled: Some((0.0, -4_728.85)), undone: Some("no answer"), ..settled.clone() };
        let page = section(&[settled, open, undone]);
        for row in [
            "<tr><td>2020-09-13 12:26:40</td><td class=\"left\">written call</td><td>100.0000</td><td>2,000.00</td>\
             <td>3,000.00</td><td>4,728.85</td><td>2020-09-15 12:26:40</td><td>2,200.00</td><td>−20,000.00</td></tr>",
            "<td>–</td><td>2020-09-15 12:26:40</td><td>open</td><td>–</td></tr>",
            "<td>2020-09-15 12:26:40</td><td>undone</td><td>−4,728.85</td></tr>",
            "3 positions. Premium and payoff are what the vault received, below zero what it paid or owed. 1 undone: no answer.",
        ] {
            assert!(page.contains(row), "{page}");
        }
        assert!(section(&[]).is_empty());
    }

    #[test]
    fn what_was_not_opened_has_its_reasons() {
        let code = "options.positions[0]: no_size".to_owned();
        let page = not_opened(&[NotOpened { code, times: 1_234, why: "its size is nothing" }]);
        let row = "<tr><td class=\"left\"><code>options.positions[0]: no_size</code></td>\
                   <td class=\"left\">its size is nothing</td><td>1,234</td></tr>";
        assert!(page.contains(row), "{page}");
        assert!(not_opened(&[]).is_empty());
    }
}
