//! What all paths together say of one who keeps the vault.

use serde::Serialize;

use super::statistics::{lowest_mean, mean, moments, quantile, real, sorted, wilson};
use crate::backtest::past::metrics::Metrics;
use crate::backtest::risk::Estimate;

/// What one path brought, units of the asset and parts of one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Sample {
    /// Net value at the end: that of the vault less the gas that was paid for it.
    pub end: f64,
    /// Floor at the end.
    pub floor: f64,
    /// Net value less floor there, to which an open option is nothing.
    pub last_cushion: f64,
    /// Lowest of net value less floor, at any step.
    pub lowest_cushion: f64,
    /// The same over the floor there.
    pub lowest_share: f64,
    /// Return of value per share over the whole path.
    pub total_return: f64,
    /// Largest fall from a peak before it.
    pub max_drawdown: f64,
    /// Fees, depth of pools and gas a year.
    pub cost: f64,
    /// The same over mean net asset value, basis points.
    pub cost_bps: f64,
    /// Trades that were carried out.
    pub rebalances: u64,
    /// Transactions that reverted.
    pub reverted: u64,
    /// Part of the time in cash-lock.
    pub cash_lock: f64,
    /// What became of the series of an option book; absent where the policy hedges none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub series: Option<Series>,
}

/// The series of an option book on one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Series {
    /// Positions that were opened.
    pub options: u64,
    /// Steps at which a series was due and was not opened.
    pub unopened: u64,
    /// Positions that no answer of the feed settled.
    pub undone: u64,
}

/// The series of an option book over paths.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct AllSeries {
    /// Mean number of positions that were opened.
    pub options: f64,
    /// Share of paths on which none ever was, with the interval of Wilson.
    pub never: Estimate,
    /// Mean number of steps at which a series was due and was not opened.
    pub unopened: f64,
    /// Mean number of positions that no answer of the feed settled.
    pub undone: f64,
}

/// How far below the floor, over paths; units of the asset, and parts of the floor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Shortfall {
    /// Expected where there is any; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given: Option<f64>,
    /// The same over the floor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given_share: Option<f64>,
    /// Expected over all paths, those without any counted as none.
    pub expected: f64,
    /// The same over the floor.
    pub expected_share: f64,
    /// Deepest.
    pub deepest: f64,
    /// The same over the floor.
    pub deepest_share: f64,
}

/// Percentiles over paths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Percentiles {
    /// 1 %.
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
    /// 99 %.
    pub p99: f64,
}

/// A tail of losses, parts of what was there at the start, positive where something is lost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Tail {
    /// Value at risk: the loss that is exceeded with the probability of the tail.
    pub value_at_risk: f64,
    /// Expected shortfall: the mean loss in the tail (Acerbi and Tasche 2002).
    pub expected_shortfall: f64,
}

/// Everything of one who keeps the vault.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Figures {
    /// Paths.
    pub paths: u64,
    /// Share of paths on which net value was below the floor at any step, with the interval of Wilson.
    pub breach: Estimate,
    /// The same at the end.
    pub breach_at_end: Estimate,
    /// At the deepest of each path.
    pub shortfall: Shortfall,
    /// At the end of each path.
    pub shortfall_at_end: Shortfall,
    /// Lowest of net value less floor of a path.
    pub lowest_cushion: Percentiles,
    /// Mean return, with its interval.
    pub mean_return: Estimate,
    /// Standard deviation of it over paths.
    pub deviation: f64,
    /// Return.
    pub total_return: Percentiles,
    /// The worst 5 % of returns.
    pub tail_95: Tail,
    /// The worst 1 %.
    pub tail_99: Tail,
    /// Largest drawdown of a path.
    pub max_drawdown: Percentiles,
    /// Mean cost a year, units of the asset.
    pub cost: f64,
    /// Mean cost a year over mean net asset value, basis points, with its interval.
    pub cost_bps: Estimate,
    /// Mean number of trades.
    pub rebalances: f64,
    /// Mean number of transactions that reverted.
    pub reverted: f64,
    /// Mean part of the time in cash-lock.
    pub cash_lock: f64,
    /// Share of paths that came into it, with the interval of Wilson.
    pub locked: Estimate,
    /// Of a policy with an option book what became of its series.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub series: Option<AllSeries>,
}

