//! Cost against risk, one point for each policy, and the front of those that none beats in both.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::ReportError;
use super::axis::Axis;
use super::backtest::{Unit, beside};
use super::canvas::{Error, Format, NARROW, WIDE, letters, px};
use super::style::{self, Ink};
use super::sweep::{Mark, lower};
use super::text::escape;
use super::thin::Point;

const TITLE: &str = "Cost against risk";

/// Points that are apart by less than this part of an axis are one in the picture.
const LATTICE: f64 = 300.0;

/// Points of one kind; drawn so wide, in pixels.
struct Kind {
    name: &'static str,
    ink: Ink,
    radius: u32,
    /// Of the front although the floor broke: a ring in the colour of the front around it.
    ringed: bool,
    points: Vec<Point>,
}

/// The plot in both formats with its legend.
///
/// # Errors
/// It cannot be drawn.
pub(super) fn figure(
    marks: &[Mark],
    (risk, unit): (&'static str, Unit),
    by_policy: bool,
) -> Result<String, ReportError> {
    let kinds = kinds(marks, unit);
    let mut out = format!("<figure>\n<figcaption><h2>{TITLE}</h2></figcaption>\n<ul class=\"legend\">");
    for kind in kinds.iter().rev().filter(|kind| !kind.points.is_empty()) {
        let ink = kind.ink.name;
        let _infallible = write!(
            out,
            "<li><span class=\"mark\" style=\"color:var(--{ink})\">{}</span>{}</li>",
            if kind.ringed { "◉" } else { "●" },
            kind.name
        );
    }
    let what = if by_policy {
        "A point is a policy: the mean of its cost and the highest of its risk over the worlds that it was \
                               walked through."
    } else {
        "A point is a combination."
    };
    let _infallible = writeln!(
        out,
        "</ul>\n<p class=\"note\">{what} Of the front none is beaten in both: what is left of and below a point of it is empty.</p>"
    );
    let across = match unit {
        Unit::Percent => format!("{}, %", lower(risk)),
        Unit::Usd | Unit::Bps | Unit::Count | Unit::Ratio => format!("{}{}", lower(risk), beside(unit)),
    };
    for format in [WIDE, NARROW] {
        let drawn = svg(&kinds, &across, &format)
            .map_err(|error| ReportError::Plot { plot: TITLE, reason: error.to_string() })?;
        let named = format!(
            "<svg class=\"{}\" role=\"img\" aria-label=\"{TITLE}, {}\" ",
            format.class,
            escape(&across)
        );
        out.push_str(&drawn.replacen("<svg ", &named, 1));
    }
    out.push_str("</figure>\n");
    Ok(out)
}

/// Those of the front are drawn last.
fn kinds(marks: &[Mark], unit: Unit) -> [Kind; 4] {
    let scale = if unit == Unit::Percent { 100.0 } else { 1.0 };
    let of = |wanted: &dyn Fn(&Mark) -> bool| -> Vec<Point> {
        let finite = |mark: &&Mark| mark.risk.is_finite() && mark.cost.is_finite() && wanted(mark);
        marks.iter().filter(finite).map(|mark| (mark.risk * scale, mark.cost)).collect()
    };
    [
        Kind {
            name: "beaten",
            ink: style::MARKET,
            radius: 3,
            ringed: false,
            points: of(&|mark| !mark.front && !mark.broken),
        },
        Kind {
            name: "floor broken",
            ink: style::FLOOR,
            radius: 4,
            ringed: false,
            points: of(&|mark| !mark.front && mark.broken),
        },
        Kind {
            name: "front, floor broken",
            ink: style::FLOOR,
            radius: 4,
            ringed: true,
            points: of(&|mark| mark.front && mark.broken),
        },
        Kind {
            name: "front",
            ink: style::KEEPER,
            radius: 4,
            ringed: false,
            points: of(&|mark| mark.front && !mark.broken),
        },
    ]
}

fn svg(kinds: &[Kind; 4], across: &str, format: &Format) -> Result<String, Error> {
    let mut out = String::new();
    let (width, height) = format.size;
    let area = SVGBackend::with_string(&mut out, (px(width), px(height))).into_drawing_area();
    let all = || kinds.iter().flat_map(|kind| &kind.points);
    let turned: Vec<Point> = all().map(|point| (point.1, point.0)).collect();
    let risk = Axis::of_values(turned.iter(), format.ticks.0.min(8.0), true);
    let cost = Axis::of_values(all(), format.ticks.1, true);
    let letter = format.letter;
    let widest = cost.ticks.iter().map(|tick| cost.value_label(*tick).chars().count()).max();
    let label_width = letters(widest.unwrap_or(0).max(7), letter).saturating_add(letter.saturating_mul(2));
    let mut chart = ChartBuilder::on(&area)
        .margin_top(px(8))
        .margin_right(px(20))
        .x_label_area_size(px(letter.saturating_mul(3)))
        .y_label_area_size(px(label_width))
        .build_cartesian_2d(risk.clone(), cost.clone())?;
    let grid = style::GRID.colour().stroke_width(px(1));
    let quiet = style::LABEL.colour();
    // The library writes 1 / 1.24 of the size it is given.
    let label = TextStyle::from(("sans-serif", f64::from(px(letter)) * 1.24)).color(&quiet);
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(grid)
        .axis_style(grid)
        .label_style(label.clone())
        .axis_desc_style(label.pos(Pos::new(HPos::Center, VPos::Bottom)))
        .set_all_tick_mark_size(px(4))
        .x_label_formatter(&|tick| risk.value_label(*tick))
        .y_label_formatter(&|tick| cost.value_label(*tick))
        .x_desc(across)
        .y_desc("cost a year, bps")
        .draw()?;
    let stairs = stairs(kinds);
    chart.draw_series([PathElement::new(stairs, style::KEEPER.colour().stroke_width(px(1)))])?;
    for kind in kinds {
        let colour = kind.ink.colour().mix(0.85).filled();
        let points = spread(&kind.points, (&risk, &cost));
        let ring = style::KEEPER.colour().stroke_width(px(2));
        let ringed = points.iter().filter(|_| kind.ringed).copied();
        chart.draw_series(ringed.map(|point| Circle::new(point, px(kind.radius.saturating_add(3)), ring)))?;
        chart.draw_series(points.into_iter().map(|point| Circle::new(point, px(kind.radius), colour)))?;
    }
    area.present()?;
    drop(chart);
    drop(area);
    Ok(out)
}

/// The edge of what can be had: from each point of the front to the right up to the risk of the next cheaper one, and down to it.
fn stairs(kinds: &[Kind; 4]) -> Vec<Point> {
    let [_, _, broken, front] = kinds;
    let mut all: Vec<Point> = front.points.iter().chain(&broken.points).copied().collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let mut out: Vec<Point> = Vec::new();
    for point in all {
        match out.last().copied() {
            Some(last) if point.1 >= last.1 => {}
            Some(last) => out.extend([(point.0, last.1), point]),
            None => out.push(point),
        }
    }
    out
}

/// Of points that the eye cannot tell apart the first.
fn spread(points: &[Point], (x, y): (&Axis, &Axis)) -> Vec<Point> {
    let mut seen = BTreeSet::new();
    let place = |value: f64, axis: &Axis| ((value - axis.from) / (axis.to - axis.from) * LATTICE).round();
    let new = |point: &&Point| seen.insert((place(point.0, x).to_bits(), place(point.1, y).to_bits()));
    points.iter().filter(new).copied().collect()
}
