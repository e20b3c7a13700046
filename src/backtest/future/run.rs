//! A policy, and who else could keep its vault, on every path of a market.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::check::{Check, Row, Seen};
use super::fan::{Course, Grid, Spread};
use super::figures::Sample;
use super::market::{Market, Walk};
use super::statistics::real;
use crate::backtest::BacktestError;
use crate::backtest::ensemble::{Paths, each};
use crate::backtest::past::contest::Entrant;
use crate::backtest::past::metrics::Gauge;
use crate::backtest::past::opening::Start;
use crate::backtest::past::run::{Keeper, Outcome, Past, Step, walk};
use crate::backtest::past::setting::Setting;
use crate::backtest::past::unopened::Unopened;
use crate::domain::policy::{PublishedPolicy, StrategyPolicy};
use crate::domain::units::to_real;

/// What is simulated.
#[derive(Debug)]
pub struct Future<'a> {
    /// Where prices come from.
    pub market: &'a Market,
    /// The world beside the prices; its times are from [`BEGIN`](super::market::BEGIN) on.
    pub setting: &'a Setting,
    /// The policy.
    pub published: &'a PublishedPolicy,
    /// First net asset value, units of the asset.
    pub capital: Decimal,
    /// Who keeps the vault, the policy first, which is pictured.
    pub entrants: &'a [Entrant],
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Simulated {
    /// For each entrant every path, in the order of their numbers.
    pub samples: Vec<Vec<Sample>>,
    /// At how many steps of all paths the first entrant's vault did not open a series that was due, by the reason.
    pub unrolled: BTreeMap<Unopened, u64>,
    /// How the net value of the first entrant spread.
    pub fan: Vec<Spread>,
    /// The paths beside what they should be.
    pub check: Vec<Row>,
}

/// What one path told.
struct Told {
    samples: Vec<Sample>,
    /// Of the first entrant.
    unrolled: BTreeMap<Unopened, u64>,
    /// Of the first entrant, on the grid.
    course: Course,
    seen: Seen,
}

/// Walks everybody through every path; `done` is told of each path. The result is that of any number of threads.
///
/// # Errors
/// As [`walk`] of the lowest path that has one; [`BacktestError::Stopped`]; a number outside the domain of a closed form.
pub fn simulate(
    future: &Future<'_>,
    paths: &Paths<'_>,
    done: impl Fn() + Sync,
) -> Result<Simulated, BacktestError> {
    let market = future.market;
    let keepers = future.entrants.iter().map(|entrant| entrant.keeper(future.published));
    let keepers: Vec<Keeper> = keepers.collect::<Result<_, _>>()?;
    let check = Check::of(market, multiplier(&future.published.policy().strategy))?;
    let grid = Grid::of(market.span.steps);
    let told: Vec<Told> = each(paths, |number| {
        let path = market.path(paths.seed, number);
        let told = future.everybody(&keepers, &grid, &market.walk(&path)?, check.see(&path))?;
        done();
        Ok(told)
    })?;
    let step_days = real(market.span.step_seconds) / DAY;
    let (mut samples, mut courses, mut seen) = (vec![Vec::new(); keepers.len()], Vec::new(), Vec::new());
    let mut unrolled: BTreeMap<Unopened, u64> = BTreeMap::new();
    for path in told {
        for (why, steps) in path.unrolled {
            let all = unrolled.entry(why).or_default();
            *all = all.saturating_add(steps);
        }
        for (all, sample) in samples.iter_mut().zip(path.samples) {
            all.push(sample);
        }
        courses.push(path.course);
        seen.push(path.seen);
    }
    let (fan, check) = (grid.spreads(&courses, step_days), check.rows(market, &seen)?);
    Ok(Simulated { samples, unrolled, fan, check })
}

/// Seconds of a day.
const DAY: f64 = 86_400.0;

impl Future<'_> {
    /// Lets everybody walk through a path that was `seen`; net value and floor of the first of them on the grid.
    fn everybody(
        &self,
        keepers: &[Keeper],
        grid: &Grid,
        path: &Walk,
        seen: Seen,
    ) -> Result<Told, BacktestError> {
        let (mut samples, mut course) = (Vec::with_capacity(keepers.len()), Course::new());
        let (mut unrolled, mut rolls) = (BTreeMap::new(), Vec::new());
        for (at, (keeper, entrant)) in keepers.iter().zip(self.entrants).enumerate() {
            let beside = entrant.follows(self.setting).then(|| entrant.beside(self.published, &rolls));
            let beside = beside.transpose()?;
            let (sample, outcome) = self.sample(beside.as_ref().unwrap_or(keeper), path, |step, seen| {
                let pictured = at == 0 && grid.has(step);
                course.extend(pictured.then(|| (to_real(seen.account.net()), to_real(seen.floor))));
            })?;
            samples.push(sample);
            if at == 0 {
                (unrolled, rolls) = (outcome.unrolled, outcome.rolls);
            }
        }
        Ok(Told { samples, unrolled, course, seen })
    }

    /// Lets one keeper walk through a path; `seen` is told of every step with its number.
    fn sample(
        &self,
        keeper: &Keeper,
        path: &Walk,
        mut seen: impl FnMut(usize, &Step),
    ) -> Result<(Sample, Outcome), BacktestError> {
        let past = Past {
            ticks: &path.ticks,
            base_fees: &path.base_fees,
            setting: self.setting,
            start: Start::Capital(self.capital),
        };
        let (mut gauge, mut floor, mut number) = (Gauge::default(), Decimal::ZERO, 0_usize);
        let outcome = walk(&past, keeper, |step| {
            gauge.see(step);
            seen(number, step);
            floor = step.floor;
            number = number.saturating_add(1);
        })?;
        let sample = Sample::of(&gauge.metrics(&outcome), to_real(floor), self.market.years());
        Ok((sample, outcome))
    }
}

/// The multiplier of a policy that insures a floor, bounded or not.
fn multiplier(strategy: &StrategyPolicy) -> Option<f64> {
    match strategy {
        StrategyPolicy::Cppi { multiplier, .. } => Some(multiplier.real()),
        StrategyPolicy::Combined { primary, .. } => self::multiplier(primary),
        StrategyPolicy::ConstantWeight { .. }
        | StrategyPolicy::VolatilityTarget { .. }
        | StrategyPolicy::DeltaHedge { .. } => None,
    }
}
