//! `keeper band`: the no-trade band on its own.

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::output::Row;
use super::{Context, Failure, Outcome};
use crate::domain::models::band::{Band as Edges, Costs, Drift};
use crate::domain::models::{ModelError, years};

/// The optimal no-trade band for one drift and one cost of trading (model: fixed plus proportional cost).
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  keeper band --variance-rate 1 --penalty 1 --fixed 0.02 --proportional 0.05 --json"
)]
pub(super) struct Band {
    /// Variance rate of the drift, s², in units² per year.
    #[arg(long)]
    variance_rate: f64,
    /// Penalty of holding a drift, c, in USD per unit² and year.
    #[arg(long)]
    penalty: f64,
    /// Cost of any trade, F, in USD.
    #[arg(long)]
    fixed: f64,
    /// Cost per unit traded, κ, in USD.
    #[arg(long)]
    proportional: f64,
    /// Time between two chances to act, in seconds; 0 is continuous.
    #[arg(long, default_value_t = 0)]
    interval_seconds: u64,
}

/// What the command prints.
#[derive(Serialize)]
struct Printed {
    /// Units: a trade goes back to here.
    inner: f64,
    /// Units: at this drift a trade pays.
    outer: f64,
    /// USD per year that the optimal policy costs.
    cost_rate: f64,
}

impl Band {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        let printed = self.solve().map_err(Failure::usage)?;
        context.output.print(&printed, rows)?;
        Ok(ExitCode::SUCCESS)
    }

    fn solve(&self) -> Result<Printed, ModelError> {
        let costs = Costs { fixed: self.fixed, proportional: self.proportional };
        let drift = Drift { variance_rate: self.variance_rate, penalty: self.penalty };
        let band = Edges::solve(costs, drift)?.with_interval(years(self.interval_seconds))?;
        Ok(Printed { inner: band.inner, outer: band.outer, cost_rate: band.cost_rate })
    }
}

fn rows(band: &Printed) -> Vec<Row> {
    vec![
        ("trade back to (units)", band.inner.to_string()),
        ("trade at (units)", band.outer.to_string()),
        ("running cost (USD/year)", band.cost_rate.to_string()),
    ]
}
