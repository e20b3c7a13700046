//! What the floor suffers in shocks and crashes: how far net value is from it, a bar for each.

use std::fmt::Write as _;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::ReportError;
use super::axis::Axis;
use super::canvas::{Error, Format, NARROW, WIDE, letters, px};
use super::style::{self, Ink};
use super::text::escape;
use super::thin::Point;

const TITLE: &str = "What the floor suffers";
const ACROSS: &str = "net value less floor, units of the asset";

/// A shock or a crash; net values less floor, in units of the asset.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Suffered {
    /// What happens.
    pub(crate) name: String,
    /// Before it.
    pub(crate) before: f64,
    /// When it has happened and nobody has acted yet.
    pub(crate) after: f64,
    /// At the lowest; below zero the floor is broken.
    pub(crate) lowest: f64,
    /// At the end.
    pub(crate) end: f64,
}

/// Height of a row over that of a letter: its name stands over its bar.
const ROW: u32 = 3;
/// Where in a row its name begins, and its bar begins and ends.
const NAME: f64 = 0.08;
const BAR: (f64, f64) = (0.52, 0.88);
const MIDDLE: f64 = 0.7;
/// How far lines reach over a bar.
const OVER: f64 = 0.04;

/// The plot in both formats with its legend.
///
/// # Errors
/// It cannot be drawn.
pub(crate) fn figure(all: &[Suffered]) -> Result<String, ReportError> {
    let mut out = format!(
        "<figure>\n<figcaption><h2>{TITLE}</h2></figcaption>\n<ul class=\"legend\">{}</ul>\n",
        legend(all)
    );
    out.push_str(
        "<p class=\"note\">A bar ends at the lowest that net value came to the floor, which stands at 0: left of it the floor is \
         broken, and by that much.</p>\n",
    );
    for format in [WIDE, NARROW] {
        let drawn = svg(all, &format)
            .map_err(|error| ReportError::Plot { plot: TITLE, reason: error.to_string() })?;
        let named = format!("<svg class=\"{}\" role=\"img\" aria-label=\"{TITLE}, {ACROSS}\" ", format.class);
        out.push_str(&drawn.replacen("<svg ", &named, 1));
    }
    out.push_str("</figure>\n");
    Ok(out)
}

fn legend(all: &[Suffered]) -> String {
    let of = |broken: bool| all.iter().any(|one| (one.lowest < 0.0) == broken);
    let signs = [
        (of(false), "area", "", style::KEEPER, "lowest, the floor holds"),
        (of(true), "area", "", style::FLOOR, "lowest, the floor is broken"),
        (true, "mark", "●", style::MARKET, "when it has happened"),
        (true, "mark", "▲", style::TARGET, "at the end"),
        (true, "line", "", style::OTHERS[0], "now"),
        (true, "line", "", style::FLOOR, "floor"),
    ];
    let mut out = String::new();
    for (_, class, sign, Ink { name: ink, .. }, words) in signs.iter().filter(|(shown, ..)| *shown) {
        let _infallible = write!(
            out,
            "<li><span class=\"{class}\" style=\"color:var(--{ink})\">{sign}</span>{}</li>",
            escape(words)
        );
    }
    out
}

