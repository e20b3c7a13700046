//! `keeper pause`: the guardian's brake. It needs no journal and no keeper that runs.

mod key;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use alloy::primitives::B256;
use clap::Args;
use eyre::eyre;
use serde::Serialize;

use super::connect::{configuration, pool, sending};
use super::keys::Keys;
use super::output::Row;
use super::{Context, Failure, Outcome, clock};
use crate::chain::pool::{Lease, Pool};
use crate::chain::{At, CallRequest, ChainError, Header, Simulated};
use crate::config::{ChainConfig, Config, VaultConfig};
use crate::execution::{Harmless, InsistError, Insistence, KeeperKey, SendingConfig};
use crate::protocols::abi::RebalancingVault::State;
use crate::protocols::vaults::rebalancing_vault;

/// Gas that is signed at least: what is not used is not paid.
const LEAST_GAS: u64 = 100_000;

/// Pauses a vault with its guardian's key: buys, deposits and withdrawals stop; sales do not.
///
/// Sends to all public endpoints, and bids more until the vault reads paused at a canonical block. Where it is paused
/// already nothing is sent. It keeps no journal: pausing twice does no harm, so it can be run again at any time.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  keeper pause\n  keeper pause main --signer guardian --json\n\nExit codes: 0 the vault is paused, 1 it \
                  is not, or that cannot be known, 2 the key may not pause it or the configuration is wrong."
)]
pub(super) struct Pause {
    /// Vault of the configuration; not needed where there is one alone.
    #[arg(value_name = "VAULT")]
    vault: Option<String>,
    /// Signer of the configuration with the key of the vault's guardian or owner; the vault's `guardian` where absent.
    #[arg(long, value_name = "NAME")]
    signer: Option<String>,
    /// Seconds after which to give up.
    #[arg(long, value_name = "SECONDS", default_value_t = 900, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    give_up_after: u64,
}

/// The vault as it reads at the end.
#[derive(Serialize)]
struct Printed {
    vault: String,
    /// Block time at which the pause ends by itself, seconds since 1970.
    paused_until: String,
    /// The block at which the vault reads paused.
    block: String,
    block_hash: B256,
    /// Whether it was paused before anything was sent.
    already: bool,
    /// The nonce of what was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<String>,
    /// What was sent, oldest first; one of them at most was mined.
    transactions: Vec<B256>,
}

/// What everything here works with.
struct Scene<'a> {
    config: &'a Config,
    vault: &'a VaultConfig,
    key: KeeperKey,
    sending: SendingConfig,
}

/// What stops it.
enum Stop {
    /// For good.
    Failure(Failure),
    /// Until the next look.
    Unseen(ChainError),
}

impl From<ChainError> for Stop {
    fn from(error: ChainError) -> Self {
        Self::Unseen(error)
    }
}

impl From<InsistError> for Stop {
    fn from(error: InsistError) -> Self {
        match error {
            InsistError::Chain(error) => Self::Unseen(error),
            other @ (InsistError::Key(_) | InsistError::Reverted { .. } | InsistError::Foreign { .. }) => {
                Self::Failure(eyre::Report::from(other).wrap_err("the vault is not paused").into())
            }
        }
    }
}

impl Pause {
    pub(super) async fn run(&self, context: &Context) -> Outcome {
        let config = configuration(context)?;
        let vault = chosen(&config, self.vault.as_deref())?;
        let signer = key::signer(&config, vault, self.signer.as_deref())?;
        let key = Keys::new(context).key(&signer, &vault.chain).await?;
        key::not_a_keepers(context, &config, vault, key.address()).await?;
        let scene = Scene { config: &config, vault, key, sending: sending(&config.sending, &vault.chain) };
        let patience = Duration::from_secs(self.give_up_after);
        let paused = tokio::time::timeout(patience, scene.paused(context)).await;
        let printed = paused.map_err(|_| {
            let wait = clock::span(self.give_up_after);
            eyre!(
                "the vault does not read paused after {wait}; what was sent may still be mined: run it again"
            )
        })??;
        context.output.print(&printed, rows)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The vault of this name, or the only one.
fn chosen<'a>(config: &'a Config, name: Option<&str>) -> Result<&'a VaultConfig, Failure> {
    match (name, config.vaults.as_slice()) {
        (Some(name), _) => config.vault(name).map_err(Failure::usage),
        (None, [only]) => Ok(only),
        (None, several) => {
            let names: Vec<_> = several.iter().map(|vault| vault.name.as_str()).collect();
            Err(Failure::usage(eyre!("name the vault to pause; there are {}", names.join(", "))))
        }
    }
}

