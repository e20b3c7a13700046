//! A course as one page: summary, comparison, plots and the keeper's rebalances.
//!
//! The page is a function of the course alone. It needs neither network nor scripts, reads on a telephone as on a
//! desk, and follows the reader's choice of a light or a dark theme.

pub mod course;

pub mod backtest;
pub mod future;
pub mod sweep;

mod axis;
mod calendar;
mod canvas;
mod figures;
mod heat;
pub mod options;
mod plots;
mod scatter;
mod spread;
pub(crate) mod stress;
mod style;
mod tables;
mod text;
mod thin;

use std::fmt::Write as _;

use thiserror::Error;

use course::{Contestant, Course};
use text::{percent, usd};

pub(crate) use text::{escape, number};

/// Who a page is about.
pub(crate) struct Subject {
    /// As a sentence begins.
    who: &'static str,
    /// The price by which what trades lost is counted.
    price: &'static str,
}

/// The keeper on a chain, where an oracle says what things are worth.
pub(crate) const KEEPER: Subject = Subject { who: "The keeper", price: "the oracle’s price" };
/// A policy in a backtest, where the market's price is known.
pub(crate) const POLICY: Subject = Subject { who: "The policy", price: "the market’s price" };

/// Why there is no page.
#[derive(Debug, Error)]
pub enum ReportError {
    /// The drawing library refused.
    #[error("the plot of {plot} cannot be drawn: {reason}")]
    Plot {
        /// Title of the plot.
        plot: &'static str,
        /// What the library said.
        reason: String,
    },
}

/// The page, as one self-contained HTML file.
///
/// Of steps that share a pixel, the plots keep first, last, lowest and highest, so no extreme is lost. Numbers that
/// are not finite are left out of the plots and written as a dash.
///
/// # Errors
/// A plot cannot be drawn.
pub fn html(course: &Course) -> Result<String, ReportError> {
    let mut body = summary(course, &KEEPER);
    body.push_str(&tables::comparison(&course.contestants, &KEEPER));
    for plot in plots::all(course) {
        body.push_str(&figures::figure(&plot)?);
    }
    body.push_str(&tables::rebalances(course.contestants.first(), &KEEPER, usize::MAX));
    Ok(page("Keeper demo", &course.scenario, &body))
}

/// A page of this `kind` about `name` with `body`, which is HTML; in the style of all reports.
pub(crate) fn page(kind: &str, name: &str, body: &str) -> String {
    let (kind, name, style) = (escape(kind), escape(name), style::css());
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <meta name=\"color-scheme\" content=\"light dark\"/>\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"/>\n\
         <title>{kind}: {name}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n\
         <header><p>{kind}</p><h1>{name}</h1></header>\n{body}</main>\n</body>\n</html>\n"
    )
}

/// What one must know, in one paragraph.
fn summary(course: &Course, subject: &Subject) -> String {
    let Some((keeper, others)) = course.contestants.split_first() else {
        return "<p class=\"summary\">Nobody kept a vault in this demo.</p>\n".to_owned();
    };
    let result = keeper.result;
    let (class, verdict) =
        if result.floor_broken() { ("bad", "The floor was broken") } else { ("good", "The floor held") };
    let mut out = format!("<p class=\"summary\"><strong class=\"{class}\">{verdict}.</strong> ");
    out.push_str(&market(course));
    let _infallible = write!(
        out,
        "{} took net asset value from {} to {}&#160;USD ({}), over a floor that ended at {}&#160;USD; the lowest \
         cushion on the way was {}&#160;USD. It made {} for {}&#160;USD: {} of gas, {} of net asset value lost against \
         {}{}.",
        subject.who,
        usd(result.start),
        usd(result.end),
        percent(text::change(result.start, result.end)),
        usd(result.floor),
        usd(result.lowest_cushion),
        text::count(result.rebalances, "rebalance"),
        usd(result.gas + result.nav_lost),
        usd(result.gas),
        usd(result.nav_lost),
        subject.price,
        reverted(result.reverted),
    );
    out.push_str(&fallen(others));
    if let Some(sampling) = course.sampling() {
        out.push(' ');
        out.push_str(&escape(&sampling));
    }
    out.push_str("</p>\n");
    out
}

