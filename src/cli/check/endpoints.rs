//! Nodes: that they answer, for the right chain, at its head, and how facts can be read through them.

use alloy::primitives::Address;

use crate::chain::{At, ChainError, Endpoint, Header};
use crate::cli::clock::span;
use crate::cli::connect::{endpoint_name, reach};
use crate::config::{self, ChainConfig, EndpointClass, Environment};
use crate::domain::policy::ChainKind;
use crate::protocols::multicall::MULTICALL3;
use crate::protocols::{Ask, ReadError, snapshot_reader};
use crate::reader::Mode;

use super::account::unusable;
use super::finding::Finding;
use super::health;
use super::rollup;

/// A head older than this is one of a node or chain that stands still.
const OLD_HEAD_SECONDS: u64 = 120;
/// A head further ahead of this machine's clock than this means that the clock is wrong.
const EARLY_HEAD_SECONDS: u64 = 30;

/// What the checks of a chain's vaults read through.
pub(super) struct Reached {
    /// The endpoint that the keeper would use.
    pub(super) endpoint: Endpoint,
    /// Its newest header: every read is made at this block.
    pub(super) header: Header,
    /// How facts can be read through it.
    pub(super) mode: Mode,
}

/// Looks at every endpoint of a chain; the first that can be used is the one to read through. `now` is the wall clock
/// in seconds since 1970.
pub(super) async fn check(
    chain: &ChainConfig,
    environment: &Environment,
    now: u64,
) -> (Option<Reached>, Vec<Finding>) {
    let (mut first, mut findings) = (None, Vec::new());
    let public = |endpoint: &config::Endpoint| matches!(endpoint.class, EndpointClass::Public { .. });
    for (number, endpoint) in chain.endpoints.iter().enumerate().filter(|(_, endpoint)| public(endpoint)) {
        let name = endpoint_name(chain, number);
        match connected(chain, (number, endpoint), environment).await {
            Err(finding) => findings.push(finding),
            Ok((endpoint, header)) => {
                findings.push(head(&name, header.timestamp, now));
                let (mode, found) = look(chain, &name, &endpoint, &header).await;
                findings.extend(found);
                first = first.or(mode.map(|mode| Reached { endpoint, header, mode }));
            }
        }
    }
    findings.extend(health::check(chain, environment).await);
    if first.is_none() {
        let what = format!(
            "none of the endpoints of chain `{}` can be used; its vaults were not looked at",
            chain.name
        );
        findings.push(Finding::error("endpoint", what, "give the chain an endpoint that answers"));
    }
    (first, findings)
}

async fn connected(
    chain: &ChainConfig,
    (number, endpoint): (usize, &config::Endpoint),
    environment: &Environment,
) -> Result<(Endpoint, Header), Finding> {
    let url = endpoint.url(&chain.name, environment).map_err(|error| unusable("endpoint", &error))?;
    let endpoint = reach(chain, number, &url).await.map_err(|error| refused(&error))?;
    let header = endpoint.latest_header().await.map_err(|error| refused(&error))?;
    Ok((endpoint, header))
}

/// One endpoint of several that is down does not stop the keeper; one of another chain does.
fn refused(error: &ChainError) -> Finding {
    let what = error.to_string();
    match error {
        ChainError::WrongChainId { .. } | ChainError::BadUrl { .. } => {
            Finding::error("chain_id", what, "correct `endpoints` or `id` of the chain in the configuration")
        }
        ChainError::Timeout { .. }
        | ChainError::Connection { .. }
        | ChainError::Http { .. }
        | ChainError::Rpc { .. }
        | ChainError::OverridesRefused { .. }
        | ChainError::BadResponse { .. }
        | ChainError::RateLimited { .. }
        | ChainError::NoVerdict { .. } => {
            Finding::warning("endpoint", what, "check the node; the keeper goes on with the next endpoint")
        }
    }
}

/// What a connected endpoint can do; no mode where facts cannot be read through it.
async fn look(
    chain: &ChainConfig,
    name: &str,
    endpoint: &Endpoint,
    header: &Header,
) -> (Option<Mode>, Vec<Finding>) {
    let mut findings = vec![base_fee(name, header, chain.kind)];
    if chain.finality == config::Finality::Finalized {
        let finalized = endpoint.finalized_header().await;
        findings.push(finality(name, finalized.map(|finalized| finalized.number), header.number));
    }
    let (mode, finding) = reading(name, endpoint, header).await;
    findings.push(finding);
    findings.push(rollup::declared(name, endpoint, header).await);
    (mode.filter(|_| header.next_base_fee(chain.kind).is_some()), findings)
}

async fn reading(name: &str, endpoint: &Endpoint, header: &Header) -> (Option<Mode>, Finding) {
    let nothing = Ask { vault: Some(Address::ZERO), ..Ask::default() };
    match snapshot_reader::read(endpoint, header.hash, &nothing).await {
        Ok(_) => (
            Some(Mode::Auto),
            Finding::ok("reading", format!("{name} takes code overrides: one call reads it all")),
        ),
        Err(ReadError::Chain(ChainError::OverridesRefused { message, .. })) => {
            match endpoint.code(MULTICALL3, At::Hash(header.hash)).await {
                Ok(code) => fallback(name, &message, !code.is_empty()),
                Err(error) => (None, Finding::unread("reading", &error)),
            }
        }
        Err(error) => (None, Finding::unread("reading", &error)),
    }
}

