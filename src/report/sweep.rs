//! A sweep as one page: cost against risk with the front, a heat map of two parameters, and what the front is made of.

use std::fmt::Write as _;

use super::backtest::{Unit, beside, written};
use super::text::{count, escape, number};
use super::{ReportError, heat, page, scatter, tables};

/// A sweep, ready to be shown.
#[derive(Debug)]
pub struct Sweep {
    /// What was swept.
    pub name: String,
    /// Combinations that were walked.
    pub walked: usize,
    /// Of them, how many were below the floor at some time.
    pub below_floor: usize,
    /// Combinations that have no result.
    pub without: usize,
    /// Whether a point is a policy in several worlds, and not a single combination.
    pub by_policy: bool,
    /// What risk is, and how it is written.
    pub risk: (&'static str, Unit),
    /// The parameters that tell points apart.
    pub names: Vec<String>,
    /// Every point.
    pub marks: Vec<Mark>,
    /// Those on the front, from the cheapest on.
    pub front: Vec<FrontRow>,
    /// The heat map; absent where nothing varies.
    pub heat: Option<HeatMap>,
    /// Everything that varies.
    pub parameters: Vec<Parameter>,
    /// Combinations without a result, and why.
    pub refused: Vec<(String, String)>,
    /// What is to be known of the prices and of what is shown.
    pub notes: Vec<String>,
}

/// A point of the plot.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mark {
    /// Its risk.
    pub risk: f64,
    /// Its cost a year, basis points.
    pub cost: f64,
    /// Whether no other one beats it in both.
    pub front: bool,
    /// Whether it was below its floor at some time.
    pub broken: bool,
}

/// A point of the front.
#[derive(Debug, Clone, PartialEq)]
pub struct FrontRow {
    /// Its parameters.
    pub values: Vec<String>,
    /// Mean cost a year, basis points.
    pub cost: f64,
    /// Highest risk.
    pub risk: f64,
    /// Mean return, a part of one.
    pub earned: f64,
    /// Mean number of rebalances.
    pub rebalances: f64,
    /// Lowest cushion over the floor, a part of one.
    pub lowest: f64,
    /// Breaches of the floor.
    pub breaches: u64,
}

/// A figure over two parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct HeatMap {
    /// Name of the figure in files.
    pub id: &'static str,
    /// Name of the figure.
    pub figure: &'static str,
    /// How it is written.
    pub unit: Unit,
    /// The parameter across, and its values.
    pub x: (String, Vec<String>),
    /// The parameter up, and its values.
    pub y: Option<(String, Vec<String>)>,
    /// From the first value of `y` to the last, each from the first of `x` to the last; nothing where there is no result.
    pub cells: Vec<Vec<Option<Heat>>>,
    /// What it takes of several combinations, for people.
    pub each: &'static str,
    /// Of how many, at most.
    pub of: usize,
}

/// A cell of a heat map.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Heat {
    /// The figure.
    pub value: f64,
    /// Whether one of its combinations was below the floor at some time.
    pub broken: bool,
}

/// A parameter and its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its key.
    pub name: String,
    /// What it was set to.
    pub values: Vec<String>,
}

/// Rows of the front that the page lists; those beyond are counted.
const MOST_LISTED: usize = 500;

/// The page, as one self-contained HTML file.
///
/// # Errors
/// A plot cannot be drawn.
pub fn html(sweep: &Sweep) -> Result<String, ReportError> {
    let mut body = summary(sweep);
    for note in &sweep.notes {
        let _infallible = writeln!(body, "<p class=\"note\">{}</p>", escape(note));
    }
    body.push_str(&scatter::figure(&sweep.marks, sweep.risk, sweep.by_policy)?);
    body.push_str(&front(sweep));
    if let Some(map) = &sweep.heat {
        body.push_str(&heat::figure(map)?);
    }
    body.push_str(&parameters(&sweep.parameters));
    body.push_str(&refused(sweep));
    Ok(page("Sweep", &sweep.name, &body))
}