impl Sample {
    /// Of a path of so many years that ended over this floor.
    #[must_use]
    pub fn of(metrics: &Metrics, floor: f64, years: f64) -> Self {
        let cost = metrics.gas + metrics.fees + metrics.impact;
        Self {
            end: metrics.end,
            floor,
            last_cushion: metrics.last_cushion,
            lowest_cushion: metrics.lowest_cushion,
            lowest_share: metrics.lowest_cushion_share,
            total_return: metrics.total_return,
            max_drawdown: metrics.max_drawdown,
            cost: if years > 0.0 { cost / years } else { 0.0 },
            cost_bps: metrics.cost_bps,
            rebalances: metrics.rebalances,
            reverted: metrics.reverted,
            cash_lock: metrics.cash_lock,
            series: metrics.options.map(|options| Series {
                options,
                unopened: metrics.unopened.unwrap_or_default(),
                undone: metrics.undone.unwrap_or_default(),
            }),
        }
    }
}

impl Figures {
    /// Of all paths, in the order of their numbers.
    #[must_use]
    pub fn of(samples: &[Sample]) -> Self {
        let all = |of: fn(&Sample) -> f64| samples.iter().map(of).collect::<Vec<f64>>();
        let paths = u64::try_from(samples.len()).unwrap_or(u64::MAX);
        let share = |is: fn(&Sample) -> bool| {
            wilson(u64::try_from(samples.iter().filter(|one| is(one)).count()).unwrap_or(u64::MAX), paths)
        };
        let returns = all(|one| one.total_return);
        let ascending = sorted(returns.iter().copied());
        let over = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
        Self {
            paths,
            breach: share(|one| one.lowest_cushion < 0.0),
            breach_at_end: share(|one| one.last_cushion < 0.0),
            shortfall: shortfall(samples.iter().map(|one| (one.lowest_cushion, one.lowest_share))),
            shortfall_at_end: shortfall(
                samples.iter().map(|one| (one.last_cushion, over(one.last_cushion, one.floor))),
            ),
            lowest_cushion: Percentiles::of(all(|one| one.lowest_cushion)),
            mean_return: mean(&returns),
            deviation: moments(&returns).1,
            total_return: Percentiles::of(returns),
            tail_95: Tail::of(&ascending, 0.05),
            tail_99: Tail::of(&ascending, 0.01),
            max_drawdown: Percentiles::of(all(|one| one.max_drawdown)),
            cost: moments(&all(|one| one.cost)).0,
            cost_bps: mean(&all(|one| one.cost_bps)),
            rebalances: moments(&all(|one| real(one.rebalances))).0,
            reverted: moments(&all(|one| real(one.reverted))).0,
            cash_lock: moments(&all(|one| one.cash_lock)).0,
            locked: share(|one| one.cash_lock > 0.0),
            series: AllSeries::of(samples),
        }
    }
}

impl AllSeries {
    fn of(samples: &[Sample]) -> Option<Self> {
        let series: Vec<Series> = samples.iter().filter_map(|one| one.series).collect();
        let mean = |of: fn(&Series) -> u64| moments(&series.iter().map(of).map(real).collect::<Vec<f64>>()).0;
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let never = series.iter().filter(|one| one.options == 0).count();
        (!series.is_empty()).then(|| Self {
            options: mean(|one| one.options),
            never: wilson(count(never), count(series.len())),
            unopened: mean(|one| one.unopened),
            undone: mean(|one| one.undone),
        })
    }
}

impl Percentiles {
    fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let ascending = sorted(values);
        let at = |probability| quantile(&ascending, probability);
        Self {
            p01: at(0.01),
            p05: at(0.05),
            p25: at(0.25),
            median: at(0.5),
            p75: at(0.75),
            p95: at(0.95),
            p99: at(0.99),
        }
    }
}

impl Tail {
    fn of(ascending: &[f64], share: f64) -> Self {
        Self {
            // Taken from zero, so that none is lost where none is: minus zero has a sign.
            value_at_risk: 0.0 - quantile(ascending, share),
            expected_shortfall: 0.0 - lowest_mean(ascending, share),
        }
    }
}

