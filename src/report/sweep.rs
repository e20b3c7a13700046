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

/// Letters of a value that has more than a line of its own.
const LONG: usize = 20;

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
        let alone = sweep.front.len() == 1;
        let _infallible = write!(
            out,
            "Of {} {what}, {} {} beaten by none in both cost and risk: {}{}&#160;bps a year at {} {}",
            number(real(sweep.marks.len()), 0),
            number(real(sweep.front.len()), 0),
            if alone { "is" } else { "are" },
            if alone { "" } else { "from " },
            number(cheapest.cost, 1),
            lower(risk),
            written(cheapest.risk, unit),
        );
        if !alone {
            let (cost, risk) = (number(safest.cost, 1), written(safest.risk, unit));
            let _infallible = write!(out, " to {cost}&#160;bps at {risk}");
        }
        out.push('.');
        let broken = sweep.front.iter().filter(|row| row.breaches > 0).count();
        if broken > 0 {
            let _infallible = write!(
                out,
                " <strong class=\"bad\">The floor was broken by {} of these.</strong>",
                number(real(broken), 0)
            );
        }
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
    // A long key may go on in the next line after each of its parts.
    let names = sweep.names.iter().map(|name| escape(name).replace('.', ".<wbr/>"));
    let risk = format!("{}{}", escape(risk), beside(unit));
    let figures = [
        "Floor",
        "Cost a year, bps",
        &risk,
        "Return",
        "Rebalances",
        "Lowest cushion over the floor",
        "Breaches",
    ];
    let columns: Vec<String> = names.chain(figures.map(str::to_owned)).collect();
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let mut out = tables::opened("The front", &note, &columns, sweep.names.len().saturating_add(1));
    for row in sweep.front.iter().take(MOST_LISTED) {
        out.push_str("<tr>");
        for value in &row.values {
            let long = if value.chars().count() > LONG { " long" } else { "" };
            let _infallible = write!(out, "<td class=\"value{long}\">{}</td>", escape(value));
        }
        let (class, floor) = if row.breaches > 0 {
            (" class=\"bad\"", "<td class=\"left bad\"><strong>✕ broken</strong></td>")
        } else {
            ("", "<td class=\"left good\">held</td>")
        };
        let _infallible = writeln!(
            out,
            "{floor}<td>{}</td><td>{}</td><td>{}</td><td>{}</td><td{class}>{}</td><td{class}>{}</td></tr>",
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
            "<tr><th scope=\"row\"><code>{}</code></th><td class=\"value\">{}</td></tr>",
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
            "<tr><td class=\"value\">{}</td><td class=\"value\">{}</td></tr>",
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

#[cfg(test)]
mod tests {
    use super::*;

    fn sweep(columns: usize, rows: usize) -> Sweep {
        let labels = |count: usize| (0..count).map(|at| format!("{at}.25")).collect::<Vec<_>>();
        let cell = |row: usize, column: usize| {
            (row.saturating_add(column) != 1)
                .then(|| Heat { value: 10.0 * real(row) + real(column), broken: row == 2 })
        };
        let mark = |at: usize| Mark { risk: real(at), cost: 9.0 - real(at), front: true, broken: at == 3 };
        let row = |value: &str| FrontRow {
            values: vec![value.to_owned()],
            cost: 1_234.56,
            risk: 0.0217,
            earned: -0.1,
            rebalances: 2.5,
            lowest: -0.004,
            breaches: 1,
        };
        Sweep {
            name: "<i>nasty</i> at prices".to_owned(),
            walked: 12,
            below_floor: 3,
            without: 0,
            by_policy: true,
            risk: ("Tracking error", Unit::Percent),
            names: vec!["policy.<b>".to_owned()],
            marks: (0..9).map(mark).collect(),
            front: vec![row("{ kind = \"<u>\" }")],
            heat: Some(HeatMap {
                id: "cost_bps",
                figure: "Cost a year",
                unit: Unit::Bps,
                x: ("policy.x".to_owned(), labels(columns)),
                y: Some(("policy.y".to_owned(), labels(rows))),
                cells: (0..rows).map(|row| (0..columns).map(|column| cell(row, column)).collect()).collect(),
                each: "the mean",
                of: 4,
            }),
            parameters: vec![Parameter {
                name: "<p>".to_owned(),
                values: vec!["a value longer than an axis".to_owned()],
            }],
            refused: vec![("<q>".to_owned(), "a < b".to_owned())],
            notes: vec!["<script>".to_owned()],
        }
    }

    #[test]
    fn the_page_says_what_it_is_given_and_nothing_of_it_is_markup() {
        let page = html(&sweep(3, 3)).unwrap();
        for nasty in ["<i>", "<b>", "<u>", "<p>", "<q>", "<script", "a < b"] {
            assert!(!page.replace("<p>Sweep</p>", "").contains(nasty), "{nasty}");
        }
        assert!(page.contains(
            "<strong class=\"bad\">The floor was broken in 3 of them.</strong> Of 9 policies, 1 is"
        ));
        let row = "<td>1,234.6</td><td>2.17&#160;%</td><td>−10.00&#160;%</td><td>2.5</td><td class=\"bad\">−0.40&#160;%</td>\
                   <td class=\"bad\">1</td></tr>";
        assert!(page.contains(row));
        assert!(page.contains("<td class=\"left bad\"><strong>✕ broken</strong></td><td>1,234.6</td>"));
        assert!(page.contains("<strong class=\"bad\">The floor was broken by 1 of these.</strong>"));
        assert!(page.contains("policy.<wbr/>&lt;b&gt;</th>"));
        assert!(page.contains("#1 a value longer than an axis"));
        assert!(page.contains("from weak, 0.0, to strong, 22.0"));
        assert!(page.contains("A cell is the mean of up to 4 combinations"));
    }

    #[test]
    fn a_cell_has_its_shade_and_a_frame_where_the_floor_was_broken_and_without_a_result_nothing() {
        let page = html(&sweep(3, 3)).unwrap();
        let wide = page.split("class=\"wide\"").nth(2).and_then(|rest| rest.split("</svg>").next()).unwrap();
        assert_eq!(wide.matches("<rect ").count(), 7);
        assert_eq!(wide.matches("<polyline ").count(), 3);
        for figure in ["0.0", "2.0", "11.0", "22.0"] {
            assert!(wide.lines().any(|line| line.trim() == figure), "{figure}");
        }
        assert!(!wide.lines().any(|line| ["1.0", "10.0"].contains(&line.trim())));
    }

    #[test]
    fn many_values_are_shades_without_figures_and_with_few_labels() {
        let page = html(&sweep(300, 200)).unwrap();
        let narrow =
            page.split("class=\"narrow\"").nth(2).and_then(|rest| rest.split("</svg>").next()).unwrap();
        assert_eq!(narrow.matches("<rect ").count(), 300 * 200 - 2);
        let labels = narrow.matches("<text ").count();
        assert!((10..60).contains(&labels), "{labels}");
    }

    #[test]
    fn one_value_none_and_equal_figures_are_drawn() {
        let mut one = sweep(1, 1);
        one.marks = vec![Mark { risk: 0.0, cost: 0.0, front: true, broken: false }];
        one.heat = one.heat.map(|map| HeatMap { y: None, ..map });
        let page = html(&one).unwrap();
        assert!(!page.contains("NaN") && !page.contains("inf"), "{page}");
        let page = html(&Sweep { heat: None, marks: Vec::new(), front: Vec::new(), ..one }).unwrap();
        assert_eq!(page.matches("<figure>").count(), 1);
    }
}
