//! How the endpoints of a chain stand to each other.

use crate::chain::pool::{Pool, Standing, State};
use crate::chain::{ChainError, SecretUrl, try_socket};
use crate::cli::Failure;
use crate::cli::connect::{endpoint_name, pool};
use crate::config::{ChainConfig, EndpointClass, Environment, Secret};

use super::account::unusable;
use super::finding::Finding;

/// Connects to all endpoints of a chain and compares them.
pub(super) async fn check(chain: &ChainConfig, environment: &Environment) -> Vec<Finding> {
    let pool = match pool(chain, environment).await {
        Ok(pool) => pool,
        Err(failure) => return unopened(chain, &failure),
    };
    pool.look().await;
    let standings = pool.standings();
    // One that does not answer is in the list already, with what is wrong.
    let answering = standings.iter().filter(|(_, of)| !matches!(of.state, State::Unreachable { .. }));
    let mut findings: Vec<Finding> =
        answering.map(|(name, standing)| standing_of(name, standing, &pool)).collect();
    findings.extend(pool.ask_relays().await.iter().map(|(name, answer)| relay(name, answer)));
    findings.extend(sockets(chain, environment).await);
    let agreed = pool.reader();
    findings.extend(agreed.err().map(|error| nobody(&error)));
    findings
}

/// What keeps the pool from opening is told of public endpoints one by one; a private one is met here alone.
fn unopened(chain: &ChainConfig, failure: &Failure) -> Vec<Finding> {
    let private = |class: &EndpointClass| matches!(class, EndpointClass::Private { .. });
    if !chain.endpoints.iter().any(|endpoint| private(&endpoint.class)) {
        return Vec::new();
    }
    let (Failure::Usage(report) | Failure::Failed(report) | Failure::Untrusted(report)) = failure;
    vec![Finding::error(
        "relay",
        format!("{report:#}"),
        "correct the private endpoints of the chain in the configuration",
    )]
}

fn standing_of(name: &str, standing: &Standing, pool: &Pool) -> Finding {
    let place = match standing.tip {
        None => String::new(),
        Some(tip) => {
            let behind = pool.best_height().unwrap_or_default().saturating_sub(tip.number);
            format!("; its head is block {}, {behind} behind the best", tip.number)
        }
    };
    let what = format!("{name} is {}{place}", standing.state);
    match standing.state {
        State::Healthy => Finding::ok("health", what),
        State::Lagging { .. }
        | State::Disagreeing { .. }
        | State::Unreachable { .. }
        | State::Quarantined(_)
        | State::Dropped { .. } => {
            Finding::warning("health", what, "check the node; nothing is read from it until it is healthy")
        }
    }
}

/// Where none of them answers private transactions go nowhere.
fn relay(name: &str, answer: &Result<(), ChainError>) -> Finding {
    match answer {
        Ok(()) => {
            Finding::ok("relay", format!("{name} takes private transactions; no public endpoint gets them"))
        }
        Err(error) => {
            let what = format!("the relay {name} does not answer: {error}");
            Finding::warning(
                "relay",
                what,
                "check its address; without a relay private transactions go nowhere",
            )
        }
    }
}

/// Whether new blocks are told where they should be.
async fn sockets(chain: &ChainConfig, environment: &Environment) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, endpoint) in chain.endpoints.iter().enumerate() {
        let name = endpoint_name(chain, number);
        match endpoint.socket(&chain.name, environment) {
            Ok(None) => {}
            Ok(Some(url)) => findings.push(socket(&name, &subscribed(chain, &name, &url).await)),
            Err(error) => findings.push(unusable("socket", &error)),
        }
    }
    findings
}

async fn subscribed(chain: &ChainConfig, name: &str, url: &Secret) -> Result<(), String> {
    let url = SecretUrl::parse_socket(url.expose()).map_err(|error| error.to_string())?;
    try_socket(name, &url, chain.id).await
}

fn socket(name: &str, taken: &Result<(), String>) -> Finding {
    match taken {
        Ok(()) => Finding::ok("socket", format!("{name} tells of new blocks over its WebSocket")),
        Err(reason) => {
            let what = format!("the WebSocket of {name} tells of no blocks: {reason}");
            Finding::warning(
                "socket",
                what,
                "check `ws`; meanwhile new blocks are asked for, which is slower",
            )
        }
    }
}

fn nobody(error: &ChainError) -> Finding {
    Finding::error(
        "health",
        error.to_string(),
        "no decision is made until they agree: find out which is right",
    )
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    #[test]
    fn where_nobody_can_be_believed_the_keeper_cannot_work() {
        let found = nobody(&ChainError::NoVerdict { reason: "`a` is disagreeing".to_owned() });
        assert_eq!(
            (found.level, found.what.as_str()),
            (Level::Error, "no endpoint gives a verdict: `a` is disagreeing")
        );
    }
}