impl Scene<'_> {
    /// Looks and sends until the vault reads paused.
    async fn paused(&self, context: &Context) -> Result<Printed, Failure> {
        let chain = &self.vault.chain;
        let pool = Arc::new(opened(context, chain).await?);
        let mut insistence = None;
        loop {
            match self.look(&pool, &mut insistence).await {
                Ok(Some(printed)) => return Ok(printed),
                Ok(None) => {}
                Err(Stop::Failure(failure)) => return Err(failure),
                Err(Stop::Unseen(error)) => tracing::warn!(%error, "looking again"),
            }
            tokio::time::sleep(self.sending.poll_interval).await;
            pool.look().await;
        }
    }

    /// One look at the newest block, and what it asks for.
    async fn look<'p>(
        &'p self,
        pool: &'p Arc<Pool>,
        insistence: &mut Option<Insistence<'p>>,
    ) -> Result<Option<Printed>, Stop> {
        let lease = pool.reader()?;
        let head = lease.latest_header().await?;
        pool.agree(&lease, &head).await?;
        let state = self.state(&lease, &head).await?;
        if state.identity.pausedUntil > head.timestamp {
            return Ok(Some(self.printed(&state, &head, insistence.as_ref())));
        }
        let tended = match insistence.take() {
            Some(tended) => tended,
            None => {
                let call = self.allowed(&lease, &head, &state).await?;
                Insistence::begin(pool, (&self.key, &self.sending.fees), (&lease, &head), call).await?
            }
        };
        insistence.insert(tended).tend(&lease, &head).await?;
        Ok(None)
    }

    async fn state(&self, lease: &Lease, head: &Header) -> Result<State, Stop> {
        let address = self.vault.address;
        let state = rebalancing_vault::state(lease, head.hash, address).await?;
        state.ok_or_else(|| {
            let what = format!("{address} is no vault on chain `{}`", self.vault.chain.name);
            Stop::Failure(Failure::usage(eyre!("{what}: correct `address` or `chain` in the configuration")))
        })
    }

    /// The call, where this key may make it and no keeper counts its nonces.
    async fn allowed(&self, lease: &Lease, head: &Header, state: &State) -> Result<Harmless, Stop> {
        let key = self.key.address();
        let (guardian, owner) = (state.identity.guardian, state.identity.owner);
        if key != guardian && key != owner {
            let what = format!("{key} may not pause it: its guardian is {guardian}, its owner {owner}");
            return Err(Stop::Failure(Failure::usage(eyre!(
                "{what}; name the signer with that key (--signer)"
            ))));
        }
        key::keeps_none(self.config, (lease, head), (self.vault, key)).await?;
        let calldata = rebalancing_vault::pause();
        let request = CallRequest { from: Some(key), to: self.vault.address, data: calldata.clone() };
        let gas = match lease.estimate_gas(&request, At::Pending).await? {
            Simulated::Success(gas) => gas,
            Simulated::Reverted(data) => {
                return Err(Stop::Failure(
                    eyre!("the vault refuses to be paused: it reverts with {data}").into(),
                ));
            }
        };
        let gas_limit = self.sending.gas_limit(gas).max(LEAST_GAS);
        Ok(Harmless { to: self.vault.address, calldata, gas_limit })
    }

    fn printed(&self, state: &State, head: &Header, sent: Option<&Insistence<'_>>) -> Printed {
        let transactions: Vec<_> = sent.iter().flat_map(|sent| sent.transactions()).collect();
        Printed {
            vault: self.vault.name.clone(),
            paused_until: state.identity.pausedUntil.to_string(),
            block: head.number.to_string(),
            block_hash: head.hash,
            already: transactions.is_empty(),
            nonce: sent.map(|sent| sent.nonce().to_string()),
            transactions,
        }
    }
}

/// The endpoints of the chain, as soon as one of them answers.
async fn opened(context: &Context, chain: &ChainConfig) -> Result<Pool, Failure> {
    loop {
        match pool(chain, &context.environment).await {
            Err(Failure::Failed(error)) => tracing::warn!("{error:#}; trying again"),
            opened => return opened,
        }
        tokio::time::sleep(Duration::from_millis(chain.poll_interval_ms)).await;
    }
}

fn rows(printed: &Printed) -> Vec<Row> {
    let until = printed.paused_until.parse().unwrap_or_default();
    let left = clock::span(u64::saturating_sub(until, clock::now()));
    let outcome = if printed.already { "paused already; nothing was sent" } else { "paused" };
    let mut rows = vec![
        ("vault", printed.vault.clone()),
        ("outcome", outcome.to_owned()),
        ("until (block time)", format!("{until}, in {left}")),
        ("seen at block", format!("{} ({})", printed.block, printed.block_hash)),
    ];
    if let Some(nonce) = &printed.nonce {
        let transactions: Vec<_> = printed.transactions.iter().map(B256::to_string).collect();
        rows.push(("nonce", nonce.clone()));
        rows.push(("transactions", transactions.join("\n")));
    }
    rows
}
