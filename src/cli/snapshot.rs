//! `keeper snapshot`: the facts of one decision.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use eyre::WrapErr;

use super::look_back::{Glass, Named, View, published};
use super::{Context, Failure, Outcome};
use crate::chain::{Endpoint, Header};
use crate::domain::canonical;
use crate::domain::policy::PublishedPolicy;
use crate::domain::snapshot::Snapshot as Facts;
use crate::replay::Source;

/// Every fact that a decision at one block may use, as canonical JSON.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  keeper snapshot --vault main > snapshot.json\n  \
    keeper snapshot --vault 0x5FbD… --policy published.json --rpc http://127.0.0.1:8545 --block 21000000")]
pub(super) struct Snapshot {
    /// Vault: a name of the configuration, or an address with --policy and --rpc, for which no configuration is needed.
    #[arg(long, value_name = "VAULT")]
    vault: String,
    /// A published policy, which says what is read; where absent those of the configuration. May be given several times: the one
    /// whose hash the vault stores at the block is in force.
    #[arg(long, value_name = "FILE")]
    policy: Vec<PathBuf>,
    /// Block number; the newest where absent.
    #[arg(long)]
    block: Option<u64>,
    #[command(flatten)]
    glass: Glass,
}

/// Which block: a number, or the newest.
#[derive(Debug, Clone, Copy)]
pub(super) struct At(pub(super) Option<u64>);

impl At {
    /// The header of the block.
    pub(super) async fn header(self, endpoint: &Endpoint) -> eyre::Result<Header> {
        let Some(number) = self.0 else {
            return endpoint.latest_header().await.wrap_err("the newest block cannot be read");
        };
        let header = endpoint.header_by_number(number).await;
        let header = header.wrap_err_with(|| format!("block {number} cannot be read"))?;
        header.ok_or_else(|| not_yet(number))
    }

    /// The header of the block, of which every endpoint of `source` tells the same.
    async fn agreed(self, source: &Source) -> eyre::Result<Header> {
        let Some(number) = self.0 else {
            return source.newest().await.wrap_err("the newest block cannot be read");
        };
        let header = source.header_if_any(number).await;
        let header = header.wrap_err_with(|| format!("block {number} cannot be read"))?;
        header.ok_or_else(|| not_yet(number))
    }
}

fn not_yet(number: u64) -> eyre::Report {
    eyre::eyre!("block {number} is not on this chain yet")
}

impl Snapshot {
    pub(super) async fn run(&self, context: &Context) -> Outcome {
        let policies = published(&self.policy)?;
        let (facts, _) = read(context, (&self.vault, &policies), At(self.block), &self.glass).await?;
        context.output.text(&canonical::json(&facts).wrap_err("the snapshot")?)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Reads the facts of a vault, by its name or its address, with the policy that applies: among those given, and where none is
/// among those of the configuration, the one whose hash it stores, or else the first.
pub(super) async fn read(
    context: &Context,
    (vault, given): (&str, &[PublishedPolicy]),
    at: At,
    glass: &Glass,
) -> Result<(Facts, PublishedPolicy), Failure> {
    let named = Named::of(context, &[vault.to_owned()], given)?;
    let view = glass.view(context, named).await?;
    facts(&view, at).await
}

async fn facts(view: &View, at: At) -> Result<(Facts, PublishedPolicy), Failure> {
    let subject = view.first()?;
    let header = at.agreed(&view.source).await?;
    let (facts, policy) =
        view.source.facts(&header, subject.vault, &subject.policies).await.wrap_err_with(|| {
            format!("vault `{}` cannot be read at block {}", subject.name, header.number)
        })?;
    Ok((facts, policy.clone()))
}
