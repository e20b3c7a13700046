//! From configuration to the parts that a command works with.

use std::sync::Arc;
use std::time::Duration;

use alloy::primitives::U256;
use eyre::WrapErr;

use super::{Context, Failure};
use crate::chain::{ChainError, Endpoint, SecretUrl, Timeouts};
use crate::config::{self, ChainConfig, Config, Environment, Secret, VaultConfig};
use crate::execution::{FeeCaps, Finality, SendingConfig};

/// Looks at the chain before an intent that is not mined is parked, at the configured poll interval.
const PATIENCE: u32 = 600;

/// Highest gas limit that is signed: half of an Ethereum block.
const MAX_GAS_LIMIT: u64 = 15_000_000;

/// Loads the configuration.
///
/// # Errors
/// [`Failure::Usage`] with everything that is wrong.
pub(super) fn configuration(context: &Context) -> Result<Config, Failure> {
    Config::load(&context.config).map_err(Failure::usage)
}

/// A vault of the configuration.
///
/// # Errors
/// [`Failure::Usage`] where it is not there.
pub(super) fn vault(context: &Context, name: &str) -> Result<VaultConfig, Failure> {
    configuration(context)?.vault(name).cloned().map_err(Failure::usage)
}

/// The vaults that a command is about: the one named, or all.
///
/// # Errors
/// [`Failure::Usage`] where it is not there.
pub(super) fn vaults<'a>(config: &'a Config, name: Option<&str>) -> Result<Vec<&'a VaultConfig>, Failure> {
    match name {
        None => Ok(config.vaults.iter().collect()),
        Some(name) => Ok(vec![config.vault(name).map_err(Failure::usage)?]),
    }
}

/// The first endpoint of the chain that answers and serves it.
///
/// # Errors
/// [`Failure::Usage`] for a missing secret or a wrong chain id, [`Failure::Failed`] where none answers.
pub(super) async fn connect(
    chain: &ChainConfig,
    environment: &Environment,
) -> Result<Arc<Endpoint>, Failure> {
    let urls = chain.urls(environment).map_err(Failure::usage)?;
    let mut last = None;
    for (number, url) in urls.iter().enumerate() {
        match reach(chain, number, url).await {
            Ok(endpoint) => return Ok(Arc::new(endpoint)),
            Err(error @ (ChainError::WrongChainId { .. } | ChainError::BadUrl { .. })) => {
                return Err(Failure::usage(error));
            }
            Err(error) => {
                tracing::warn!(%error, "endpoint left out");
                last = Some(error);
            }
        }
    }
    let none = || eyre::eyre!("chain `{}` has no endpoint", chain.name);
    let error = last.map_or_else(none, eyre::Report::from);
    Err(error.wrap_err(format!("no endpoint of chain `{}` can be used", chain.name)).into())
}

/// Connects to one endpoint of the chain; `number` is its place in the list.
///
/// # Errors
/// The failure of the call.
pub(super) async fn reach(chain: &ChainConfig, number: usize, url: &Secret) -> Result<Endpoint, ChainError> {
    let name = endpoint_name(chain, number);
    let timeout = Duration::from_millis(chain.request_timeout_ms);
    let url = SecretUrl::parse(url.expose())?;
    Ok(Endpoint::connect(&name, url, chain.id, timeouts(timeout)).await?.of_kind(chain.kind))
}

/// What an endpoint is called in messages: its chain and its place in the list, from 1.
pub(super) fn endpoint_name(chain: &ChainConfig, number: usize) -> String {
    format!("{}-{}", chain.name, number.saturating_add(1))
}

/// An endpoint that is given on the command line, for reading.
///
/// # Errors
/// [`Failure::Usage`] for a URL that is none, [`Failure::Failed`] where it does not answer.
pub(super) async fn open(url: &str) -> Result<Endpoint, Failure> {
    let url = SecretUrl::parse(url).map_err(Failure::usage)?;
    let endpoint = Endpoint::discover("--rpc", url, timeouts(Duration::from_secs(10))).await;
    Ok(endpoint.wrap_err("the endpoint cannot be used")?)
}

const fn timeouts(request: Duration) -> Timeouts {
    Timeouts { connect: request, request }
}

/// Limits and patience of the sender, from the configuration of keeper and chain, which allows no margin that does not
/// fit.
pub(super) fn sending(sending: &config::SendingConfig, chain: &ChainConfig) -> SendingConfig {
    SendingConfig {
        fees: FeeCaps {
            max_fee_per_gas: sending.max_fee_per_gas_wei,
            min_tip: sending.min_priority_fee_wei,
            max_tip: sending.max_priority_fee_wei,
            max_per_transaction: U256::from(sending.max_transaction_cost_wei),
            max_per_day: U256::from(sending.max_daily_cost_wei),
        },
        gas_margin_bps: u16::try_from(sending.gas_limit_margin_percent.saturating_mul(100))
            .unwrap_or(u16::MAX),
        max_gas_limit: MAX_GAS_LIMIT,
        data_fee_margin_bps: u16::try_from(sending.data_fee_margin_percent.saturating_mul(100))
            .unwrap_or(u16::MAX),
        finality: match chain.finality {
            config::Finality::Depth(depth) => Finality::Depth(depth),
            config::Finality::Finalized => Finality::Finalized,
        },
        poll_interval: Duration::from_millis(chain.poll_interval_ms),
        max_polls: PATIENCE,
    }
}