/// Of cushions and what they are of the floor.
fn shortfall(cushions: impl Iterator<Item = (f64, f64)>) -> Shortfall {
    let (mut paths, mut broken, mut sum) = (0.0, 0.0, Shortfall::default());
    for (cushion, share) in cushions {
        paths += 1.0;
        if cushion < 0.0 {
            broken += 1.0;
            sum.expected -= cushion;
            sum.expected_share -= share;
            sum.deepest = sum.deepest.max(-cushion);
            sum.deepest_share = sum.deepest_share.max(-share);
        }
    }
    if broken > 0.0 {
        sum.given = Some(sum.expected / broken);
        sum.given_share = Some(sum.expected_share / broken);
    }
    if paths > 0.0 {
        sum.expected /= paths;
        sum.expected_share /= paths;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A path that ended at `end` over a floor of 80, from 100, with this lowest cushion.
    fn sample(end: f64, lowest: f64) -> Sample {
        let metrics = Metrics {
            end,
            last_cushion: end - 80.0,
            lowest_cushion: lowest,
            lowest_cushion_share: lowest / 80.0,
            total_return: end / 100.0 - 1.0,
            gas: 1.0,
            fees: 2.0,
            impact: -0.5,
            cost_bps: 250.0,
            rebalances: 3,
            cash_lock: if lowest < 0.0 { 0.5 } else { 0.0 },
            ..Metrics::default()
        };
        Sample::of(&metrics, 80.0, 0.5)
    }

    #[test]
    fn figures_are_those_computed_by_hand() {
        // One breaks and stays below, one breaks and comes back.
        let samples = [sample(120.0, 15.0), sample(76.0, -8.0), sample(90.0, -2.0), sample(110.0, 5.0)];
        let figures = Figures::of(&samples);
        assert_eq!((figures.paths, figures.breach.value, figures.breach_at_end.value), (4, 0.5, 0.25));
        let ever = figures.shortfall;
        assert_eq!((ever.given, ever.expected, ever.deepest), (Some(5.0), 2.5, 8.0));
        assert_eq!((ever.given_share, ever.deepest_share), (Some(0.0625), 0.1));
        let last = figures.shortfall_at_end;
        assert_eq!((last.given, last.expected, last.deepest_share), (Some(4.0), 1.0, 0.05));
        assert!((figures.mean_return.value + 0.01).abs() < 1e-12, "{figures:?}");
        assert!((figures.tail_95.expected_shortfall - 0.24).abs() < 1e-12, "{figures:?}");
        // A twentieth of the way from the lowest to the next times three: −0.24 + 0.15·0.14.
        assert!((figures.tail_95.value_at_risk - 0.219).abs() < 1e-12, "{figures:?}");
        assert_eq!((figures.cost, figures.cost_bps.value, figures.rebalances), (5.0, 250.0, 3.0));
        assert_eq!((figures.cash_lock, figures.locked.value), (0.25, 0.5));
        assert_eq!(figures.lowest_cushion.median, 1.5);
    }

    #[test]
    fn what_became_of_series_is_told_where_there_is_a_book() {
        let one = |options, unopened, undone| {
            let counts = (Some(options), Some(unopened), Some(undone));
            let (options, unopened, undone) = counts;
            Sample::of(&Metrics { options, unopened, undone, ..Metrics::default() }, 80.0, 0.5)
        };
        let figures = Figures::of(&[one(6, 0, 2), one(0, 96, 0), one(3, 10, 0), one(3, 14, 1)]);
        let series = figures.series.unwrap();
        assert_eq!((series.options, series.never.value), (3.0, 0.25));
        assert_eq!((series.unopened, series.undone), (30.0, 0.75));
        assert_eq!(Figures::of(&[sample(120.0, 15.0)]).series, None);
    }

    #[test]
    fn where_nothing_breaks_there_is_no_shortfall_given_that() {
        let figures = Figures::of(&[sample(120.0, 15.0)]);
        assert_eq!(figures.shortfall, Shortfall::default());
        assert!(figures.breach.value == 0.0 && figures.breach.high > 0.7);
        assert_eq!(Figures::of(&[]).paths, 0);
        let still = Figures::of(&[sample(100.0, 15.0)]).tail_95;
        assert!(
            still.value_at_risk.is_sign_positive() && still.expected_shortfall.is_sign_positive(),
            "{still:?}"
        );
    }
}
