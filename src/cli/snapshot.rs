//! `keeper snapshot`: the facts of one decision.

use std::process::ExitCode;

use clap::Args;
use eyre::WrapErr;

use super::connect::{connect, vault};
use super::{Context, Failure, Outcome};
use crate::chain::{Endpoint, Header};
use crate::config::VaultConfig;
use crate::domain::canonical;
use crate::domain::policy::PublishedPolicy;
use crate::domain::snapshot::Snapshot as Facts;
use crate::keeper::snapshot_for;
use crate::reader::{Mode, Reader};

/// Every fact that a decision at one block may use, as canonical JSON.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  keeper snapshot --vault main > snapshot.json")]
pub(super) struct Snapshot {
    /// Vault of the configuration.
    #[arg(long, value_name = "NAME")]
    vault: String,
    /// Block number; the newest where absent.
    #[arg(long)]
    block: Option<u64>,
    /// How to read: by code override, by Multicall3, or the first with the second as its fallback.
    #[arg(long, value_enum, default_value_t = Mode::Auto)]
    reader: Mode,
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
        header.ok_or_else(|| eyre::eyre!("block {number} is not on this chain yet"))
    }
}

impl Snapshot {
    pub(super) async fn run(&self, context: &Context) -> Outcome {
        let vault = vault(context, &self.vault)?;
        let (facts, _) = facts(context, &vault, At(self.block), self.reader, None).await?;
        context.output.text(&canonical::json(&facts).wrap_err("the snapshot")?)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Reads the facts of a configured vault, with the policy that applies: `what_if`, or the one whose hash it stores.
pub(super) async fn read(
    context: &Context,
    vault: &str,
    at: At,
    what_if: Option<PublishedPolicy>,
) -> Result<(Facts, PublishedPolicy), Failure> {
    let vault = super::connect::vault(context, vault)?;
    facts(context, &vault, at, Mode::Auto, what_if).await
}

async fn facts(
    context: &Context,
    vault: &VaultConfig,
    at: At,
    mode: Mode,
    what_if: Option<PublishedPolicy>,
) -> Result<(Facts, PublishedPolicy), Failure> {
    let endpoint = connect(&vault.chain, &context.environment).await?;
    let header = at.header(&endpoint).await?;
    let reader = Reader::new(mode);
    let policies = what_if.map_or_else(|| vault.policies.clone(), |policy| vec![policy]);
    let (facts, policy) = snapshot_for(&reader, &endpoint, &header, vault.address, &policies)
        .await
        .wrap_err_with(|| format!("vault `{}` cannot be read at block {}", vault.name, header.number))?;
    Ok((facts, policy.clone()))
}
