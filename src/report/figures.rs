//! A plot with its title and its legend.

use std::fmt::Write as _;

use super::{
    ReportError, canvas,
    plots::{Plot, Shape},
    text::escape,
};

/// The plot in both formats, of which the style sheet shows the one that fits.
///
/// # Errors
/// It cannot be drawn.
pub(super) fn figure(plot: &Plot) -> Result<String, ReportError> {
    let title = escape(plot.title);
    let mut out = format!("<figure>\n<figcaption><h2>{title}</h2></figcaption>\n{}", legend(plot));
    if let Some(note) = plot.note {
        let _infallible = writeln!(out, "<p class=\"note\">{}</p>", escape(note));
    }
    for format in [canvas::WIDE, canvas::NARROW] {
        let drawn = canvas::svg(plot, &format)
            .map_err(|error| ReportError::Plot { plot: plot.title, reason: error.to_string() })?;
        let named =
            format!("<svg class=\"{}\" role=\"img\" aria-label=\"{title}, {}\" ", format.class, plot.unit);
        out.push_str(&drawn.replacen("<svg ", &named, 1));
    }
    out.push_str("</figure>\n");
    Ok(out)
}

/// Outside the drawing, so that it covers nothing; the uppermost layer first.
fn legend(plot: &Plot) -> String {
    let mut out = String::from("<ul class=\"legend\">");
    for layer in plot.layers.iter().rev().filter(|layer| layer.points().next().is_some()) {
        let (class, sign) = match layer.shape {
            Shape::Line(_) | Shape::Strong(_) | Shape::Bound(_) => ("line", ""),
            Shape::Between(..) => ("area", ""),
            Shape::Up(_) => ("mark", "▲"),
            Shape::Down(_) => ("mark", "▼"),
        };
        let _infallible = write!(
            out,
            "<li><span class=\"{class}\" style=\"color:var(--{})\">{sign}</span>{}</li>",
            layer.ink.name,
            escape(&layer.name)
        );
    }
    out.push_str("</ul>\n");
    out
}
