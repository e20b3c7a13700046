//! Drives a market through the stage and lets every contestant act on each block.

use std::sync::Arc;
use std::time::Duration;

use eyre::{Result, WrapErr, eyre};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::contestant::{Contestant, Style};
use super::screen::Screen;
use crate::chain::{Endpoint, SecretUrl, Timeouts};
use crate::domain::units::to_real;
use crate::report::course::{Contestant as Entry, Course, MarketPoint};
use crate::stage::artifacts::Artifacts;
use crate::stage::path::Tick;
use crate::stage::{Stage, StagePlan};

/// Seconds from a decision to the block that includes it: one slot of Ethereum.
const INCLUSION_SECONDS: u64 = 12;

/// What is to be shown.
#[derive(Debug, Clone)]
pub struct Demo {
    /// Name of the market.
    pub scenario: String,
    /// The market, one tick per step, in ascending time.
    pub path: Vec<Tick>,
    /// Rows of the file that the path was sampled from, where rows were left out.
    pub sampled_from: Option<usize>,
    /// First deposit of every vault, whole units of the asset.
    pub capital: Decimal,
    /// Where bytecode and anvil come from.
    pub artifacts: Artifacts,
}

/// Sets the stage, drives the market through it and returns what happened.
///
/// # Errors
/// Where anvil or an artifact is missing, or anything on the stage fails.
pub async fn drive(demo: &Demo) -> Result<Course> {
    let first = demo.path.first().ok_or_else(|| eyre!("the market has no steps"))?;
    let plan = StagePlan::new(first.timestamp, first.price);
    let screen = Screen::new(demo.path.len());
    screen.say("starting a chain; deploying Uniswap v3, Chainlink and four vaults");
    let stage = Stage::set(demo.artifacts.clone(), &plan).await.wrap_err("the stage cannot be set")?;
    let directory = tempfile::tempdir().wrap_err("no directory for the journals")?;
    let timeouts = Timeouts { connect: Duration::from_secs(10), request: Duration::from_secs(30) };
    let url = SecretUrl::parse(&stage.chain.endpoint())?;
    let endpoint = Arc::new(Endpoint::connect("stage", url, stage.chain.chain_id(), timeouts).await?);
    let mut contestants = Vec::new();
    for style in Style::ALL {
        contestants.push(Contestant::enter(style, &stage, &endpoint, demo.capital, directory.path()).await?);
    }
    let market = through(demo, &stage, &endpoint, &mut contestants, &screen).await?;
    screen.finish();
    let contestants = contestants.into_iter().map(|c| Entry {
        name: c.style.name().to_owned(),
        result: c.result(),
        points: c.points,
        trades: c.trades,
    });
    let (scenario, sampled_from) = (demo.scenario.clone(), demo.sampled_from);
    Ok(Course { scenario, market, sampled_from, contestants: contestants.collect() })
}

async fn through(
    demo: &Demo,
    stage: &Stage,
    endpoint: &Arc<Endpoint>,
    contestants: &mut [Contestant],
    screen: &Screen,
) -> Result<Vec<MarketPoint>> {
    let mut market = stage.market().await?;
    let mut points = Vec::with_capacity(demo.path.len());
    for (step, tick) in demo.path.iter().enumerate() {
        market.step(*tick).await?;
        let header = endpoint.latest_header().await?;
        let mut sent = false;
        for contestant in in_turn(contestants, step) {
            sent |= contestant.step(&header, tick.price).await?;
        }
        if sent {
            stage.chain.mine(tick.timestamp.saturating_add(INCLUSION_SECONDS), tick.base_fee).await?;
        }
        points.push(point(tick));
        screen.show(tick, contestants);
    }
    if let Some(last) = demo.path.last() {
        stage.chain.mine(last.timestamp.saturating_add(2 * INCLUSION_SECONDS), last.base_fee).await?;
        for contestant in contestants {
            contestant.settle(last.price).await?;
        }
    }
    Ok(points)
}

/// All of them, each step another one first: they share a pool and a block, where who sends first trades first.
fn in_turn<T>(all: &mut [T], step: usize) -> impl Iterator<Item = &mut T> {
    let first = step.checked_rem(all.len()).unwrap_or_default();
    let (late, early) = all.split_at_mut(first);
    early.iter_mut().chain(late)
}

fn point(tick: &Tick) -> MarketPoint {
    let gwei = tick.base_fee.to_f64().unwrap_or_default() / 1e9;
    MarketPoint { time: tick.timestamp, price: to_real(tick.price), base_fee_gwei: gwei }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_goes_first_as_often_as_any_other() {
        let mut names = ["keeper", "hold", "threshold", "daily"];
        let mut turn = |step| in_turn(&mut names, step).map(|name| *name).collect::<Vec<_>>();
        assert_eq!(turn(0), ["keeper", "hold", "threshold", "daily"]);
        assert_eq!(turn(1), ["hold", "threshold", "daily", "keeper"]);
        assert_eq!(turn(7), ["daily", "keeper", "hold", "threshold"]);
        assert_eq!(turn(8), turn(0));
        assert_eq!(in_turn::<u8>(&mut [], 3).count(), 0);
    }
}
