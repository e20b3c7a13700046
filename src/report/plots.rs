//! What the plots show.

use super::{
    course::{Contestant, Course, MarketPoint, PastPoint, VaultPoint},
    style::{self, Ink},
    thin::Point,
};

/// Points without a gap between them.
pub(super) type Run = Vec<Point>;

/// Values over time, or over something else.
#[derive(Debug)]
pub(super) struct Plot {
    /// What it shows.
    pub(super) title: &'static str,
    /// Unit of its values.
    pub(super) unit: &'static str,
    /// What it is drawn over.
    pub(super) across: Across,
    /// What one must know to read it.
    pub(super) note: Option<&'static str>,
    /// Whether its values are read from zero.
    pub(super) from_zero: bool,
    /// What is drawn, the undermost first.
    pub(super) layers: Vec<Layer>,
}

/// What runs from left to right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Across {
    /// Time, seconds since 1970.
    Time,
    /// A value of this unit.
    Value(&'static str),
}

/// One thing in a plot.
#[derive(Debug)]
pub(super) struct Layer {
    /// What it is.
    pub(super) name: String,
    /// Its colour.
    pub(super) ink: Ink,
    /// How it is drawn.
    pub(super) shape: Shape,
}

/// How a layer is drawn.
#[derive(Debug)]
pub(super) enum Shape {
    /// A line.
    Line(Vec<Run>),
    /// A thick line.
    Strong(Vec<Run>),
    /// A line and all that is below.
    Bound(Vec<Run>),
    /// What lies between the upper and the lower runs.
    Between(Vec<Run>, Vec<Run>),
    /// Triangles with the point up.
    Up(Vec<Point>),
    /// Triangles with the point down.
    Down(Vec<Point>),
}

impl Layer {
    pub(super) fn new(name: impl Into<String>, ink: Ink, shape: Shape) -> Self {
        Self { name: name.into(), ink, shape }
    }

    /// Every point of it.
    pub(super) fn points(&self) -> impl Iterator<Item = &Point> {
        let (runs, more, marks): (&[Run], &[Run], &[Point]) = match &self.shape {
            Shape::Line(runs) | Shape::Strong(runs) | Shape::Bound(runs) => (runs, &[], &[]),
            Shape::Between(upper, lower) => (upper, lower, &[]),
            Shape::Up(marks) | Shape::Down(marks) => (&[], &[], marks),
        };
        runs.iter().chain(more).flatten().chain(marks)
    }
}

/// Why the band is as it is: its penalty is that of `models::shortfall::penalty_with_floor`.
const BAND: &str = "In the band no trade pays: above the target it also holds the price of a gap through the floor, \
                    which weighs the more per unit the smaller the drift is, so that close above the target the band \
                    shrinks to nothing and where exposure crosses the target it flickers, though a trade must still \
                    bring more than it costs. Where a step was refused there is no band.";

/// The plots of the page that have anything to show, in their order.
pub(super) fn all(course: &Course) -> Vec<Plot> {
    let mut plots =
        vec![nav(course), exposure(course), price(course), drawdown(course), costs(course), gas(course)];
    plots.retain(|plot| plot.layers.iter().any(|layer| layer.points().next().is_some()));
    plots
}

fn nav(course: &Course) -> Plot {
    let mut layers = Vec::new();
    if let Some((keeper, others)) = course.contestants.split_first() {
        let floor = vault(keeper, |point| Some(point.floor));
        layers.push(Layer::new(format!("floor of {}", keeper.name), style::FLOOR, Shape::Bound(floor)));
        let inked = others.iter().zip(style::OTHERS.into_iter().cycle());
        let mut lines: Vec<Layer> = inked
            .map(|(other, ink)| {
                let runs = vault(other, |point| Some(point.nav));
                Layer::new(&other.name, ink, Shape::Line(runs))
            })
            .collect();
        lines.reverse();
        layers.append(&mut lines);
        let runs = vault(keeper, |point| Some(point.nav));
        layers.push(Layer::new(&keeper.name, style::KEEPER, Shape::Strong(runs)));
    }
    Plot {
        title: "Net asset value and the floor",
        unit: "USD",
        across: Across::Time,
        note: None,
        from_zero: false,
        layers,
    }
}

fn exposure(course: &Course) -> Plot {
    let layers = course.contestants.first().map_or_else(Vec::new, |keeper| {
        let (least, most) = reach(keeper);
        let edge = |side: f64| {
            move |point: &VaultPoint| Some((point.target? + side * point.band?).clamp(least, most))
        };
        let (upper, lower) = (vault(keeper, edge(1.0)), vault(keeper, edge(-1.0)));
        let target = vault(keeper, |point| point.target);
        let held = vault(keeper, |point| Some(point.exposure));
        vec![
            Layer::new("band: no trade pays", style::TARGET, Shape::Between(upper, lower)),
            Layer::new("target", style::TARGET, Shape::Line(target)),
            Layer::new("exposure", style::KEEPER, Shape::Strong(held)),
        ]
    });
    Plot {
        title: "The keeper’s exposure and its target",
        unit: "USD",
        across: Across::Time,
        note: Some(BAND),
        from_zero: true,
        layers,
    }
}

/// What the vault can hold: from nothing, or its deepest short, to all it has, or its highest exposure. A band may be
/// wider by orders of magnitude, where no trade pays, and is drawn up to there.
fn reach(keeper: &Contestant) -> (f64, f64) {
    let held = |point: &VaultPoint| [point.exposure, point.target.unwrap_or(0.0), point.nav, 0.0];
    let values = keeper.points.iter().flat_map(held).filter(|value| value.is_finite());
    values.fold((0.0, 0.0), |(least, most): (f64, f64), value| (least.min(value), most.max(value)))
}

