//! A policy on many paths.

mod figures;
mod files;
mod text;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use alloy::primitives::B256;
use eyre::{WrapErr, eyre};
use indicatif::{ProgressBar, ProgressStyle};
use rust_decimal::Decimal;
use serde::Serialize;

use super::super::output::make_directory;
use super::arguments::Format;
use super::{Simulate, comparison, setup};
use crate::backtest::BacktestError;
use crate::backtest::ensemble::{Paths, Watch};
use crate::backtest::future::check::{LIMIT, Row, failed};
use crate::backtest::future::fan::Spread;
use crate::backtest::future::figures::{Figures, Sample};
use crate::backtest::future::market::{BEGIN, Market};
use crate::backtest::future::run::{Future, Simulated, simulate};
use crate::backtest::past::contest::Entrant;
use crate::backtest::past::setting::Setting;
use crate::backtest::past::unopened::Unopened;
use crate::backtest::paths::{Heston, Jumps, Process};
use crate::cli::signals::interrupted;
use crate::cli::{Context, Failure};
use crate::config::load_policy;
use crate::domain::models::years;
use crate::domain::policy::{FloorPolicy, PublishedPolicy};
use crate::domain::units::{from_real, to_real};

/// Paths where the arguments do not say.
const PATHS: u32 = 1_000;
const HOUR: u64 = 3_600;
/// Decimal places of the asset.
const PLACES: u32 = 6;

/// What is walked through.
struct Plan {
    market: Market,
    setting: Setting,
    published: PublishedPolicy,
    capital: Decimal,
    paths: u32,
}

/// A plan, and what came of it.
struct Done {
    plan: Plan,
    /// What moves prices, for people.
    model: String,
    seed: u64,
    simulated: Simulated,
    figures: Vec<(Entrant, Figures)>,
}

/// What `--json` prints; money in units of the asset.
#[derive(Serialize)]
struct Printed<'a> {
    policy: &'a str,
    policy_hash: B256,
    model: &'a str,
    seed: u64,
    paths: u32,
    capital: Decimal,
    from: u64,
    steps: usize,
    step_seconds: u64,
    check: &'a [Row],
    entrants: Vec<Entry<'a>>,
    /// Steps of all paths at which the policy's vault did not open a series that was due, by the reason.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    unrolled: &'a BTreeMap<Unopened, u64>,
    fan: &'a [Spread],
}

#[derive(Serialize)]
struct Entry<'a> {
    entrant: Entrant,
    figures: &'a Figures,
}

impl Simulate {
    pub(super) async fn simulate(&self, context: &Context, policy: &Path) -> Result<(), Failure> {
        let plan = self.plan(policy)?;
        if let Some(directory) = &self.policy.out {
            make_directory(directory)?;
        }
        let (plan, simulated) = self.walked(plan).await?;
        trusted(&simulated.check)?;
        let of = |(entrant, samples): (&Entrant, &Vec<Sample>)| (*entrant, Figures::of(samples));
        let figures = Entrant::ALL.iter().zip(&simulated.samples).map(of).collect();
        let done =
            Done { model: self.model_in_words(&plan.market), seed: self.seed, plan, simulated, figures };
        match if context.output.json { Format::Json } else { self.policy.format } {
            Format::Table => context.output.text(&text::text(&done))?,
            Format::Json => context.output.json(&done.printed())?,
            Format::Csv => {
                context.output.text(files::figures(&done)?.to_text().wrap_err("the figures")?.trim_end())?;
            }
            Format::Html => context.output.text(&files::page(&done)?)?,
        }
        if let Some(directory) = &self.policy.out {
            files::write(directory, &done)?;
        }
        Ok(())
    }

    /// Everything that is read, and nothing decided yet.
    fn plan(&self, policy: &Path) -> Result<Plan, Failure> {
        let published = load_policy(policy).map_err(Failure::usage)?;
        let setting = self.policy.setting.as_deref().map(Setting::read).transpose();
        let setting = setting.map_err(Failure::usage)?.unwrap_or_default();
        setting.suits(published.policy()).map_err(Failure::usage)?;
        setting.opens_at(BEGIN).map_err(Failure::usage)?;
        let capital = from_real(self.vault.capital(), PLACES).map_err(Failure::usage)?.normalize();
        if capital < Decimal::ONE || capital > Decimal::from(1_000_000_000) {
            return Err(Failure::usage(eyre!("--capital: expected an amount from 1 to 1,000,000,000")));
        }
        let market = setup::market(self)?;
        Ok(Plan { market, setting, published, capital, paths: self.paths.unwrap_or(PATHS) })
    }

    /// Walks on threads of its own, so that a signal is answered.
    async fn walked(&self, plan: Plan) -> Result<(Plan, Simulated), Failure> {
        let watch = Arc::new(Watch::default());
        let (seen, seed, threads) = (watch.clone(), self.seed, self.threads());
        let mut job = tokio::task::spawn_blocking(move || {
            let paths = Paths { seed, count: u64::from(plan.paths), threads, watch: &seen };
            let future = Future {
                market: &plan.market,
                setting: &plan.setting,
                published: &plan.published,
                capital: plan.capital,
                entrants: &Entrant::ALL,
            };
            let bar = progress(plan.paths);
            let simulated = simulate(&future, &paths, || bar.inc(1));
            bar.finish_and_clear();
            simulated.map(|simulated| (plan, simulated))
        });
        tokio::select! {
            biased;
            signal = interrupted() => {
                // What is under way is not waited for: nothing of it is kept.
                watch.stop();
                signal?;
                Err(eyre!("stopped by a signal").into())
            }
            done = &mut job => done.wrap_err("the simulation broke off")?.map_err(failure),
        }
    }

