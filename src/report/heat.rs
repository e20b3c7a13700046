//! One figure over two parameters: the stronger a cell is shaded, the higher the figure.

use std::fmt::Write as _;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::ReportError;
use super::backtest::{Unit, beside, written};
use super::canvas::{Error, Format, NARROW, WIDE, letters, px};
use super::style;
use super::sweep::{Heat, HeatMap};
use super::text::{escape, number};

const TITLE: &str = "Heat map";

/// Longest value that stands at an axis as it is.
const LONGEST: usize = 14;
/// Least and most height of a row, and of all rows together where they are many, pixels.
const ROW: (u32, u32) = (3, 40);
const ALL_ROWS: u32 = 560;

/// A value as it stands at an axis: a long one is numbered, and listed under that number.
pub(super) fn short(at: usize, value: &str) -> String {
    if value.chars().count() <= LONGEST { value.to_owned() } else { format!("#{}", at.saturating_add(1)) }
}

/// The heat map in both formats with its legend.
///
/// # Errors
/// It cannot be drawn.
pub(super) fn figure(map: &HeatMap) -> Result<String, ReportError> {
    let mut out = format!(
        "<figure>\n<figcaption><h2>{}{}</h2></figcaption>\n{}",
        escape(map.figure),
        beside(map.unit),
        legend(map)
    );
    let of = if map.of > 1 {
        format!("A cell is {} of up to {} combinations that differ in other parameters. ", map.each, map.of)
    } else {
        String::new()
    };
    let _infallible =
        writeln!(out, "<p class=\"note\">{of}A cell without a figure has no combination with a result.</p>");
    for format in [WIDE, NARROW] {
        let drawn = svg(map, &format)
            .map_err(|error| ReportError::Plot { plot: TITLE, reason: error.to_string() })?;
        let named = format!(
            "<svg class=\"{}\" role=\"img\" aria-label=\"{TITLE}: {}\" ",
            format.class,
            escape(map.figure)
        );
        out.push_str(&drawn.replacen("<svg ", &named, 1));
    }
    out.push_str("</figure>\n");
    Ok(out)
}

fn legend(map: &HeatMap) -> String {
    let (low, high) = map.ends();
    let keeper = style::KEEPER.name;
    let mut out = format!(
        "<ul class=\"legend\"><li><span class=\"area\" style=\"color:var(--{keeper})\"></span>from weak, {}, to strong, {}</li>",
        written(low, map.unit),
        written(high, map.unit)
    );
    if map.found().any(|cell| cell.broken) {
        let floor = style::FLOOR.name;
        let _infallible =
            write!(out, "<li><span class=\"mark\" style=\"color:var(--{floor})\">□</span>floor broken</li>");
    }
    out.push_str("</ul>\n");
    out
}

impl HeatMap {
    fn found(&self) -> impl Iterator<Item = &Heat> {
        self.cells.iter().flatten().flatten().filter(|cell| cell.value.is_finite())
    }

    /// Lowest and highest figure.
    fn ends(&self) -> (f64, f64) {
        let ends = (f64::INFINITY, f64::NEG_INFINITY);
        self.found().fold(ends, |(low, high), cell| (low.min(cell.value), high.max(cell.value)))
    }

    /// A figure in its cell.
    fn inside(&self, value: f64) -> String {
        match self.unit {
            Unit::Usd => number(value, if value.abs() < 1_000.0 { 2 } else { 0 }),
            Unit::Percent => number(100.0 * value, 2),
            Unit::Count | Unit::Bps => number(value, 1),
            Unit::Ratio => number(value, 2),
        }
    }
}

/// Sizes in the units of the drawing.
struct Layout {
    letter: u32,
    left: u32,
    top: u32,
    column: u32,
    row: u32,
    columns: usize,
    rows: usize,
}

impl Layout {
    fn of(map: &HeatMap, format: &Format) -> Self {
        let letter = format.letter;
        let (columns, rows) = (map.x.1.len().max(1), map.cells.len().max(1));
        let labels = map.y.iter().flat_map(|(_, values)| values.iter().enumerate());
        let widest = labels.map(|(at, value)| short(at, value).chars().count()).max().unwrap_or(0);
        let left = px(letters(widest, letter).saturating_add(letter));
        let right = px(letter);
        let width = px(format.size.0).saturating_sub(left).saturating_sub(right);
        let all = ALL_ROWS.checked_div(whole(rows)).unwrap_or(ROW.1);
        Self {
            letter,
            left,
            top: px(if map.y.is_some() { letter.saturating_mul(2) } else { letter }),
            column: width.checked_div(whole(columns)).unwrap_or(1).max(1),
            row: px(all.clamp(ROW.0, ROW.1)),
            columns,
            rows,
        }
    }

    fn height(&self) -> u32 {
        let rows = self.row.saturating_mul(whole(self.rows));
        self.top.saturating_add(rows).saturating_add(px(self.letter.saturating_mul(4)))
    }

    /// Upper left corner of a cell; the first row is the lowest.
    fn corner(&self, row: usize, column: usize) -> (u32, u32) {
        let from_top = self.rows.saturating_sub(row).saturating_sub(1);
        let x = self.left.saturating_add(self.column.saturating_mul(whole(column)));
        (x, self.top.saturating_add(self.row.saturating_mul(whole(from_top))))
    }