fn fallback(name: &str, refusal: &str, deployed: bool) -> (Option<Mode>, Finding) {
    let what = format!("{name} takes no code overrides ({refusal})");
    if deployed {
        let what = format!("{what}; Multicall3 reads instead, in two calls");
        return (Some(Mode::Multicall), Finding::ok("reading", what));
    }
    let what = format!("{what}, and there is no Multicall3 at {MULTICALL3}");
    (None, Finding::error("reading", what, "use a provider that takes state overrides in eth_call"))
}

fn head(name: &str, timestamp: u64, now: u64) -> Finding {
    let (behind, ahead) = (now.saturating_sub(timestamp), timestamp.saturating_sub(now));
    if ahead > EARLY_HEAD_SECONDS {
        let what = format!("the head of {name} is {} ahead of this machine's clock", span(ahead));
        return Finding::warning("head", what, "set the clock (NTP)");
    }
    let what = format!("{name} answers; its head is {} old", span(behind));
    if behind > OLD_HEAD_SECONDS {
        return Finding::warning("head", what, "check that the node is in sync and the chain moves");
    }
    Finding::ok("head", what)
}

fn base_fee(name: &str, header: &Header, kind: ChainKind) -> Finding {
    match header.next_base_fee(kind) {
        Some(fee) => Finding::ok("base_fee", format!("the next block of {name} costs {fee} wei per gas")),
        None => Finding::error(
            "base_fee",
            format!("the head of {name}: {}", header.base_fee_fault(kind).unwrap_or_default()),
            "correct `kind` of the chain in the configuration; use a node that tells whole headers",
        ),
    }
}

/// Without a finalized block nothing that was sent ever counts as done.
fn finality(name: &str, finalized: Result<u64, ChainError>, head: u64) -> Finding {
    let remedy = "use another node, or `finality = { depth = N }`";
    match finalized {
        Err(error) => Finding::warning("finality", format!("{name} has no finalized block: {error}"), remedy),
        Ok(finalized) => {
            let depth = head.saturating_sub(finalized);
            Finding::ok("finality", format!("{name} has finalized block {finalized}, {depth} below its head"))
        }
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::B256;

    use super::super::finding::Level;
    use super::*;

    #[test]
    fn a_head_that_is_old_or_early_is_a_warning() {
        assert_eq!(head("a-1", 1_000, 1_120).level, Level::Ok);
        assert_eq!(head("a-1", 1_000, 1_121).level, Level::Warning);
        assert_eq!(head("a-1", 1_030, 1_000).level, Level::Ok);
        assert!(head("a-1", 1_031, 1_000).what.contains("31 s ahead of this machine's clock"));
    }

    #[test]
    fn without_overrides_multicall3_must_be_there() {
        let (mode, finding) = fallback("a-1", "too many arguments", true);
        assert_eq!((mode, finding.level), (Some(Mode::Multicall), Level::Ok));
        let (mode, finding) = fallback("a-1", "too many arguments", false);
        assert_eq!((mode, finding.level), (None, Level::Error));
    }

    #[test]
    fn a_wrong_chain_stops_the_keeper_and_one_node_that_is_down_does_not() {
        let wrong = ChainError::WrongChainId { endpoint: "a-1".to_owned(), expected: 1, actual: 5 };
        assert_eq!(refused(&wrong).level, Level::Error);
        let down = ChainError::Timeout { endpoint: "a-1".to_owned(), method: "eth_chainId" };
        assert_eq!(refused(&down).level, Level::Warning);
    }

    #[test]
    fn a_chain_without_base_fee_or_finality_is_told() {
        let head = |base_fee_per_gas| Header {
            number: 1,
            hash: B256::ZERO,
            parent_hash: B256::ZERO,
            timestamp: 1,
            gas_limit: 30_000_000,
            gas_used: 15_000_000,
            base_fee_per_gas,
            blob_gas_used: None,
            extra_data: alloy::primitives::Bytes::new(),
        };
        assert_eq!(base_fee("a-1", &head(None), ChainKind::Ethereum).level, Level::Error);
        assert_eq!(base_fee("a-1", &head(Some(7)), ChainKind::Ethereum).level, Level::Ok);
        // Its header states no parameters.
        assert_eq!(base_fee("a-1", &head(Some(7)), ChainKind::OpStack).level, Level::Error);
        let down = ChainError::Timeout { endpoint: "a-1".to_owned(), method: "eth_getBlockByNumber" };
        assert_eq!(finality("a-1", Err(down), 100).level, Level::Warning);
        assert!(finality("a-1", Ok(36), 100).what.ends_with("block 36, 64 below its head"));
    }
}