    fn model_in_words(&self, market: &Market) -> String {
        let volatility = format!("volatility {}", self.market.volatility());
        let drift = format!("drift {} a year", market.drift);
        match &market.process {
            Process::Gbm { .. } => format!("geometric Brownian motion, {volatility}, {drift}"),
            Process::Merton { jumps: Jumps { rate, mean, deviation }, .. } => format!(
                "Merton's jump diffusion, {volatility}, {drift}, {rate} jumps a year of {mean} ± {deviation}"
            ),
            Process::Heston(Heston { reversion, vol_of_vol, correlation, initial, .. }) => format!(
                "Heston's stochastic volatility, long-run {volatility}, {drift}, κ {reversion}, ξ {vol_of_vol}, ρ {correlation}, \
                 v₀ {initial:.4}"
            ),
            Process::Bootstrap { history, block } => {
                let name = self.market.prices.as_deref().and_then(Path::file_stem).unwrap_or_default();
                let steps = u64::try_from(*block).unwrap_or(u64::MAX);
                let seconds = history.step_seconds().saturating_mul(steps);
                let whole = seconds.checked_rem(HOUR).is_some_and(|rest| rest == 0);
                let hours = 365.0 * 24.0 * years(seconds);
                let hours = if whole { format!("{hours:.0}") } else { format!("{hours:.2}") };
                let gas = if self.policy.gas.is_some() { " with their gas" } else { "" };
                format!("blocks of {hours} hours of {}{gas}", name.to_string_lossy())
            }
        }
    }
}

/// A number out of its range is of a path that no market takes.
fn failure(error: BacktestError) -> Failure {
    let BacktestError::Number(what) = error else { return comparison::failure(error) };
    Failure::Failed(eyre!(
        "on a path {what} is out of range: ask for a --price, a --volatility and a --drift nearer to a market's, or for fewer --days"
    ))
}

/// Figures of paths that are not what they should be are not told.
fn trusted(check: &[Row]) -> Result<(), Failure> {
    let failed = failed(check);
    if failed.is_empty() {
        return Ok(());
    }
    let told = failed.iter().map(|row| {
        format!(
            "{}: {} simulated, {} in closed form, {:.1} standard errors",
            row.name, row.simulated, row.closed_form, row.standard_errors
        )
    });
    Err(Failure::Untrusted(eyre!(
        "the paths are not what their model says, so nothing is told of them: {}. At most {LIMIT} standard errors are believed. \
         Take more --paths or another --seed; if it stays, this is a fault of the program",
        told.collect::<Vec<_>>().join("; ")
    )))
}

impl Done {
    fn printed(&self) -> Printed<'_> {
        let Plan { market, published, capital, paths, .. } = &self.plan;
        Printed {
            policy: &published.policy().name,
            policy_hash: published.hash(),
            model: &self.model,
            seed: self.seed,
            paths: *paths,
            capital: *capital,
            from: BEGIN,
            steps: market.span.steps,
            step_seconds: market.span.step_seconds,
            check: &self.simulated.check,
            entrants: self
                .figures
                .iter()
                .map(|(entrant, figures)| Entry { entrant: *entrant, figures })
                .collect(),
            unrolled: &self.simulated.unrolled,
            fan: &self.simulated.fan,
        }
    }

    /// On how many paths of what, in a sentence.
    fn about(&self) -> String {
        let Plan { market, paths, capital, .. } = &self.plan;
        let step = market.span.step_seconds;
        let days = 365.0 * market.years();
        format!(
            "{paths} paths of {}, {days:.1} days in {} steps of {:.1} minutes, from {capital} USD, seed {}.",
            self.model,
            market.span.steps,
            365.0 * 24.0 * 60.0 * years(step),
            self.seed
        )
    }

    /// The floor at the start, USD.
    fn floor(&self) -> f64 {
        let share = match self.plan.published.policy().floor {
            FloorPolicy::Fixed { share }
            | FloorPolicy::Accruing { share, .. }
            | FloorPolicy::Ratchet { share, .. } => share,
        };
        share.real() * to_real(self.plan.capital)
    }
}

/// A bar on a terminal, nothing elsewhere.
fn progress(paths: u32) -> ProgressBar {
    let bar = ProgressBar::new(paths.into());
    let style = ProgressStyle::with_template("{spinner} {bar:30} {pos}/{len} paths {elapsed}  {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(std::time::Duration::from_millis(200));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(standard_errors: f64) -> Row {
        Row::of("mean of S_T/S_0", (1.5, 1.0), standard_errors)
    }

    #[test]
    fn paths_that_are_not_what_they_should_be_are_not_trusted() {
        assert!(trusted(&[row(3.9), row(-3.9)]).is_ok());
        for wrong in [4.1, -17.0, f64::NAN] {
            let Err(Failure::Untrusted(told)) = trusted(&[row(0.1), row(wrong)]) else {
                panic!("{wrong} is trusted")
            };
            let told = told.to_string();
            assert!(
                told.contains("mean of S_T/S_0: 1.5 simulated, 1 in closed form") && told.contains("--paths"),
                "{told}"
            );
        }
    }
}