    /// Every so many values have a label, so that none covers another.
    fn every(&self, labels: &[String], size: u32, lying: bool) -> usize {
        let widest = labels.iter().map(|label| label.chars().count()).max().unwrap_or(0);
        let needed = if lying {
            px(letters(widest.saturating_add(2), self.letter))
        } else {
            px(self.letter.saturating_mul(3) / 2)
        };
        usize::try_from(needed.div_ceil(size.max(1))).unwrap_or(1).max(1)
    }
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

fn svg(map: &HeatMap, format: &Format) -> Result<String, Error> {
    let layout = Layout::of(map, format);
    let mut out = String::new();
    let area = SVGBackend::with_string(&mut out, (px(format.size.0), layout.height())).into_drawing_area();
    cells(&area, map, &layout)?;
    axes(&area, map, &layout)?;
    area.present()?;
    drop(area);
    Ok(out)
}

fn cells(area: &Area<'_>, map: &HeatMap, layout: &Layout) -> Result<(), Error> {
    let widest = map.found().map(|cell| map.inside(cell.value).chars().count()).max().unwrap_or(0);
    let room =
        (px(letters(widest.saturating_add(1), layout.letter)), px(layout.letter.saturating_mul(3) / 2));
    let is_written = room.0 <= layout.column && room.1 <= layout.row;
    let (low, high) = map.ends();
    let part = |value: f64| if high > low { (value - low) / (high - low) } else { 0.5 };
    let all = map.cells.iter().enumerate();
    for (corner, cell) in all.flat_map(|(row, cells)| {
        let cells = cells.iter().enumerate();
        cells.filter_map(move |(column, cell)| Some((layout.corner(row, column), (*cell)?)))
    }) {
        if cell.value.is_finite() {
            shaded(area, layout, (corner, part(cell.value), cell.broken))?;
            if is_written {
                figure_of(area, layout, (corner, map.inside(cell.value)))?;
            }
        }
    }
    Ok(())
}

/// A cell without its figure, which is that part of the way from the lowest to the highest.
fn shaded(
    area: &Area<'_>,
    layout: &Layout,
    ((x, y), part, broken): ((u32, u32), f64, bool),
) -> Result<(), Error> {
    let corners = |inset: u32| {
        let end = |from: u32, size: u32| from.saturating_add(size).saturating_sub(inset);
        let first = (at(x.saturating_add(inset)), at(y.saturating_add(inset)));
        [first, (at(end(x, layout.column)), at(end(y, layout.row)))]
    };
    let gap = if layout.row > px(8) && layout.column > px(8) { px(1) } else { 0 };
    let shade = style::KEEPER.colour().mix(style::shade(part));
    area.draw(&Rectangle::new(corners(gap), shade.filled()))?;
    if broken {
        let edge = style::FLOOR.colour().stroke_width(px(2));
        let [(left, top), (right, bottom)] = corners(gap.saturating_mul(2));
        // A rectangle of the library has a thin edge alone.
        let around = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)];
        area.draw(&PathElement::new(around, edge))?;
    }
    Ok(())
}

fn figure_of(area: &Area<'_>, layout: &Layout, ((x, y), text): ((u32, u32), String)) -> Result<(), Error> {
    let centre = (at(x.saturating_add(layout.column / 2)), at(y.saturating_add(layout.row / 2)));
    let ink = style::NUMBER.colour();
    let style = text_style(layout, &ink).pos(Pos::new(HPos::Center, VPos::Center));
    area.draw(&Text::new(text, centre, style))
}

fn axes(area: &Area<'_>, map: &HeatMap, layout: &Layout) -> Result<(), Error> {
    let quiet = style::LABEL.colour();
    let label = text_style(layout, &quiet);
    let shortened = |values: &[String]| -> Vec<String> {
        values.iter().enumerate().map(|(place, value)| short(place, value)).collect()
    };
    let (name, values) = &map.x;
    let labels = shortened(values);
    let foot = layout.top.saturating_add(layout.row.saturating_mul(whole(layout.rows)));
    let every = layout.every(&labels, layout.column, true);
    for (column, text) in labels.into_iter().enumerate().step_by(every) {
        let x = layout.corner(0, column).0.saturating_add(layout.column / 2);
        let place = (at(x), at(foot.saturating_add(px(layout.letter / 2))));
        area.draw(&Text::new(text, place, label.clone().pos(Pos::new(HPos::Center, VPos::Top))))?;
    }
    let centre = layout.left.saturating_add(layout.column.saturating_mul(whole(layout.columns)) / 2);
    let below = foot.saturating_add(px(layout.letter.saturating_mul(9) / 4));
    let middle = label.clone().pos(Pos::new(HPos::Center, VPos::Top));
    area.draw(&Text::new(format!("{name} →"), (at(centre), at(below)), middle))?;
    let Some((name, values)) = &map.y else { return Ok(()) };
    let labels = shortened(values);
    let every = layout.every(&labels, layout.row, false);
    for (row, text) in labels.into_iter().enumerate().step_by(every) {
        let (x, y) = layout.corner(row, 0);
        let place = (at(x.saturating_sub(px(layout.letter / 2))), at(y.saturating_add(layout.row / 2)));
        area.draw(&Text::new(text, place, label.clone().pos(Pos::new(HPos::Right, VPos::Center))))?;
    }
    area.draw(&Text::new(format!("↑ {name}"), (0, at(px(2))), label.pos(Pos::new(HPos::Left, VPos::Top))))?;
    Ok(())
}

fn text_style<'a>(layout: &Layout, colour: &'a RGBColor) -> TextStyle<'a> {
    // The library writes 1 / 1.24 of the size it is given.
    TextStyle::from(("sans-serif", f64::from(px(layout.letter)) * 1.24)).color(colour)
}

fn whole(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn at(units: u32) -> i32 {
    i32::try_from(units).unwrap_or(i32::MAX)
}