fn summary(sweep: &Sweep) -> String {
    let (class, verdict) = match sweep.below_floor {
        0 => ("good", "The floor held in all of them".to_owned()),
        broken => ("bad", format!("The floor was broken in {} of them", number(real(broken), 0))),
    };
    let mut out = format!(
        "<p class=\"summary\">{} walked. <strong class=\"{class}\">{verdict}.</strong> ",
        count(sweep.walked, "combination")
    );
    let (risk, unit) = sweep.risk;
    if let (Some(cheapest), Some(safest)) = (sweep.front.first(), sweep.front.last()) {
        let what = if sweep.by_policy { "policies" } else { "combinations" };
        let _infallible = write!(
            out,
            "Of {} {what}, {} are beaten by none in both cost and risk: from {}&#160;bps a year at {} {} to {}&#160;bps at {}.",
            number(real(sweep.marks.len()), 0),
            number(real(sweep.front.len()), 0),
            number(cheapest.cost, 1),
            lower(risk),
            written(cheapest.risk, unit),
            number(safest.cost, 1),
            written(safest.risk, unit),
        );
    }
    if sweep.without > 0 {
        let _infallible = write!(out, " {} without a result.", count(sweep.without, "combination"));
    }
    out.push_str("</p>\n");
    out
}

fn front(sweep: &Sweep) -> String {
    let (risk, unit) = sweep.risk;
    let mut note = if sweep.by_policy {
        "Cost, return and rebalances are means over the worlds that a policy was walked through, risk and cushion those of the \
         worst, breaches all of them."
            .to_owned()
    } else {
        "One combination in each row.".to_owned()
    };
    if sweep.front.len() > MOST_LISTED {
        let _infallible = write!(note, " The first {MOST_LISTED} are listed.");
    }
    let names = sweep.names.iter().map(|name| escape(name));
    let risk = format!("{}{}", escape(risk), beside(unit));
    let figures =
        ["Cost a year, bps", &risk, "Return", "Rebalances", "Lowest cushion over the floor", "Breaches"];
    let columns: Vec<String> = names.chain(figures.map(str::to_owned)).collect();
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let mut out = tables::opened("The front", &note, &columns, sweep.names.len());
    for row in sweep.front.iter().take(MOST_LISTED) {
        out.push_str("<tr>");
        for value in &row.values {
            let _infallible = write!(out, "<td class=\"left\">{}</td>", escape(value));
        }
        let class = if row.breaches > 0 { " class=\"bad\"" } else { "" };
        let _infallible = writeln!(
            out,
            "<td>{}</td><td>{}</td><td>{}</td><td>{}</td><td{class}>{}</td><td>{}</td></tr>",
            written(row.cost, Unit::Bps),
            written(row.risk, unit),
            written(row.earned, Unit::Percent),
            number(row.rebalances, 1),
            written(row.lowest, Unit::Percent),
            row.breaches,
        );
    }
    out.push_str("</tbody></table></div></section>\n");
    out
}

fn parameters(parameters: &[Parameter]) -> String {
    let mut out =
        tables::opened("Parameters", "Every value was combined with all others.", &["Key", "Values"], 2);
    for Parameter { name, values } in parameters {
        let values: Vec<String> = values
            .iter()
            .enumerate()
            .map(|(at, value)| {
                let short = heat::short(at, value);
                if short == *value { escape(value) } else { format!("{short} {}", escape(value)) }
            })
            .collect();
        let _infallible = writeln!(
            out,
            "<tr><th scope=\"row\"><code>{}</code></th><td class=\"left\">{}</td></tr>",
            escape(name),
            values.join(", ")
        );
    }
    out.push_str("</tbody></table></div></section>\n");
    out
}

fn refused(sweep: &Sweep) -> String {
    if sweep.refused.is_empty() {
        return String::new();
    }
    let left = sweep.without.saturating_sub(sweep.refused.len());
    let more =
        if left > 0 { format!("The first {} are listed.", sweep.refused.len()) } else { String::new() };
    let mut out = tables::opened("Without a result", &more, &["Combination", "Why"], 2);
    for (values, why) in &sweep.refused {
        let _infallible = writeln!(
            out,
            "<tr><td class=\"left\">{}</td><td class=\"left\">{}</td></tr>",
            escape(values),
            escape(why)
        );
    }
    out.push_str("</tbody></table></div></section>\n");
    out
}

/// Within a sentence.
pub(super) fn lower(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

#[expect(clippy::cast_precision_loss, reason = "shown with a few digits")]
const fn real(count: usize) -> f64 {
    count as f64
}
