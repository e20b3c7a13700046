//! `keeper status --calibration`: what rebalances were predicted to cost against what they did cost.

use std::process::ExitCode;

use alloy::primitives::Address;
use clap::Args;
use eyre::WrapErr;
use serde::Serialize;

use super::super::connect::connect;
use super::super::output::grid;
use super::super::{Context, Failure, Outcome};
use crate::calibration::{Calibration, Compared, Past, Range, Spread, Subject, calibrate, past};
use crate::config::VaultConfig;
use crate::journal::Journal;

/// Which blocks are looked at.
#[derive(Debug, Args)]
pub(super) struct Blocks {
    /// How many of the newest blocks.
    #[arg(long, value_name = "N", requires = "calibration", conflicts_with_all = ["from", "to"],
        value_parser = clap::value_parser!(u64).range(1..))]
    blocks: Option<u64>,
    /// First block.
    #[arg(long, value_name = "BLOCK", requires = "calibration")]
    from: Option<u64>,
    /// Last block; the newest where absent.
    #[arg(long, value_name = "BLOCK", requires = "calibration")]
    to: Option<u64>,
}

/// Blocks that are looked at where nothing is said: a week of Ethereum.
const BLOCKS: u64 = 50_400;

/// One vault as printed.
#[derive(Serialize)]
struct Printed<'a> {
    vault: &'a str,
    address: Address,
    chain: &'a str,
    from: String,
    to: String,
    #[serde(flatten)]
    calibration: Calibration,
    /// Oldest first.
    past: Vec<Past>,
}

impl Blocks {
    /// Compares and prints.
    pub(super) async fn run(
        &self,
        context: &Context,
        vaults: &[&VaultConfig],
        journal: Option<&Journal>,
    ) -> Outcome {
        let mut printed = Vec::new();
        for vault in vaults {
            printed.push(self.read(context, vault, journal).await?);
        }
        context.output.show(&printed, |all| all.iter().map(text).collect::<Vec<_>>().join("\n\n"))?;
        Ok(ExitCode::SUCCESS)
    }

    async fn read<'a>(
        &self,
        context: &Context,
        vault: &'a VaultConfig,
        journal: Option<&Journal>,
    ) -> Result<Printed<'a>, Failure> {
        let endpoint = connect(&vault.chain, &context.environment).await?;
        let head = endpoint.latest_header().await.wrap_err("the newest block cannot be read")?;
        let range = self.range(head.number)?;
        let subject =
            Subject { vault: vault.address, policies: &vault.policies, endpoint: &endpoint, journal };
        let past = past(&subject, range).await;
        let past = past.wrap_err_with(|| format!("vault `{}` cannot be looked back on", vault.name))?;
        Ok(Printed {
            vault: &vault.name,
            address: vault.address,
            chain: &vault.chain.name,
            from: range.from.to_string(),
            to: range.to.to_string(),
            calibration: calibrate(&past),
            past,
        })
    }

    fn range(&self, head: u64) -> Result<Range, Failure> {
        let to = self.to.unwrap_or(head).min(head);
        let back = self.blocks.unwrap_or(BLOCKS).saturating_sub(1);
        let from = self.from.unwrap_or_else(|| to.saturating_sub(back));
        if from > to {
            let wrong = eyre::eyre!("--from {from} is after --to {to}: give the first block, then the last");
            return Err(Failure::usage(wrong));
        }
        Ok(Range { from, to })
    }
}

fn text(vault: &Printed<'_>) -> String {
    let Calibration { rebalances, from_chain, from_journal, unknown, gas, venues, suggested } =
        &vault.calibration;
    let mut text = format!(
        "{} ({} on {}), blocks {} to {}\n{rebalances} rebalances: {from_chain} compared on the chain, {from_journal} with \
         the journal, {unknown} not compared",
        vault.vault, vault.address, vault.chain, vault.from, vault.to
    );
    let mut rows = Vec::new();
    if let Some(gas) = gas {
        rows.push(row("gas (units)", gas.count, gas.units, None));
        rows.push(row("gas", gas.count, gas.usd, Some(gas.bps)));
    }
    rows.extend(
        venues.iter().map(|venue| row(&venue.pool.to_string(), venue.count, venue.usd, Some(venue.bps))),
    );
    if !rows.is_empty() {
        let headings = ["realised − predicted", "count", "bias", "spread", "bias (bps)", "spread (bps)"];
        text.push_str(&format!("\n\n{}", grid(&headings, rows)));
    }
    let constants = [
        ("gas.rebalance_units", suggested.rebalance_units.map(|units| units.to_string())),
        ("gas.swap_units", suggested.swap_units.map(|units| units.to_string())),
        ("execution.cost_margin", suggested.cost_margin.as_ref().map(|margin| format!("\"{margin}\""))),
    ];
    let said: Vec<String> =
        constants.into_iter().filter_map(|(key, value)| Some(format!("{key} = {}", value?))).collect();
    if !said.is_empty() {
        text.push_str(&format!("\n\nthe policy would predict better with {}", said.join(", ")));
    }
    for left_out in vault.past.iter().filter_map(left_out) {
        text.push_str(&format!("\n{left_out}"));
    }
    text
}

fn row(what: &str, count: usize, first: Spread, second: Option<Spread>) -> Vec<String> {
    let shown = |value: f64| format!("{value:.4}");
    let second = second
        .map_or_else(|| [String::new(), String::new()], |spread| [shown(spread.bias), shown(spread.spread)]);
    let [bias, spread] = second;
    vec![what.to_owned(), count.to_string(), shown(first.bias), shown(first.spread), bias, spread]
}

fn left_out(past: &Past) -> Option<String> {
    match &past.compared {
        Compared::Known(_) => None,
        Compared::Unknown { why } => {
            Some(format!("block {}, {}: not compared: {why}", past.block, past.transaction))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(blocks: Option<u64>, from: Option<u64>, to: Option<u64>) -> Blocks {
        Blocks { blocks, from, to }
    }

    #[test]
    fn the_range_ends_at_the_head_and_begins_where_it_is_told() {
        let range = |which: Blocks, head| which.range(head).map(|range| (range.from, range.to)).ok();
        assert_eq!(range(blocks(None, None, None), 100), Some((0, 100)));
        assert_eq!(range(blocks(None, None, None), 60_000), Some((9_601, 60_000)));
        assert_eq!(range(blocks(Some(10), None, None), 100), Some((91, 100)));
        assert_eq!(range(blocks(None, Some(7), Some(9)), 100), Some((7, 9)));
        assert_eq!(range(blocks(None, Some(7), Some(900)), 100), Some((7, 100)));
        assert_eq!(range(blocks(None, Some(9), Some(7)), 100), None);
    }
}