/// How many transactions paid gas for nothing, where there are any.
fn reverted(transactions: usize) -> String {
    if transactions == 0 { String::new() } else { format!("; {transactions} of its transactions reverted") }
}

/// The way of the market, in one sentence.
fn market(course: &Course) -> String {
    let (Some(first), Some(last)) = (course.market.first(), course.market.last()) else {
        return String::new();
    };
    let prices = || course.market.iter().map(|point| point.price).filter(|price| price.is_finite());
    format!(
        "From {} to {} UTC the price of the risky asset went from {} to {}&#160;USD ({}), between {} and {}&#160;USD. ",
        calendar::minute(first.time),
        calendar::minute(last.time),
        usd(first.price),
        usd(last.price),
        percent(text::change(first.price, last.price)),
        usd(prices().fold(f64::INFINITY, f64::min)),
        usd(prices().fold(f64::NEG_INFINITY, f64::max)),
    )
}

/// How many of the others were below their floor.
fn fallen(others: &[Contestant]) -> String {
    let fallen: Vec<String> = others
        .iter()
        .filter(|other| other.result.floor_broken())
        .map(|other| format!("<em>{}</em>", escape(&other.name)))
        .collect();
    match (others.len(), fallen.is_empty()) {
        (0, _) => String::new(),
        (_, true) => " None of the others was below the floor.".to_owned(),
        (all, false) => {
            format!(" Of the {} it is compared with, below the floor: {}.", all, fallen.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::course::{MarketPoint, Outcome, Trade, VaultPoint};

    const START: u64 = 1_583_971_200;

    fn market(steps: u32) -> Vec<MarketPoint> {
        let point = |step: u32| MarketPoint {
            time: START.saturating_add(u64::from(step).saturating_mul(60)),
            price: 200.0 - f64::from(step) / 40.0 + (f64::from(step) * 0.9).sin(),
            base_fee_gwei: 20.0 + (f64::from(step) * 1.7).sin() * 15.0,
        };
        (0..steps).map(point).collect()
    }

    fn contestant(name: &str, market: &[MarketPoint], lowest_cushion: f64) -> Contestant {
        let point = |point: &MarketPoint| VaultPoint {
            time: point.time,
            past: None,
            nav: 40_000.0 + 300.0 * point.price,
            floor: 80_000.0,
            exposure: 250.0 * point.price,
            target: (point.time % 7_200 >= 600).then_some(245.0 * point.price),
            band: (point.time % 7_200 >= 600).then_some(700.0),
        };
        let trade = |(step, point): (usize, &MarketPoint)| Trade {
            time: point.time,
            price: point.price,
            sell: step % 3 > 0,
            value: 12_345.678,
            reason: "floor_at_risk".to_owned(),
            gas: 7.654,
            nav_lost: 0.001,
        };
        Contestant {
            name: name.to_owned(),
            points: market.iter().map(point).collect(),
            trades: market.iter().step_by(40).enumerate().map(trade).collect(),
            result: Outcome {
                start: 100_000.0,
                end: 87_654.321,
                floor: 80_000.0,
                lowest_cushion,
                rebalances: 54,
                gas: 413.25,
                nav_lost: 98.5,
                reverted: 3,
            },
        }
    }

    fn course(steps: u32) -> Course {
        let market = market(steps);
        let contestants = vec![
            contestant("keeper", &market, 1_234.5),
            contestant("hold", &market, -2_468.25),
            contestant("threshold 5 %", &market, 17.0),
            contestant("daily", &market, 0.0),
        ];
        Course { scenario: "Black Thursday".to_owned(), market, sampled_from: None, contestants }
    }

    /// The names of its elements in their order, after every one was found closed in its turn.
    fn elements(page: &str) -> Vec<&str> {
        let (mut open, mut all) = (Vec::new(), Vec::new());
        let body = page.strip_prefix("<!DOCTYPE html>").unwrap();
        for tag in body.split('<').skip(1) {
            let (tag, text) = tag.split_once('>').expect("a tag ends");
            assert!(!text.contains('>') || tag == "style", "a stray > after {tag}");
            assert_eq!(tag.matches('"').count() % 2, 0, "quotes of {tag}");
            let name = tag.split([' ', '/']).next().unwrap();
            if let Some(closed) = tag.strip_prefix('/') {
                assert_eq!(open.pop(), Some(closed));
                continue;
            }
            all.push(name);
            if !tag.ends_with('/') {
                open.push(name);
            }
        }
        assert!(open.is_empty(), "never closed: {open:?}");
        all
    }

    fn how_many(page: &str, name: &str) -> usize {
        elements(page).into_iter().filter(|element| *element == name).count()
    }

    #[test]
    fn a_demo_of_36_hours_is_well_formed_and_below_a_megabyte() {
        let page = html(&course(2_160)).unwrap();
        assert_eq!(how_many(&page, "figure"), 4);
        assert_eq!(how_many(&page, "svg"), 8);
        assert_eq!(how_many(&page, "table"), 2);
        // Two heads, four contestants, 54 rebalances.
        assert_eq!(how_many(&page, "tr"), 60);
        assert!(page.len() < 1_000_000, "{} bytes", page.len());
    }

    #[test]
    fn the_same_course_gives_the_same_page() {
        assert_eq!(html(&course(500)).unwrap(), html(&course(500)).unwrap());
    }

    #[test]
    fn nothing_is_fetched_and_nothing_runs() {
        let page = html(&course(100)).unwrap();
        let foreign = page.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
        for reference in
            ["http:", "https:", "//", "url(", "src=", "href=", "@import", "<script", "javascript", " on"]
        {
            let found = foreign.to_lowercase();
            let allowed = if reference == " on" { found.matches(" on ").count() } else { 0 };
            assert_eq!(found.matches(reference).count(), allowed, "{reference}");
        }
    }

    #[test]
    fn the_tables_hold_the_figures() {
        let page = html(&course(2_160)).unwrap();
        let keeper = "<th scope=\"row\">keeper</th><td>87,654.32</td><td>−12.35&#160;%</td><td>80,000.00</td>\
                      <td>1,234.50</td><td>54</td><td>413.25</td><td>98.50</td><td>3</td>";
        assert!(page.contains(keeper));
        assert!(page.contains("<td class=\"bad\">−2,468.25</td>"));
        let first = "<tr><td>2020-03-12 00:00:00</td><td class=\"left\" style=\"color:var(--buy)\">▲ buy</td>\
                     <td class=\"left\"><code>floor_at_risk</code></td><td>12,345.68</td><td>200.00</td><td>7.65</td>\
                     <td>&lt;0.01</td></tr>";
        assert!(page.contains(first));
        assert!(page.contains(
            "<tr><td>2020-03-12 00:40:00</td><td class=\"left\" style=\"color:var(--sell)\">▼ sell"
        ));
    }

    #[test]
    fn the_summary_says_who_kept_the_floor_and_at_what_cost() {
        let page = html(&course(2_160)).unwrap();
        assert!(page.contains("<strong class=\"good\">The floor held.</strong>"));
        assert!(page.contains(
            "the lowest cushion on the way was 1,234.50&#160;USD. It made 54 rebalances for 511.75"
        ));
        assert!(page.contains("lost against the oracle’s price; 3 of its transactions reverted. Of the 3"));
        assert!(page.contains("Of the 3 it is compared with, below the floor: <em>hold</em>."));

        let mut broken = course(10);
        broken.contestants[0].result.lowest_cushion = -0.001;
        broken.contestants[0].result.reverted = 0;
        broken.contestants.truncate(1);
        let page = html(&broken).unwrap();
        assert!(page.contains("<strong class=\"bad\">The floor was broken.</strong>"));
        assert!(page.contains("was −&lt;0.01&#160;USD"));
        assert!(!page.contains("compared with") && !page.contains("of its transactions"));
    }

    #[test]
    fn the_page_says_what_sampling_a_loss_and_the_band_mean() {
        let whole = html(&course(100)).unwrap();
        assert!(!whole.contains("sampled"));
        assert!(whole.contains("negative where the pool paid more"));
        assert_eq!(whole.matches("where exposure crosses the target it flickers").count(), 1);
        let sampled = html(&Course { sampled_from: Some(43_200), ..course(2_160) }).unwrap();
        let note =
            "The market was sampled to 2160 steps of 43200 rows: what happened between two steps is not seen";
        assert!(sampled.contains(note));
    }

    #[test]
    fn a_drop_of_one_step_is_the_lowest_point_drawn() {
        let mut one = course(20_000);
        one.market.iter_mut().for_each(|point| point.price = 100.0);
        one.market[12_345].price = 20.0;
        // So that the price comes first.
        one.contestants.clear();
        for format in [canvas::WIDE, canvas::NARROW] {
            let drawn = canvas::svg(&plots::all(&one)[0], &format).unwrap();
            let line =
                drawn.lines().filter(|line| line.starts_with("<polyline")).max_by_key(|line| line.len());
            let points: Vec<(i32, i32)> = line
                .and_then(|line| line.split_once("points=\"")?.1.split_once('"'))
                .map(|(points, _)| points.split_whitespace().filter_map(|point| point.split_once(',')))
                .unwrap()
                .map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap()))
                .collect();
            let highest = points.iter().map(|point| point.1).min();
            let below: Vec<_> = points.iter().filter(|point| Some(point.1) != highest).collect();
            assert_eq!(below.len(), 1);
        }
    }

    #[test]
    fn names_and_reasons_cannot_be_markup() {
        let mut nasty = course(50);
        nasty.scenario = "</title><script>alert('x')</script>".to_owned();
        for contestant in &mut nasty.contestants {
            contestant.name = "<img src=x onerror=\"y\">".to_owned();
            contestant.trades[0].reason = "</code><b>&".to_owned();
        }
        let page = html(&nasty).unwrap();
        assert_eq!(how_many(&page, "script") + how_many(&page, "img") + how_many(&page, "b"), 0);
        assert!(page.contains("<code>&lt;/code&gt;&lt;b&gt;&amp;</code>"));
        assert!(page.contains("<th scope=\"row\">&lt;img src=x onerror=&quot;y&quot;&gt;</th>"));
    }

    #[test]
    fn an_empty_course_is_a_page_without_plots() {
        let page = html(&Course {
            scenario: String::new(),
            market: Vec::new(),
            sampled_from: None,
            contestants: Vec::new(),
        })
        .unwrap();
        assert_eq!(how_many(&page, "figure"), 0);
        assert!(page.contains("Nobody kept a vault"));

        let page = html(&course(0)).unwrap();
        assert_eq!(how_many(&page, "figure"), 0);
        assert!(page.contains("None."));
    }

    #[test]
    fn a_course_of_one_step_is_drawn_as_dots() {
        let page = html(&course(1)).unwrap();
        assert_eq!(how_many(&page, "figure"), 4);
        assert!(how_many(&page, "circle") >= 8);
        assert!(!page.contains("NaN") && !page.contains("inf"));
    }

    #[test]
    fn numbers_that_are_not_finite_are_left_out() {
        let mut odd = course(50);
        for (step, point) in odd.market.iter_mut().enumerate() {
            point.base_fee_gwei = [f64::NAN, f64::INFINITY, 20.0][step % 3];
        }
        odd.market[7].price = f64::NEG_INFINITY;
        odd.contestants[0].points[9].nav = f64::NAN;
        odd.contestants[0].trades[0].price = f64::NAN;
        odd.contestants[0].result.end = f64::NAN;
        let page = html(&odd).unwrap();
        assert_eq!(how_many(&page, "figure"), 4);
        assert!(!page.contains("NaN") && !page.contains("inf"));
        assert!(page.contains("<th scope=\"row\">keeper</th><td>–</td><td>–</td>"));
    }
}
