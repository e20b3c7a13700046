//! A simulation as one page: summary, how paths spread and end, the figures, and the check of the paths.

use std::fmt::Write as _;

use super::backtest::{Figure, table};
use super::options::{NotOpened, not_opened};
use super::text::{escape, number, usd};
use super::{ReportError, figures, page, spread, tables};

/// A simulation, ready to be shown.
#[derive(Debug)]
pub struct Future<'a> {
    /// What was simulated.
    pub name: &'a str,
    /// On how many paths of what, in a sentence.
    pub about: &'a str,
    /// First net asset value, USD.
    pub start: f64,
    /// Floor at the start, USD.
    pub floor: f64,
    /// The policy first, then what it is compared with.
    pub kept: &'a [Kept<'a>],
    /// How net value of the policy spread over time.
    pub fan: &'a [Fan],
    /// What it came to: a value for each of them.
    pub figures: &'a [Figure],
    /// Why the policy's option book had none at some steps.
    pub unopened: &'a [NotOpened],
    /// The paths beside their closed forms.
    pub check: &'a [Checked<'a>],
    /// Share of the paths on which the floor was broken, with its 95 % interval.
    pub breach: (f64, f64, f64),
    /// Expected shortfall where it was broken, USD.
    pub shortfall: Option<f64>,
}

/// All paths of one who keeps the vault.
#[derive(Debug)]
pub struct Kept<'a> {
    /// Who.
    pub name: &'a str,
    /// Net values at the end, % of the first.
    pub ends: Vec<f64>,
    /// Lowest cushions on the way, % of the floor.
    pub cushions: Vec<f64>,
}

/// Net value over all paths at one time, USD.
#[derive(Debug, Clone, Copy)]
pub struct Fan {
    /// Days since the start.
    pub day: f64,
    /// The lowest.
    pub lowest: f64,
    /// Percentiles.
    pub p01: f64,
    /// 5 %.
    pub p05: f64,
    /// 25 %.
    pub p25: f64,
    /// 50 %.
    pub median: f64,
    /// 75 %.
    pub p75: f64,
    /// 95 %.
    pub p95: f64,
    /// The floor.
    pub floor: f64,
}

/// A figure of the paths beside its closed form.
#[derive(Debug, Clone, Copy)]
pub struct Checked<'a> {
    /// What it is.
    pub name: &'a str,
    /// As simulated.
    pub simulated: f64,
    /// In closed form.
    pub closed_form: f64,
    /// The difference in standard errors.
    pub standard_errors: f64,
    /// Where it is more than three: the probability that a sound figure is as far off.
    pub chance: Option<f64>,
    /// What a floor's share of breaches comes to if it is traded without pause, where that is known.
    pub without_pause: Option<f64>,
}

/// The page, as one self-contained HTML file.
///
/// # Errors
/// A plot cannot be drawn.
pub fn html(future: &Future<'_>) -> Result<String, ReportError> {
    let mut body = summary(future);
    for plot in spread::all(future) {
        body.push_str(&figures::figure(&plot)?);
    }
    let names: Vec<&str> = future.kept.iter().map(|kept| kept.name).collect();
    body.push_str(&table(&names, future.figures));
    body.push_str(&not_opened(future.unopened));
    body.push_str(&check(future.check));
    Ok(page("Simulation", future.name, &body))
}

fn summary(future: &Future<'_>) -> String {
    let (share, low, high) = future.breach;
    let (class, verdict) = if share > 0.0 {
        ("bad", "The floor was broken on some paths.")
    } else {
        ("good", "The floor held on all paths.")
    };
    let percent = |share: f64| format!("{}&#160;%", number(100.0 * share, 2));
    let mut out = format!(
        "<p class=\"summary\"><strong class=\"{class}\">{verdict}</strong> {} Net value was below the floor at some step \
         of {} of them (95&#160;%: from {} to {})",
        escape(future.about),
        percent(share),
        percent(low),
        percent(high),
    );
    if let Some(shortfall) = future.shortfall {
        let _infallible =
            write!(out, ", and then {}&#160;USD below it at the deepest, on average", usd(shortfall));
    }
    out.push_str(".</p>\n");
    out
}

fn check(rows: &[Checked<'_>]) -> String {
    let note = "The paths themselves, held against what is known in closed form of what generates them. What is more \
                than three standard errors off is marked with how seldom chance takes a sound figure so far; beyond four \
                there would be no report. Beside the closed form stands what it comes to if the floor \
                is traded without pause, where that is known.";
    let columns = ["Of the paths", "Simulated", "Closed form", "Standard errors", "Traded without pause"];
    let mut out = tables::opened("Check", note, &columns, 1);
    for row in rows {
        let seldom = row.chance.map(|chance| format!(" (one in {})", number(1.0 / chance, 0)));
        let class = if row.chance.is_some() { " class=\"bad\"" } else { "" };
        let _infallible = writeln!(
            out,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td{class}>{}{}</td><td>{}</td></tr>",
            escape(row.name),
            number(row.simulated, 6),
            number(row.closed_form, 6),
            number(row.standard_errors, 2),
            seldom.unwrap_or_default(),
            row.without_pause.map(|value| number(value, 6)).unwrap_or_default(),
        );
    }
    out.push_str("</tbody></table></div></section>\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_floor_traded_without_pause_comes_to_stands_beside_the_closed_form_where_it_is_known() {
        let row = |name, without_pause| Checked {
            name,
            simulated: 0.5,
            closed_form: 0.25,
            standard_errors: 1.5,
            chance: None,
            without_pause,
        };
        let page = check(&[row("paths", Some(0.125)), row("mean", None)]);
        assert!(page.contains("<th scope=\"col\">Traded without pause</th>"), "{page}");
        for (name, without) in [("paths", "0.125000"), ("mean", "")] {
            let row = format!(
                "<tr><th scope=\"row\">{name}</th><td>0.500000</td><td>0.250000</td><td>1.50</td><td>{without}</td></tr>"
            );
            assert!(page.contains(&row), "{page}");
        }
    }

    #[test]
    fn what_is_more_than_three_standard_errors_off_is_marked_with_how_seldom_that_is() {
        let row = |standard_errors, chance| Checked {
            name: "mean",
            simulated: 0.5,
            closed_form: 0.25,
            standard_errors,
            chance,
            without_pause: None,
        };
        let page = check(&[row(2.9, None), row(-3.2, Some(0.001_374_276))]);
        assert!(
            page.contains("<td>2.90</td>") && page.contains("<td class=\"bad\">−3.20 (one in 728)</td>"),
            "{page}"
        );
    }
}
