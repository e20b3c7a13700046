//! From arguments to a scenario.

use eyre::{WrapErr, eyre};

use super::{ModelName, Simulate, StrategyName};
use crate::backtest::paths::{History, Jumps, Process, Span};
use crate::backtest::scenario::{Gas, Scenario, Strategy, Volatility};
use crate::cli::Failure;

/// Minutes of a row of the price file that is resampled.
const MINUTES_OF_AN_HOUR: u32 = 60;
/// Days of a path where the arguments do not say.
const HEDGE_DAYS: u32 = 30;
const YEAR_DAYS: u32 = 365;

/// The scenario that the arguments describe.
///
/// # Errors
/// Wrong usage: a file that cannot be read, or arguments that do not go together.
pub(super) fn scenario(arguments: &Simulate) -> Result<Scenario, Failure> {
    let market = &arguments.market;
    let volatility = match arguments.model {
        ModelName::Gbm | ModelName::Merton => Volatility::Known(market.volatility),
        ModelName::Bootstrap => {
            Volatility::Estimated { half_life_hours: market.half_life_hours, rounds: market.rounds }
        }
    };
    let days = market.days.unwrap_or(match arguments.strategy {
        StrategyName::DeltaHedge => HEDGE_DAYS,
        StrategyName::Cppi | StrategyName::ConstantWeight => YEAR_DAYS,
    });
    let minutes = days.saturating_mul(24 * MINUTES_OF_AN_HOUR);
    let steps = minutes.checked_div(market.step_minutes).unwrap_or_default();
    Ok(Scenario {
        strategy: strategy(arguments),
        process: process(arguments)?,
        span: Span {
            start: market.price,
            before: Scenario::past(volatility),
            steps: usize::try_from(steps).unwrap_or(usize::MAX),
            step_seconds: u64::from(market.step_minutes).saturating_mul(60),
        },
        fee_pips: pips(market.fee_bps),
        gas: match market.gas_prices {
            Some(_) => Gas::Recorded { units: market.gas_units },
            None => Gas::Stated(market.gas_usd),
        },
        volatility,
    })
}

const fn strategy(arguments: &Simulate) -> Strategy {
    let vault = &arguments.vault;
    match arguments.strategy {
        StrategyName::DeltaHedge => Strategy::DeltaHedge { calls: vault.calls },
        StrategyName::Cppi => {
            Strategy::Cppi { capital: vault.capital, multiplier: vault.multiplier, floor: vault.floor }
        }
        StrategyName::ConstantWeight => {
            Strategy::ConstantWeight { capital: vault.capital, weight: vault.weight }
        }
    }
}

fn process(arguments: &Simulate) -> Result<Process, Failure> {
    let market = &arguments.market;
    let volatility = market.volatility;
    match (arguments.model, &market.prices) {
        (ModelName::Gbm, _) => Ok(Process::Gbm { volatility }),
        (ModelName::Merton, _) => {
            let (rate, mean, deviation) = (market.jumps_per_year, market.jump_mean, market.jump_deviation);
            let jumps = Jumps { rate, mean, deviation };
            if jumps.variance_rate() >= volatility * volatility {
                return Err(Failure::usage(eyre!(
                    "these jumps alone have a volatility of {:.3}: ask for more by --volatility, or for smaller or fewer",
                    libm::sqrt(jumps.variance_rate())
                )));
            }
            Ok(Process::Merton { volatility, jumps })
        }
        (ModelName::Bootstrap, Some(prices)) => {
            if market.step_minutes != MINUTES_OF_AN_HOUR {
                return Err(Failure::usage(eyre!("the model `bootstrap` has steps of 60 minutes")));
            }
            let history = History::read(prices, market.gas_prices.as_deref())
                .wrap_err("the history to resample")
                .map_err(Failure::usage)?;
            let block = usize::try_from(market.block_hours).unwrap_or(usize::MAX);
            Ok(Process::Bootstrap { history, block })
        }
        (ModelName::Bootstrap, None) => Err(Failure::usage(eyre!("the model `bootstrap` needs --prices"))),
    }
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
