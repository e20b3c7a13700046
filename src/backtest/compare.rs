//! Contestants at equal risk: each is tuned to the same risk on the same paths, and what it costs there is compared.

mod tuning;

use std::num::NonZeroUsize;

use serde::Serialize;

use super::BacktestError;
use super::contestant::{DEFAULT_AVERSION, Kind};
use super::ensemble::{Paths, Watch, gather};
use super::risk::{Ensemble, Estimate, Measure, Sums, interpolate, jackknife};
use super::scenario::{Scenario, Strategy, Volatility};
use tuning::{Centre, Tuned, tune};

/// How often a bracket may be moved onto the risk: once is nearly always enough.
const MOST_MOVES: u32 = 2;

/// A comparison to make.
#[derive(Debug)]
pub struct Comparison<'a> {
    /// What is simulated.
    pub scenario: &'a Scenario,
    /// What risk is measured by.
    pub measure: Measure,
    /// The risk at which costs are compared.
    pub level: Level,
    /// Seed of all paths.
    pub seed: u64,
    /// Paths that costs are measured on.
    pub paths: u64,
    /// Paths, the first of them, that parameters are tuned on.
    pub tuning_paths: u64,
    /// Threads; no part of the result.
    pub threads: NonZeroUsize,
    /// Progress, and the wish to end.
    pub watch: &'a Watch,
}

/// The risk at which costs are compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Level {
    /// This share of what the options are worth at the start.
    OfPremium(f64),
    /// That of the keeper's own trigger at the default risk aversion.
    OfDefault,
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Result {
    /// The risk at which costs are compared, USD.
    pub risk: f64,
    /// Every contestant.
    pub rows: Vec<Row>,
}

/// One contestant.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Row {
    /// It takes the risk asked for.
    Tuned(Standing),
    /// It takes more risk whatever its parameter, or less.
    OutOfReach {
        /// Which.
        kind: Kind,
        /// The parameter at which it comes nearest.
        parameter: f64,
        /// The risk there, USD.
        nearest_risk: f64,
        /// The cost there, USD.
        cost: f64,
    },
}

/// A contestant at the risk asked for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Standing {
    /// Which.
    pub kind: Kind,
    /// Its parameter.
    pub parameter: f64,
    /// Mean cost of a path, USD.
    pub cost: Estimate,
    /// Cost over that of the threshold back to the target; absent where that is out of reach.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_threshold: Option<Estimate>,
    /// Cost over that of the cheaper threshold, to the target or to the edge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_best_threshold: Option<Estimate>,
    /// Mean gas of a path, USD.
    pub gas: f64,
    /// Mean number of trades of a path.
    pub trades: f64,
}

/// A contestant on both sides of the risk asked for.
struct Frontier {
    kind: Kind,
    parameters: (f64, f64),
    ensembles: (Ensemble, Ensemble),
}

