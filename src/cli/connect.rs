//! From configuration to the parts that a command works with.

use std::time::Duration;

use alloy::primitives::U256;
use eyre::WrapErr;

use super::{Context, Failure};
use crate::chain::pool::health::Rules;
use crate::chain::pool::{Pool, PoolConfig, RelayMethod, RelaySeat, Seat};
use crate::chain::{ChainError, Credentials, Endpoint, HeadTimes, SecretUrl, Timeouts};
use crate::config::{
    self, ChainConfig, Config, EndpointClass, Environment, Secret, SubmissionPolicy, VaultConfig,
};
use crate::domain::policy::{ChainKind, PublishedPolicy};
use crate::execution::{ClassPolicy, FeeCaps, Finality, Patience, Reckoned, SendingConfig};

/// Looks at the chain that `keeper run --once` waits for an outcome, at the configured poll interval.
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

/// The endpoint of the chain to read through: a healthy one, which a command keeps to its end, and where it is, for programs
/// beside this one.
///
/// # Errors
/// [`Failure::Usage`] for a missing secret or a wrong chain id, [`Failure::Failed`] where none answers or they disagree.
pub(super) async fn connect_at(
    chain: &ChainConfig,
    environment: &Environment,
) -> Result<(Endpoint, Secret), Failure> {
    let pool = pool(chain, environment).await?;
    let lease = pool.reader().wrap_err_with(|| unusable(chain))?;
    let mut all = chain.endpoints.iter().enumerate();
    let chosen = all.find(|(number, _)| endpoint_name(chain, *number) == lease.name());
    let (number, chosen) = chosen.ok_or_else(|| eyre::eyre!(unusable(chain)))?;
    let url = chosen.url(&chain.name, environment).map_err(Failure::usage)?;
    let endpoint = reach(chain, number, &url).await.wrap_err_with(|| unusable(chain))?;
    Ok((endpoint.waiting_out_limits(), url))
}

/// The endpoint of [`connect_at`] alone.
///
/// # Errors
/// As there.
pub(super) async fn connect(chain: &ChainConfig, environment: &Environment) -> Result<Endpoint, Failure> {
    Ok(connect_at(chain, environment).await?.0)
}

/// All endpoints of the chain.
///
/// # Errors
/// [`Failure::Usage`] for a missing secret or where any endpoint serves another chain, [`Failure::Failed`] where none
/// answers.
pub(super) async fn pool(chain: &ChainConfig, environment: &Environment) -> Result<Pool, Failure> {
    let (mut seats, mut relays) = (Vec::new(), Vec::new());
    for (number, endpoint) in chain.endpoints.iter().enumerate() {
        let name = endpoint_name(chain, number);
        let url = endpoint.url(&chain.name, environment).map_err(Failure::usage)?;
        let url = SecretUrl::parse(url.expose()).map_err(Failure::usage)?;
        match &endpoint.class {
            EndpointClass::Public { .. } => {
                let socket = endpoint.socket(&chain.name, environment).map_err(Failure::usage)?;
                let socket = socket.map(|url| SecretUrl::parse_socket(url.expose()));
                seats.push(Seat { name, url, socket: socket.transpose().map_err(Failure::usage)? });
            }
            EndpointClass::Private { method, .. } => {
                let key = endpoint.credentials(&chain.name, environment).map_err(Failure::usage)?;
                let credentials = key.map(Credentials::new);
                relays.push(RelaySeat { name, url, method: relay_method(*method), credentials });
            }
        }
    }
    match Pool::open(pool_config(chain), seats, relays).await {
        Ok(pool) => Ok(pool),
        Err(error @ (ChainError::WrongChainId { .. } | ChainError::BadUrl { .. })) => {
            Err(Failure::usage(error))
        }
        Err(error) => Err(eyre::Report::from(error).wrap_err(unusable(chain)).into()),
    }
}

fn unusable(chain: &ChainConfig) -> String {
    format!("no endpoint of chain `{}` can be used", chain.name)
}

const fn relay_method(method: config::RelayMethod) -> RelayMethod {
    match method {
        config::RelayMethod::PrivateTransaction => RelayMethod::Private,
        config::RelayMethod::Bundle => RelayMethod::Bundle,
        config::RelayMethod::RawTransaction => RelayMethod::Raw,
    }
}

fn pool_config(chain: &ChainConfig) -> PoolConfig {
    let health = &chain.health;
    PoolConfig {
        chain_id: chain.id,
        kind: chain.kind,
        timeouts: timeouts(Duration::from_millis(chain.request_timeout_ms)),
        send: Duration::from_millis(chain.send_timeout_ms),
        rules: Rules {
            max_lag: health.max_lag_blocks,
            agreement_depth: health.agreement_depth,
            failures: health.failures,
            good_looks: health.good_looks,
            quarantine: Duration::from_secs(health.quarantine_seconds),
            ..Rules::default()
        },
    }
}

/// When to look for a head, and when to worry.
pub(super) fn head_times(chain: &ChainConfig) -> HeadTimes {
    let block = chain.block_time();
    HeadTimes {
        poll: Duration::from_millis(chain.poll_interval_ms),
        distrust: block.saturating_add(block.checked_div(2).unwrap_or_default()),
        frozen: chain.frozen_after(),
    }
}

/// Connects to one public endpoint of the chain; `number` is its place in the list.
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
pub(super) async fn open(name: &str, url: &str) -> Result<Endpoint, Failure> {
    let url = SecretUrl::parse(url).map_err(Failure::usage)?;
    let endpoint = Endpoint::discover(name, url, timeouts(Duration::from_secs(30))).await;
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
            max_cancel_fee_per_gas: sending
                .max_cancel_fee_per_gas_wei
                .unwrap_or(sending.max_fee_per_gas_wei.saturating_mul(2)),
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
        patience: Patience {
            bump_after: blocks(chain, sending.bump_after_seconds),
            most_attempts: usize::try_from(sending.max_attempts).unwrap_or(usize::MAX),
            park_after: blocks(chain, sending.park_after_seconds),
            most_in_flight: usize::try_from(sending.max_in_flight).unwrap_or(usize::MAX),
            cool_down: blocks(chain, sending.revert_cooldown_seconds),
        },
        class: match sending.submission {
            SubmissionPolicy::Public => ClassPolicy::Public,
            SubmissionPolicy::Private => ClassPolicy::Private,
            SubmissionPolicy::PrivateThenPublic { blocks } => ClassPolicy::PrivateThenPublic { blocks },
        },
        runway: sending.runway_transactions,
        poll_interval: Duration::from_millis(chain.poll_interval_ms),
        max_polls: PATIENCE,
    }
}

/// So many seconds in blocks of the chain, rounded up.
fn blocks(chain: &ChainConfig, seconds: u64) -> u64 {
    let block = u64::try_from(chain.block_time().as_millis()).unwrap_or(u64::MAX).max(1);
    seconds.saturating_mul(1_000).div_ceil(block)
}

/// What one rebalance under these policies needs at most, as they reckon.
pub(super) fn reckoned<'a>(policies: impl Iterator<Item = &'a PublishedPolicy>) -> Reckoned {
    policies.map(PublishedPolicy::policy).fold(Reckoned::default(), |most, policy| {
        // Arbitrum sells the data as gas, so that its node's estimate holds it.
        let beside = (policy.gas.chain == ChainKind::OpStack).then_some(policy.reserve.exit_data_fee_wei);
        Reckoned {
            gas: most.gas.max(policy.gas.rebalance_units),
            beside_gas: most.beside_gas.max(U256::from(beside.unwrap_or_default())),
        }
    })
}
