//! A backtest as one page: summary, figures, plots, reasons and the policy's rebalances.

use std::fmt::Write as _;

use super::course::Course;
use super::options::{self, NotOpened, Position};
use super::text::{count, escape, number, usd};
use super::{POLICY, ReportError, figures, page, plots, summary, tables};

/// A backtest, ready to be shown.
#[derive(Debug)]
pub struct Backtest<'a> {
    /// The policy first, then what it is compared with, whose points are thinned out for the plots; the market is whole.
    pub course: &'a Course,
    /// What it came to: a value for each of them.
    pub figures: &'a [Figure],
    /// How often the policy gave each reason, `verdict: code`.
    pub reasons: &'a [(String, u64)],
    /// Where it gave none.
    pub undecided: Undecided,
    /// What the policy's option book had.
    pub options: &'a [Position],
    /// Why that had none at some ticks.
    pub unopened: &'a [NotOpened],
    /// What is to be known of the prices and of the setting.
    pub notes: &'a [String],
}

/// A figure with its definition.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// What it is called.
    pub name: &'static str,
    /// What it is.
    pub meaning: &'static str,
    /// How it is written.
    pub unit: Unit,
    /// Of each of those who take part; absent where it has no meaning.
    pub values: Vec<Option<f64>>,
}

/// How a figure is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// USD.
    Usd,
    /// A part of one, in percent.
    Percent,
    /// A whole number.
    Count,
    /// A number.
    Ratio,
    /// Basis points.
    Bps,
}

impl Unit {
    /// What files call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Usd => "USD",
            Self::Percent => "part of one",
            Self::Count => "count",
            Self::Ratio => "ratio",
            Self::Bps => "bps",
        }
    }
}

/// How many ticks the policy did not decide anew at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Undecided {
    /// A transaction was under way.
    pub under_way: u64,
    /// The keeper was absent.
    pub absent: u64,
}

impl Undecided {
    /// That in a sentence; nothing where there is no such tick.
    #[must_use]
    pub fn told(&self) -> Option<String> {
        let part = |ticks: u64, why| (ticks > 0).then(|| format!("{} {why}", number(to_f64(ticks), 0)));
        let parts = [
            part(self.under_way, "with a transaction under way"),
            part(self.absent, "with the keeper absent"),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| format!("Ticks not decided anew: {}.", parts.join(", ")))
    }
}

/// Rebalances that the page lists; those beyond are counted.
const MOST_LISTED: usize = 2_000;

/// The page, as one self-contained HTML file.
///
/// # Errors
/// A plot cannot be drawn.
pub fn html(backtest: &Backtest<'_>) -> Result<String, ReportError> {
    let course = backtest.course;
    let mut body = summary(course, &POLICY);
    for note in backtest.notes {
        let _infallible = writeln!(body, "<p class=\"note\">{}</p>", escape(note));
    }
    for plot in plots::all(course) {
        body.push_str(&figures::figure(&plot)?);
    }
    let names: Vec<&str> = course.contestants.iter().map(|contestant| contestant.name.as_str()).collect();
    body.push_str(&table(&names, backtest.figures));
    body.push_str(&reasons(backtest.reasons, backtest.undecided));
    body.push_str(&options::section(backtest.options));
    body.push_str(&options::not_opened(backtest.unopened));
    body.push_str(&tables::rebalances(course.contestants.first(), &POLICY, MOST_LISTED));
    Ok(page("Backtest", &course.scenario, &body))
}

pub(super) fn table(names: &[&str], figures: &[Figure]) -> String {
    let columns: Vec<String> =
        std::iter::once("Figure".to_owned()).chain(names.iter().map(|name| escape(name))).collect();
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let mut out = tables::opened("Figures", "What each is stands below the table.", &columns, 1);
    for figure in figures {
        let _infallible =
            write!(out, "<tr><th scope=\"row\">{}{}</th>", escape(figure.name), beside(figure.unit));
        for value in &figure.values {
            let _infallible = write!(
                out,
                "<td>{}</td>",
                value.map_or_else(|| "–".to_owned(), |value| written(value, figure.unit))
            );
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div><details><summary>What the figures are</summary><dl>\n");
    for figure in figures {
        let _infallible =
            writeln!(out, "<dt>{}</dt><dd>{}</dd>", escape(figure.name), escape(figure.meaning));
    }
    out.push_str("</dl></details></section>\n");
    out
}

/// What stands beside the name of a figure whose values are written without their unit.
pub(super) const fn beside(unit: Unit) -> &'static str {
    match unit {
        Unit::Usd => ", USD",
        Unit::Bps => ", bps",
        Unit::Percent | Unit::Count | Unit::Ratio => "",
    }
}

/// A value without a sign before what is above zero: most figures are no changes.
pub(super) fn written(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Usd => usd(value),
        Unit::Percent => format!("{}&#160;%", number(100.0 * value, 2)),
        Unit::Count => number(value, 0),
        Unit::Ratio => number(value, 3),
        Unit::Bps => number(value, 1),
    }
}

fn reasons(reasons: &[(String, u64)], undecided: Undecided) -> String {
    let all: u64 = reasons.iter().map(|(_, times)| times).sum();
    let decisions = count(usize::try_from(all).unwrap_or(usize::MAX), "decision");
    let mut note = format!("{decisions} of the policy by what it said.");
    if let Some(rest) = undecided.told() {
        let _infallible = write!(note, " {rest}");
    }
    let mut out = tables::opened("Decisions by reason", &note, &["Reason", "Decisions", "Share"], 1);
    for (reason, times) in reasons {
        let share = part(*times, all);
        let _infallible = writeln!(
            out,
            "<tr><td class=\"left\"><code>{}</code></td><td>{}</td><td>{}&#160;%</td></tr>",
            escape(reason),
            number(to_f64(*times), 0),
            number(100.0 * share, 2),
        );
    }
    out.push_str("</tbody></table></div></section>\n");
    out
}

fn part(of: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { to_f64(of) / to_f64(all) }
}

#[expect(clippy::cast_precision_loss, reason = "shown with a few digits")]
pub(super) const fn to_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_their_units_and_only_losses_a_sign() {
        let figure = |name, unit, value| Figure { name, meaning: "", unit, values: vec![Some(value), None] };
        let page = table(
            &["policy", "hold"],
            &[
                figure("Gas", Unit::Usd, 1_234.5),
                figure("Cost a year", Unit::Bps, 402.51),
                figure("Volatility", Unit::Percent, 0.416_1),
                figure("Return", Unit::Percent, -0.13),
                figure("Rebalances", Unit::Count, 1_006.0),
                figure("Sharpe", Unit::Ratio, -4.72),
            ],
        );
        for (name, value) in [
            ("Gas, USD", "1,234.50"),
            ("Cost a year, bps", "402.5"),
            ("Volatility", "41.61&#160;%"),
            ("Return", "−13.00&#160;%"),
            ("Rebalances", "1,006"),
            ("Sharpe", "−4.720"),
        ] {
            let row = format!("<tr><th scope=\"row\">{name}</th><td>{value}</td><td>–</td></tr>");
            assert!(page.contains(&row), "{row}");
        }
    }
}
