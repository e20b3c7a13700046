//! Plots as SVG, in a wide and a narrow format.

use plotters::{
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use super::{
    axis::Axis,
    plots::{Across, Layer, Plot, Run, Shape},
    style,
    thin::{Point, thinned},
};

/// Units of the drawing in one pixel of its natural size: the library draws at whole units only.
const PIXEL: u32 = 4;

/// Natural size and density of a drawing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Format {
    /// Class of the `svg` element.
    pub(super) class: &'static str,
    /// Width and height, pixels.
    pub(super) size: (u32, u32),
    /// Height of letters, pixels.
    pub(super) letter: u32,
    /// Ticks of time and of values, at most.
    pub(super) ticks: (f64, f64),
}

/// For a desk.
pub(super) const WIDE: Format = Format { class: "wide", size: (1000, 340), letter: 13, ticks: (13.0, 7.0) };
/// For a telephone.
pub(super) const NARROW: Format = Format { class: "narrow", size: (380, 280), letter: 12, ticks: (7.0, 6.0) };

/// The library's.
pub(super) type Error = DrawingAreaErrorKind<std::io::Error>;
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<Axis, Axis>>;

/// The plot as an `svg` element.
///
/// # Errors
/// The library's.
pub(super) fn svg(plot: &Plot, format: &Format) -> Result<String, Error> {
    let mut out = String::new();
    let (width, height) = format.size;
    let area = SVGBackend::with_string(&mut out, (px(width), px(height))).into_drawing_area();
    let points = || plot.layers.iter().flat_map(Layer::points);
    let across = match plot.across {
        Across::Time => Axis::of_time(points(), format.ticks.0),
        Across::Value(_) => Axis::across(points(), format.ticks.0 / 2.0),
    };
    let value = Axis::of_values(points(), format.ticks.1, plot.from_zero);
    let letter = format.letter;
    let widest = value.ticks.iter().map(|tick| value.value_label(*tick).chars().count()).max();
    // Plots of up to this many figures begin at the same place.
    let label_width = letters(widest.unwrap_or(0).max(7), letter).saturating_add(letter.saturating_mul(2));
    let mut chart = ChartBuilder::on(&area)
        .margin_top(px(8))
        .margin_right(px(20))
        .x_label_area_size(px(letter.saturating_mul(3)))
        .y_label_area_size(px(label_width))
        .build_cartesian_2d(across.clone(), value.clone())?;
    mesh(&mut chart, (&across, &value), plot, letter)?;
    let ends = (across.from, across.to);
    let columns = f64::from(width);
    for layer in &plot.layers {
        draw(&mut chart, layer, &|run| thinned(run, ends, columns))?;
    }
    area.present()?;
    drop(chart);
    drop(area);
    Ok(out)
}

/// Grid, axes and their labels.
fn mesh(
    chart: &mut Chart<'_, '_>,
    (across, value): (&Axis, &Axis),
    plot: &Plot,
    letter: u32,
) -> Result<(), Error> {
    let (name, tick): (&str, &dyn Fn(&f64) -> String) = match plot.across {
        Across::Time => ("time, UTC", &|tick| Axis::time_label(*tick)),
        Across::Value(name) => (name, &|tick| across.value_label(*tick)),
    };
    let grid = style::GRID.colour().stroke_width(PIXEL);
    let quiet = style::LABEL.colour();
    // The library writes 1 / 1.24 of the size it is given.
    let label = TextStyle::from(("sans-serif", f64::from(px(letter)) * 1.24)).color(&quiet);
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(grid)
        .axis_style(grid)
        .label_style(label.clone())
        .axis_desc_style(label.pos(Pos::new(HPos::Center, VPos::Bottom)))
        .set_all_tick_mark_size(px(4))
        .x_label_formatter(&tick)
        .y_label_formatter(&|tick| value.value_label(*tick))
        .x_desc(name)
        .y_desc(plot.unit)
        .draw()
}

fn draw(chart: &mut Chart<'_, '_>, layer: &Layer, thin: &dyn Fn(&Run) -> Run) -> Result<(), Error> {
    let colour = layer.ink.colour();
    match &layer.shape {
        Shape::Line(runs) => lines(chart, runs, thin, colour.stroke_width(px(3) / 2)),
        Shape::Strong(runs) => lines(chart, runs, thin, colour.stroke_width(px(5) / 2)),
        Shape::Bound(runs) => {
            let foot = chart.y_range().start;
            let areas = runs.iter().map(|run| {
                let upper = thin(run);
                let ends = [upper.last(), upper.first()].into_iter().flatten();
                let lower: Run = ends.map(|end| (end.0, foot)).collect();
                Polygon::new([upper, lower].concat(), colour.mix(0.1).filled())
            });
            chart.draw_series(areas)?;
            lines(chart, runs, thin, colour.stroke_width(px(3) / 2))
        }
        Shape::Between(upper, lower) => {
            let areas = upper.iter().zip(lower).map(|(upper, lower)| {
                let back: Run = thin(lower).into_iter().rev().collect();
                Polygon::new([thin(upper), back].concat(), colour.mix(0.25).filled())
            });
            chart.draw_series(areas).map(|_| ())
        }
        Shape::Up(marks) => triangles(chart, marks, -1, colour),
        Shape::Down(marks) => triangles(chart, marks, 1, colour),
    }
}

/// Each run as a line, and as a dot where it is a single point.
fn lines(
    chart: &mut Chart<'_, '_>,
    runs: &[Run],
    thin: &dyn Fn(&Run) -> Run,
    stroke: ShapeStyle,
) -> Result<(), Error> {
    let (dots, lines): (Vec<&Run>, Vec<&Run>) = runs.iter().partition(|run| run.len() == 1);
    chart.draw_series(lines.into_iter().map(|run| PathElement::new(thin(run), stroke)))?;
    let dots = dots.into_iter().flatten();
    chart.draw_series(dots.map(|point| Circle::new(*point, px(2), stroke.filled())))?;
    Ok(())
}

/// Triangles whose tip is `tip` (−1 up, 1 down) of their half height away from the point.
#[expect(clippy::arithmetic_side_effects, reason = "a sum of drawing elements is the one over the other")]
fn triangles(chart: &mut Chart<'_, '_>, marks: &[Point], tip: i32, colour: RGBColor) -> Result<(), Error> {
    let half = i32::try_from(px(5)).unwrap_or(0);
    let (tip, base) = (half.saturating_mul(tip), half.saturating_mul(tip.saturating_neg()));
    let corners = [(0, tip), (half, base), (half.saturating_neg(), base)];
    chart.draw_series(
        marks
            .iter()
            .map(|mark| EmptyElement::at(*mark) + Polygon::new(corners.to_vec(), colour.mix(0.85).filled())),
    )?;
    Ok(())
}

/// Units of so many pixels.
pub(super) const fn px(pixels: u32) -> u32 {
    pixels.saturating_mul(PIXEL)
}

/// Width of so many figures, pixels: they are at most 0.6 of their height wide.
pub(super) fn letters(count: usize, letter: u32) -> u32 {
    u32::try_from(count).unwrap_or(20).saturating_mul(letter).saturating_mul(3) / 5
}