fn price(course: &Course) -> Plot {
    let mut layers =
        vec![Layer::new("price", style::MARKET, Shape::Line(market(course, |point| point.price)))];
    if let Some(keeper) = course.contestants.first() {
        layers.push(Layer::new("purchases", style::BUY, Shape::Up(trades(keeper, false))));
        layers.push(Layer::new("sales", style::SELL, Shape::Down(trades(keeper, true))));
    }
    Plot {
        title: "Price and the keeper’s rebalances",
        unit: "USD per unit",
        across: Across::Time,
        note: None,
        from_zero: false,
        layers,
    }
}

fn drawdown(course: &Course) -> Plot {
    let inks = std::iter::once(style::KEEPER).chain(style::OTHERS);
    let line = |(contestant, ink): (&Contestant, Ink)| {
        let runs = vault(contestant, |point| Some(-100.0 * point.past?.drawdown));
        Layer::new(&contestant.name, ink, Shape::Line(runs))
    };
    let mut layers: Vec<Layer> = course.contestants.iter().zip(inks.cycle()).map(line).collect();
    layers.reverse();
    Plot {
        title: "Drawdown",
        unit: "% of the peak",
        across: Across::Time,
        note: None,
        from_zero: false,
        layers,
    }
}

fn costs(course: &Course) -> Plot {
    let mut layers = Vec::new();
    if let Some(keeper) = course.contestants.first() {
        let spent = |of: fn(&PastPoint) -> f64| vault(keeper, move |point| Some(of(point.past.as_ref()?)));
        let line = |name, ink, of| Layer::new(name, ink, Shape::Line(spent(of)));
        layers.push(line("gas", style::MARKET, |past| past.gas));
        layers.push(line("fees of pools", style::BUY, |past| past.fees));
        layers.push(line("depth and lag of pools", style::SELL, |past| past.impact));
    }
    Plot {
        title: "What trading cost so far",
        unit: "USD",
        across: Across::Time,
        note: None,
        from_zero: true,
        layers,
    }
}

fn gas(course: &Course) -> Plot {
    let fee = market(course, |point| point.base_fee_gwei);
    let layers = vec![Layer::new("base fee", style::MARKET, Shape::Line(fee))];
    Plot { title: "Base fee", unit: "gwei", across: Across::Time, note: None, from_zero: true, layers }
}

/// Sales or purchases at their time and price.
fn trades(contestant: &Contestant, sell: bool) -> Vec<Point> {
    contestant
        .trades
        .iter()
        .filter(|trade| trade.sell == sell && trade.price.is_finite())
        .map(|trade| (seconds(trade.time), trade.price))
        .collect()
}

fn market(course: &Course, value: impl Fn(&MarketPoint) -> f64) -> Vec<Run> {
    runs(course.market.iter().map(|point| (point.time, Some(value(point)))))
}

fn vault(contestant: &Contestant, value: impl Fn(&VaultPoint) -> Option<f64>) -> Vec<Run> {
    runs(contestant.points.iter().map(|point| (point.time, value(point))))
}

/// The values that are there and finite, divided where one is not.
fn runs(values: impl Iterator<Item = (u64, Option<f64>)>) -> Vec<Run> {
    let mut runs = vec![Run::new()];
    for (time, value) in values {
        match (value.filter(|value| value.is_finite()), runs.last_mut()) {
            (Some(value), Some(run)) => run.push((seconds(time), value)),
            (None, Some(run)) if run.is_empty() => {}
            (Some(_) | None, _) => runs.push(Run::new()),
        }
    }
    runs.retain(|run| !run.is_empty());
    runs
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 seconds")]
fn seconds(time: u64) -> f64 {
    time as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::course::Outcome;

    #[test]
    fn a_band_wider_than_the_vault_does_not_squeeze_the_lines() {
        let point = |(time, band): (u64, f64)| VaultPoint {
            time,
            past: None,
            nav: 1_000.0,
            floor: 800.0,
            exposure: 500.0,
            target: Some(600.0),
            band: Some(band),
        };
        let market = (0..4).map(|time| MarketPoint { time, price: 1.0, base_fee_gwei: 1.0 }).collect();
        let result = Outcome {
            start: 0.0,
            end: 0.0,
            floor: 0.0,
            lowest_cushion: 0.0,
            rebalances: 0,
            gas: 0.0,
            nav_lost: 0.0,
            reverted: 0,
        };
        let points = (0..).zip([50.0, 1e9, f64::INFINITY, f64::NAN]).map(point).collect();
        let keeper = Contestant { name: "keeper".to_owned(), points, trades: Vec::new(), result };
        let plot = exposure(&Course {
            scenario: String::new(),
            market,
            sampled_from: None,
            contestants: vec![keeper],
        });
        let band: Vec<Point> = plot.layers[0].points().copied().collect();
        let edges = [(0.0, 650.0), (1.0, 1_000.0), (2.0, 1_000.0), (0.0, 550.0), (1.0, 0.0), (2.0, 0.0)];
        assert_eq!(band, edges);
    }

    #[test]
    fn a_gap_divides_a_line_and_is_not_bridged() {
        let values = [Some(1.0), None, Some(2.0), Some(3.0), Some(f64::NAN), Some(f64::INFINITY), Some(4.0)];
        let found = runs((0..).zip(values));
        assert_eq!(found, [vec![(0.0, 1.0)], vec![(2.0, 2.0), (3.0, 3.0)], vec![(6.0, 4.0)]]);
    }
}
