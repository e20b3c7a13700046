//! From arguments to a scenario.

use eyre::{WrapErr, eyre};

use super::Simulate;
use super::arguments::{ModelName, StrategyName};
use crate::backtest::future::market::Market;
use crate::backtest::paths::{History, Process, Span};
use crate::backtest::scenario::{Gas, Scenario, Volatility};
use crate::cli::Failure;

/// Minutes of a step where the arguments do not say, and of a row of the prices that a comparison resamples.
const MINUTES_OF_AN_HOUR: u32 = 60;
const HOUR: u64 = 3_600;
/// Prices at the start where the arguments do not say, USD.
const COMPARED_PRICE: f64 = 100.0;
const POLICY_PRICE: f64 = 2_000.0;
/// Days of a path where the arguments do not say.
const HEDGE_DAYS: u32 = 30;
const YEAR_DAYS: u32 = 365;
/// What the volatility of resampled prices is estimated from where the arguments do not say.
const HALF_LIFE_HOURS: u32 = 168;
const ROUNDS: u32 = 336;
/// Hours of a block where the arguments do not say.
const BLOCK_HOURS: u32 = 168;

/// The scenario that the arguments describe.
///
/// # Errors
/// Wrong usage: a file that cannot be read, or arguments that do not go together.
pub(super) fn scenario(arguments: &Simulate) -> Result<Scenario, Failure> {
    let market = &arguments.market;
    let volatility = match arguments.model {
        ModelName::Gbm | ModelName::Merton => Volatility::Known(market.volatility()),
        ModelName::Heston => {
            return Err(Failure::usage(eyre!(
                "the model `heston` is for --policy alone: a comparison knows its volatility"
            )));
        }
        ModelName::Bootstrap => {
            let half_life_hours = market.half_life_hours.unwrap_or(HALF_LIFE_HOURS);
            Volatility::Estimated { half_life_hours, rounds: market.rounds.unwrap_or(ROUNDS) }
        }
    };
    let days = market.days.unwrap_or(match arguments.strategy {
        StrategyName::DeltaHedge => HEDGE_DAYS,
        StrategyName::Cppi | StrategyName::ConstantWeight => YEAR_DAYS,
    });
    let minutes = market.step_minutes.unwrap_or(MINUTES_OF_AN_HOUR);
    let process = process(arguments)?;
    if let Process::Bootstrap { history, .. } = &process
        && (minutes != MINUTES_OF_AN_HOUR || history.step_seconds() != HOUR)
    {
        let why = "the model `bootstrap` compares hourly: give it hourly prices, and no --step-minutes";
        return Err(Failure::usage(eyre!(why)));
    }
    let start = market.price.unwrap_or(COMPARED_PRICE);
    Ok(Scenario {
        strategy: arguments.vault.strategy(arguments.strategy),
        process,
        span: Span {
            before: Scenario::past(volatility),
            ..span(start, days, u64::from(minutes).saturating_mul(60))
        },
        fee_pips: pips(market.fee_bps),
        gas: match market.gas_prices {
            Some(_) => Gas::Recorded { units: market.gas_units },
            None => Gas::Stated(market.gas_usd),
        },
        volatility,
    })
}

/// The market that the arguments describe for a policy.
///
/// # Errors
/// As [`scenario`].
pub(super) fn market(arguments: &Simulate) -> Result<Market, Failure> {
    let market = &arguments.market;
    let process = process(arguments)?;
    let asked = market.step_minutes.map(|minutes| u64::from(minutes).saturating_mul(60));
    let step_seconds = match &process {
        Process::Bootstrap { history, .. } => {
            let step = history.step_seconds();
            if asked.is_some_and(|asked| asked != step) {
                let why = eyre!("these prices have steps of {step} seconds: leave --step-minutes out");
                return Err(Failure::usage(why));
            }
            step
        }
        Process::Gbm { .. } | Process::Merton { .. } | Process::Heston(_) => asked.unwrap_or(HOUR),
    };
    let start = market.price.unwrap_or(POLICY_PRICE);
    let span = span(start, market.days.unwrap_or(YEAR_DAYS), step_seconds);
    if span.steps == 0 {
        return Err(Failure::usage(eyre!("a path has no step: take more --days, or shorter steps")));
    }
    Ok(Market { process, drift: arguments.moves.drift(), span })
}

fn span(start: f64, days: u32, step_seconds: u64) -> Span {
    let steps = u64::from(days).saturating_mul(86_400).checked_div(step_seconds).unwrap_or_default();
    Span { start, before: 0, steps: usize::try_from(steps).unwrap_or(usize::MAX), step_seconds }
}

fn process(arguments: &Simulate) -> Result<Process, Failure> {
    let market = &arguments.market;
    let volatility = market.volatility();
    match (arguments.model, &market.prices) {
        (ModelName::Gbm, _) => Ok(Process::Gbm { volatility }),
        (ModelName::Merton, _) => {
            let jumps = market.jumps();
            if jumps.variance_rate() >= volatility * volatility {
                return Err(Failure::usage(eyre!(
                    "these jumps alone have a volatility of {:.3}: ask for more by --volatility, or for smaller or fewer",
                    libm::sqrt(jumps.variance_rate())
                )));
            }
            Ok(Process::Merton { volatility, jumps })
        }
        (ModelName::Heston, _) => Ok(Process::Heston(arguments.moves.heston(volatility * volatility))),
        (ModelName::Bootstrap, Some(prices)) => {
            let gas = market.gas_prices.as_deref().or(arguments.policy.gas.as_deref());
            let history =
                History::read(prices, gas).wrap_err("the history to resample").map_err(Failure::usage)?;
            let block = block(&history, market.block_hours.unwrap_or(BLOCK_HOURS))?;
            Ok(Process::Bootstrap { history, block })
        }
        (ModelName::Bootstrap, None) => Err(Failure::usage(eyre!("the model `bootstrap` needs --prices"))),
    }
}

/// Steps of a block of so many hours, of which the history has two at least: less than that would be drawn from hardly anything.
fn block(history: &History, hours: u32) -> Result<usize, Failure> {
    let step = history.step_seconds();
    let block = u64::from(hours).saturating_mul(HOUR).checked_div(step).unwrap_or_default();
    let block = usize::try_from(block).unwrap_or(usize::MAX);
    if block == 0 {
        return Err(Failure::usage(eyre!(
            "a block of {hours} h is shorter than a step of these prices, which is {step} s: ask for longer ones by --block-hours"
        )));
    }
    let (returns, needed) = (history.len(), block.saturating_mul(2));
    if returns < needed {
        return Err(Failure::usage(eyre!(
            "these prices have {returns} returns, and two blocks of {hours} h are {needed}: give more --prices, or ask for shorter \
             blocks by --block-hours"
        )));
    }
    Ok(block)
}

/// Basis points, 0 to 1,000, in their hundredths.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the argument's parser holds it between 0 and 1,000"
)]
const fn pips(bps: f64) -> u32 {
    (bps * 100.0).round() as u32
}
