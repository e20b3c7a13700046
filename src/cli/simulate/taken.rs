//! Which arguments a model and a strategy take: one that nobody asks for is refused, and not left unused. And how many paths each
//! question takes.

use clap::ValueEnum;
use eyre::eyre;

use super::Simulate;
use super::arguments::{ModelName, StrategyName};
use crate::cli::Failure;

/// An argument: whether it is given, what it is called, and who takes it.
type Taken<T> = (bool, &'static str, &'static [T]);

/// Models whose moves are stated, and not recorded.
const STATED: &[ModelName] = &[ModelName::Gbm, ModelName::Merton, ModelName::Heston];

/// Fewest paths that say anything of a share of them.
const FEWEST: u32 = 100;
/// Most paths of a policy, whose samples are kept at once, and of a comparison.
const MOST: (u32, u32) = (100_000, 1_000_000);

/// Refuses every argument of another model, and of another strategy of a comparison, and paths that are too few or too many.
///
/// # Errors
/// Wrong usage, with all of them.
pub(super) fn check(arguments: &Simulate) -> Result<(), Failure> {
    let mut wrong = refused("--model", &arguments.model, &of_models(arguments));
    if arguments.compare {
        wrong.extend(refused("--strategy", &arguments.strategy, &of_strategies(arguments)));
    }
    wrong.extend(paths(arguments));
    if wrong.is_empty() { Ok(()) } else { Err(Failure::usage(eyre!("{}", wrong.join("; ")))) }
}

const fn of_models(arguments: &Simulate) -> [Taken<ModelName>; 15] {
    const MERTON: &[ModelName] = &[ModelName::Merton];
    const HESTON: &[ModelName] = &[ModelName::Heston];
    const BOOTSTRAP: &[ModelName] = &[ModelName::Bootstrap];
    let Simulate { market, moves, policy, .. } = arguments;
    [
        (market.volatility.is_some(), "--volatility", STATED),
        (moves.drift.is_some(), "--drift", STATED),
        (market.jumps_per_year.is_some(), "--jumps-per-year", MERTON),
        (market.jump_mean.is_some(), "--jump-mean", MERTON),
        (market.jump_deviation.is_some(), "--jump-deviation", MERTON),
        (moves.kappa.is_some(), "--kappa", HESTON),
        (moves.xi.is_some(), "--xi", HESTON),
        (moves.rho.is_some(), "--rho", HESTON),
        (moves.v0.is_some(), "--v0", HESTON),
        (market.prices.is_some(), "--prices", BOOTSTRAP),
        (policy.gas.is_some(), "--gas", BOOTSTRAP),
        (market.gas_prices.is_some(), "--gas-prices", BOOTSTRAP),
        (market.block_hours.is_some(), "--block-hours", BOOTSTRAP),
        (market.half_life_hours.is_some(), "--half-life-hours", BOOTSTRAP),
        (market.rounds.is_some(), "--rounds", BOOTSTRAP),
    ]
}

const fn of_strategies(arguments: &Simulate) -> [Taken<StrategyName>; 6] {
    const HEDGE: &[StrategyName] = &[StrategyName::DeltaHedge];
    const CPPI: &[StrategyName] = &[StrategyName::Cppi];
    const WEIGHT: &[StrategyName] = &[StrategyName::ConstantWeight];
    let vault = &arguments.vault;
    [
        (vault.calls.is_some(), "--calls", HEDGE),
        (vault.risk_share.is_some(), "--risk-share", HEDGE),
        (vault.capital.is_some(), "--capital", &[StrategyName::Cppi, StrategyName::ConstantWeight]),
        (vault.multiplier.is_some(), "--multiplier", CPPI),
        (vault.floor.is_some(), "--floor", CPPI),
        (vault.weight.is_some(), "--weight", WEIGHT),
    ]
}

fn paths(arguments: &Simulate) -> Option<String> {
    let (most, question) = if arguments.compare { (MOST.1, "--compare") } else { (MOST.0, "--policy") };
    let paths = arguments.paths.filter(|paths| !(FEWEST..=most).contains(paths))?;
    Some(format!("--paths: expected {FEWEST} to {most} with {question}, and this is {paths}"))
}

/// What is given and not taken, in words.
fn refused<T: ValueEnum + PartialEq>(by: &str, chosen: &T, all: &[Taken<T>]) -> Vec<String> {
    let told = |(_, argument, takers): &Taken<T>| {
        let takers: Vec<String> = takers.iter().map(name).collect();
        format!(
            "{argument} is taken by {by} {}, and this is {}: leave {argument} out",
            takers.join(", "),
            name(chosen)
        )
    };
    all.iter().filter(|(given, _, takers)| *given && !takers.contains(chosen)).map(told).collect()
}

/// As it stands on the command line.
fn name<T: ValueEnum>(value: &T) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}