impl Comparison<'_> {
    /// Tunes and measures every contestant; `entered` is told of each before its turn.
    ///
    /// # Errors
    /// As [`gather`].
    pub fn run(&self, entered: impl Fn(Kind)) -> std::result::Result<Result, BacktestError> {
        let risk = self.risk()?;
        let mut frontiers = Vec::new();
        let mut beyond = Vec::new();
        for kind in Kind::ALL {
            entered(kind);
            match tune(self, kind, risk)? {
                Tuned::At(centre) => frontiers.push(self.measure(kind, centre, risk, MOST_MOVES)?),
                Tuned::OutOfReach(parameter) => {
                    let sums = self.sums(kind, parameter, self.paths)?.all();
                    beyond.push(Row::OutOfReach {
                        kind,
                        parameter,
                        nearest_risk: sums.risk(self.measure),
                        cost: sums.cost(),
                    });
                }
            }
        }
        let standings =
            frontiers.iter().map(|frontier| Row::Tuned(self.standing(frontier, &frontiers, risk)));
        let mut rows: Vec<Row> = standings.chain(beyond).collect();
        rows.sort_by_key(Row::kind);
        // Beside a cost of nothing no other has a ratio.
        let idle = rows.iter().any(|row| matches!(row, Row::Tuned(standing) if standing.cost.value <= 0.0));
        if idle { Err(BacktestError::Idle) } else { Ok(Result { risk, rows }) }
    }

    /// The risk at which costs are compared, USD.
    fn risk(&self) -> std::result::Result<f64, BacktestError> {
        match self.level {
            Level::OfPremium(share) => Ok(share * self.premium()?),
            Level::OfDefault => {
                let capital = match self.scenario.strategy {
                    Strategy::Cppi { capital, .. } | Strategy::ConstantWeight { capital, .. } => capital,
                    Strategy::DeltaHedge { .. } => {
                        return Err(BacktestError::Policy("a hedge has no capital of its own".into()));
                    }
                };
                let sums = self.sums(Kind::Economic, DEFAULT_AVERSION / capital, self.tuning_paths)?;
                Ok(sums.all().risk(self.measure))
            }
        }
    }

    /// What was written is worth at the start, USD; the mean over the tuning paths where volatility is estimated.
    fn premium(&self) -> std::result::Result<f64, BacktestError> {
        match self.scenario.volatility {
            Volatility::Known(annual) => self.scenario.premium(annual),
            Volatility::Estimated { .. } => {
                let span = &self.scenario.span;
                let (mut sum, mut count) = (0.0, 0.0);
                for number in 0..self.tuning_paths {
                    let path = self.scenario.process.path(span, self.seed, number);
                    let volatility = path.trailing_volatility(path.past.len(), span.step_seconds);
                    sum += self.scenario.premium(volatility)?;
                    count += 1.0;
                }
                Ok(sum / count)
            }
        }
    }

    fn sums(&self, kind: Kind, parameter: f64, count: u64) -> std::result::Result<Ensemble, BacktestError> {
        let contestant = kind.enter(self.scenario, parameter)?;
        let Self { seed, threads, watch, .. } = *self;
        gather(self.scenario, &contestant, &Paths { seed, count, threads, watch })
    }

    /// On all paths, on both sides of `risk`: where the tuning paths found it, or moved so many times until it is between.
    fn measure(
        &self,
        kind: Kind,
        centre: Centre,
        risk: f64,
        moves: u32,
    ) -> std::result::Result<Frontier, BacktestError> {
        let parameters = centre.sides(kind.is_whole(), kind.scale(self.scenario));
        let first = self.sums(kind, parameters.0, self.paths)?;
        let second = self.sums(kind, parameters.1, self.paths)?;
        let miss = |sums: &Ensemble| libm::log(sums.all().risk(self.measure) / risk);
        match (centre.moved(parameters, (miss(&first), miss(&second))), moves.checked_sub(1)) {
            (Some(moved), Some(left)) => self.measure(kind, moved, risk, left),
            _ => Ok(Frontier { kind, parameters, ensembles: (first, second) }),
        }
    }

    fn standing(&self, frontier: &Frontier, all: &[Frontier], risk: f64) -> Standing {
        let at = |figure: &dyn Fn(&Sums) -> f64, sums: &[Sums]| self.at_risk(figure, sums, risk);
        let cost = |sums: &[Sums]| at(&Sums::cost, sums);
        let own = [&frontier.ensembles.0, &frontier.ensembles.1];
        let ratio = |to: &Frontier| {
            let both = [own[0], own[1], &to.ensembles.0, &to.ensembles.1];
            jackknife(&both, |sums| {
                let (own, other) = sums.split_at(sums.len() / 2);
                cost(own) / cost(other)
            })
        };
        let of = |kind: Kind| all.iter().find(|frontier| frontier.kind == kind);
        let plain = |frontier: &Frontier| {
            let sums = [frontier.ensembles.0.all(), frontier.ensembles.1.all()];
            cost(&sums)
        };
        let (target, edge) = (of(Kind::ThresholdToTarget), of(Kind::ThresholdToEdge));
        let best = [target, edge].into_iter().flatten().min_by(|a, b| plain(a).total_cmp(&plain(b)));
        let sums = [own[0].all(), own[1].all()];
        let (low, high) = frontier.parameters;
        let [first, second] = [own[0].all().risk(self.measure), own[1].all().risk(self.measure)];
        Standing {
            kind: frontier.kind,
            parameter: interpolate(risk, (first, low), (second, high)),
            cost: jackknife(&own, cost),
            to_threshold: target.map(&ratio),
            to_best_threshold: best.map(&ratio),
            gas: between(&Sums::gas, &sums, (first, second), risk),
            trades: between(&Sums::trades, &sums, (first, second), risk),
        }
    }

    /// A figure at `risk`, between those on both sides of it.
    fn at_risk(&self, figure: &dyn Fn(&Sums) -> f64, sums: &[Sums], risk: f64) -> f64 {
        let [first, second] = sums else { return f64::NAN };
        let (low, high) = (first.risk(self.measure), second.risk(self.measure));
        interpolate(risk, (low, figure(first)), (high, figure(second)))
    }
}

/// A figure that may be 0 at `risk`, on the straight line between those on both sides of it.
fn between(figure: &dyn Fn(&Sums) -> f64, sums: &[Sums; 2], (low, high): (f64, f64), risk: f64) -> f64 {
    let [first, second] = sums.each_ref().map(figure);
    let run = high - low;
    if run.abs() < 1e-9 * high {
        0.5 * (first + second)
    } else {
        first + (second - first) * (risk - low) / run
    }
}

impl Row {
    /// Whose it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Tuned(standing) => standing.kind,
            Self::OutOfReach { kind, .. } => *kind,
        }
    }
}