fn svg(all: &[Suffered], format: &Format) -> Result<String, Error> {
    let letter = format.letter;
    let rows = u32::try_from(all.len()).unwrap_or(u32::MAX).max(1);
    let foot = letter.saturating_mul(3);
    let height = rows.saturating_mul(letter.saturating_mul(ROW)).saturating_add(foot).saturating_add(letter);
    let values = all.iter().flat_map(|one| [0.0, one.before, one.after, one.lowest, one.end]);
    let points: Vec<Point> = values.filter(|value| value.is_finite()).map(|value| (0.0, value)).collect();
    let across = Axis::of_values(points.iter(), format.ticks.1, true);
    let widest = across.ticks.iter().map(|tick| across.value_label(*tick).chars().count()).max();
    // A label of the first or the last tick stands half beside the drawing.
    let beside = (letters(widest.unwrap_or(0), letter) / 2).saturating_add(letter);
    let mut out = String::new();
    let area = SVGBackend::with_string(&mut out, (px(format.size.0), px(height))).into_drawing_area();
    let mut chart = ChartBuilder::on(&area)
        .margin_top(px(letter / 2))
        .margin_left(px(beside))
        .margin_right(px(beside))
        .x_label_area_size(px(foot))
        .build_cartesian_2d(across.clone(), f64::from(rows)..0.0)?;
    let (grid, quiet) = (style::GRID.colour().stroke_width(px(1)), style::LABEL.colour());
    // The library writes 1 / 1.24 of the size it is given.
    let label = TextStyle::from(("sans-serif", f64::from(px(letter)) * 1.24)).color(&quiet);
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .light_line_style(TRANSPARENT)
        .bold_line_style(grid)
        .axis_style(grid)
        .label_style(label.clone())
        .axis_desc_style(label.clone().pos(Pos::new(HPos::Center, VPos::Bottom)))
        .set_all_tick_mark_size(px(4))
        .x_label_formatter(&|tick| across.value_label(*tick))
        .x_desc(ACROSS)
        .draw()?;
    // Beside the bars alone, so that no line runs through a name.
    let upright = |(row, value): (f64, f64), ink: Ink, width: u32| {
        let ends = [(value, row + BAR.0 - OVER), (value, row + BAR.1 + OVER)];
        PathElement::new(ends, ink.colour().stroke_width(width))
    };
    let now = numbered(all).map(|(row, one)| upright((row, one.before), style::OTHERS[0], px(1)));
    chart.draw_series(now)?;
    let written = |row: f64, name: String| {
        let style = label.clone().pos(Pos::new(HPos::Left, VPos::Top));
        Text::new(name, (across.from, row + NAME), style)
    };
    let room = format.size.0.saturating_sub(beside.saturating_mul(2));
    chart.draw_series(numbered(all).map(|(row, one)| written(row, fitted(&one.name, room, letter))))?;
    chart.draw_series(numbered(all).map(|(row, one)| bar(row, one)))?;
    let (after, end) = (style::MARKET.colour().filled(), style::TARGET.colour().filled());
    let middle = |row: f64, value: f64| (value, row + MIDDLE);
    chart.draw_series(numbered(all).map(|(row, one)| Circle::new(middle(row, one.after), px(4), after)))?;
    chart
        .draw_series(numbered(all).map(|(row, one)| TriangleMarker::new(middle(row, one.end), px(5), end)))?;
    chart.draw_series(numbered(all).map(|(row, _)| upright((row, 0.0), style::FLOOR, px(2))))?;
    area.present()?;
    drop(chart);
    drop(area);
    Ok(out)
}

fn numbered(all: &[Suffered]) -> impl Iterator<Item = (f64, &Suffered)> {
    (0_u32..).map(f64::from).zip(all)
}

/// From the floor to the lowest.
fn bar(row: f64, one: &Suffered) -> Rectangle<Point> {
    let (ink, strength) = if one.lowest < 0.0 { (style::FLOOR, 0.5) } else { (style::KEEPER, 0.35) };
    Rectangle::new([(0.0, row + BAR.0), (one.lowest, row + BAR.1)], ink.colour().mix(strength).filled())
}

/// A name, or as much of its end as there is room for.
fn fitted(name: &str, room: u32, letter: u32) -> String {
    let count = name.chars().count();
    let fits = (1..=count).rev().find(|count| letters(*count, letter) <= room).unwrap_or(1);
    if fits >= count {
        return name.to_owned();
    }
    let kept = fits.saturating_sub(1);
    std::iter::once('…').chain(name.chars().skip(count.saturating_sub(kept))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suffered(name: &str, lowest: f64) -> Suffered {
        Suffered { name: name.to_owned(), before: 400.0, after: lowest, lowest, end: lowest.max(0.0) }
    }

    #[test]
    fn every_shock_has_its_name_and_a_bar_from_the_floor_to_its_lowest() {
        let page = figure(&[suffered("−10 %", 300.0), suffered("−50 % & gas", -100.0)]).unwrap();
        let (wide, narrow) = page.split_once("class=\"narrow\"").unwrap();
        for drawing in [wide, narrow] {
            assert!(drawing.contains("\n−10 %\n") && drawing.contains("\n−50 % &amp; gas\n"), "{drawing}");
            let bars: Vec<(f64, f64, &str)> = drawing.split("<rect ").skip(1).map(rectangle).collect();
            let [(left, held, blue), (start, broken, red)] = bars[..] else { panic!("{bars:?}") };
            assert_eq!((blue, red), ("#0B5FCC", "#C62828"));
            // Three to one, at either side of the floor.
            assert!((held / broken - 3.0).abs() < 0.02 && (start + broken - left).abs() <= 4.0, "{bars:?}");
        }
        assert!(page.contains("lowest, the floor is broken"));
        assert!(!figure(&[suffered("−10 %", 300.0)]).unwrap().contains("lowest, the floor is broken"));
    }

    /// Left edge, width and colour.
    fn rectangle(of: &str) -> (f64, f64, &str) {
        let value = |name: &str| {
            let (_, rest) = of.split_once(&format!("{name}=\"")).unwrap();
            rest.split_once('"').unwrap().0
        };
        (value("x").parse().unwrap(), value("width").parse().unwrap(), value("fill"))
    }

    #[test]
    fn of_a_long_name_the_end_is_kept() {
        assert_eq!(fitted("march-2020", 100, 10), "march-2020");
        // Sixteen letters of 0.6 of their height.
        assert_eq!(fitted("other/folder/march-2020.csv", 100, 10), "…/march-2020.csv");
        assert_eq!(fitted("ab", 1, 10), "…");
    }
}
