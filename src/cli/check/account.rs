//! The signer: that its key is there, its nonce is the keeper's own, and its balance lasts.

use alloy::primitives::{Address, U256};

use crate::chain::{At, ChainError};
use crate::config::ConfigError;
use crate::domain::units::from_raw;
use crate::execution::{FeeQuote, Reckoned, Refusal, SendingConfig};
use crate::journal::Journal;
use crate::signers::SignerError;

use super::endpoints::Reached;
use super::finding::Finding;

/// A signer on one chain.
#[derive(Debug, Clone, Copy)]
pub(super) struct Account {
    pub(super) address: Address,
    /// What one rebalance needs.
    pub(super) reckoned: Reckoned,
}

/// What the chain and the journal say of an account's nonce.
#[derive(Debug, Clone, Copy)]
struct Nonces {
    /// The next one by the journal; absent where it never signed.
    journal: Option<u64>,
    /// The next one at the head.
    latest: u64,
    /// The next one with what waits in the node's pool.
    pending: u64,
    /// Intents that are not final.
    open: u64,
}

/// Whether a signer's key can be used.
pub(super) fn secret(account: Result<&Address, &SignerError>) -> Finding {
    match account {
        Ok(address) => Finding::ok("key", format!("its key is there; its account is {address}")),
        Err(SignerError::Config(error)) => unusable("key", error),
        Err(error @ SignerError::NotBuilt { .. }) => {
            Finding::error("key", error.to_string(), "use a keeper that was built with the feature")
        }
        Err(error @ (SignerError::Failed { .. } | SignerError::TimedOut { .. })) => {
            Finding::error("key", error.to_string(), "docs/signers.md says what each kind of signer needs")
        }
    }
}

/// A secret that is missing or wrong.
pub(super) fn unusable(check: &'static str, error: &ConfigError) -> Finding {
    if let ConfigError::MissingSecret { variable, wanted_by } = error {
        let what = format!("{variable} is not set, and {wanted_by} needs it");
        return Finding::error(check, what, "export it or put it in .env; .env.example shows how");
    }
    Finding::error(check, error.to_string(), "correct what the configuration or the environment says")
}

/// Looks at an account on its chain.
pub(super) async fn check(
    reached: &Reached,
    account: Account,
    sending: &SendingConfig,
    journal: Option<&Journal>,
) -> Vec<Finding> {
    let (endpoint, at) = (&reached.endpoint, At::Hash(reached.header.hash));
    let mut findings = match endpoint.balance(account.address, at).await {
        Ok(balance) => {
            funds(balance, account, sending, reached.header.next_base_fee(reached.endpoint.kind()))
        }
        Err(error) => vec![Finding::unread("balance", &error)],
    };
    findings.push(match nonces(reached, account.address, journal).await {
        Ok(nonces) => nonce(nonces),
        Err(finding) => finding,
    });
    findings
}

async fn nonces(reached: &Reached, account: Address, journal: Option<&Journal>) -> Result<Nonces, Finding> {
    let (endpoint, unread) = (&reached.endpoint, |error: ChainError| Finding::unread("nonce", &error));
    let at = At::Hash(reached.header.hash);
    let latest = endpoint.transaction_count(account, at).await.map_err(unread)?;
    let pending = endpoint.transaction_count(account, At::Pending).await.map_err(unread)?;
    let Some(journal) = journal else { return Ok(Nonces { journal: None, latest, pending, open: 0 }) };
    let chain_id = endpoint.chain_id();
    let recorded = async {
        let next = journal.next_nonce(chain_id, account).await?;
        Ok::<_, crate::journal::JournalError>((next, journal.open_intents(chain_id, account).await?))
    };
    let remedy = "see what is said about the journal";
    let (next, open) = recorded.await.map_err(|error| Finding::error("nonce", error.to_string(), remedy))?;
    let open = u64::try_from(open.len()).unwrap_or(u64::MAX);
    Ok(Nonces { journal: next, latest, pending, open })
}

fn nonce(nonces: Nonces) -> Finding {
    let Nonces { journal, latest, pending, open } = nonces;
    let expected = journal.unwrap_or(latest);
    let own_key = "give the keeper a key that nothing else uses, or the journal that belongs to this key";
    if latest > expected {
        let what =
            format!("the chain is at nonce {latest}, the journal at {expected}: something else signed");
        return Finding::error("nonce", what, own_key);
    }
    if pending > expected {
        let what = format!("transactions up to nonce {pending} wait that the journal does not know");
        return Finding::error("nonce", what, own_key);
    }
    if latest.saturating_add(open) < expected {
        let what = format!("the node is at nonce {latest}, the journal at {expected}");
        return Finding::warning(
            "nonce",
            what,
            "the node lags or the chain was reorganised: wait, or use another",
        );
    }
    Finding::ok("nonce", format!("its next nonce is {expected}"))
}

/// Whether the caps let a rebalance through at today's price, and how many the balance pays for.
fn funds(
    balance: U256,
    account: Account,
    sending: &SendingConfig,
    next_base_fee: Option<u64>,
) -> Vec<Finding> {
    let Some(next_base_fee) = next_base_fee else { return Vec::new() };
    let reckoned = account.reckoned;
    let fees = sending.quoted(next_base_fee, reckoned);
    let now = fees.as_ref().ok().map(|fees| sending.locked_up(fees.max_fee_per_gas, reckoned));
    let at_caps = sending.locked_up_at_caps(reckoned);
    vec![fee_caps(&fees), runway(balance, (now.unwrap_or(at_caps), at_caps), sending.runway)]
}

fn fee_caps(fees: &Result<FeeQuote, Refusal>) -> Finding {
    match fees {
        Ok(fees) => {
            let what = format!("a rebalance would be sent at up to {} wei per gas", fees.max_fee_per_gas);
            Finding::ok("fee_caps", what)
        }
        Err(refusal) => {
            let remedy = "wait for cheaper gas, or raise the caps in [sending]";
            Finding::warning("fee_caps", format!("nothing would be sent now: {refusal}"), remedy)
        }
    }
}

/// `now` and `cap` are what one rebalance locks up today and at the caps, in wei; `wanted` is how many at the caps the balance
/// should pay for.
fn runway(balance: U256, (now, cap): (U256, U256), wanted: u32) -> Finding {
    let lasts = |each: U256| balance.checked_div(each).unwrap_or(U256::MAX);
    let (today, capped) = (lasts(now), lasts(cap));
    let what = format!(
        "its balance of {} pays for {today} rebalances at today's gas price and {capped} at the caps",
        ether(balance)
    );
    let short = cap.saturating_mul(U256::from(wanted)).saturating_sub(balance);
    let remedy = format!("send it {} for {wanted} rebalances at the caps", ether(short));
    if today.is_zero() {
        Finding::error("balance", what, remedy)
    } else if capped < U256::from(wanted) {
        Finding::warning("balance", what, remedy)
    } else {
        Finding::ok("balance", what)
    }
}

pub(super) fn ether(wei: U256) -> String {
    from_raw(wei, 18).map_or_else(|_| format!("{wei} wei"), |coins| format!("{} ether", coins.normalize()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::finding::Level;
    use super::*;
    use crate::execution::{ClassPolicy, FeeCaps, Finality, Patience};

    const GWEI: u128 = 1_000_000_000;

    fn sending() -> SendingConfig {
        SendingConfig {
            fees: FeeCaps {
                max_fee_per_gas: 500 * GWEI,
                min_tip: GWEI,
                max_tip: 5 * GWEI,
                max_per_transaction: U256::from(100_000_000 * GWEI),
                max_per_day: U256::from(1_000_000_000 * GWEI),
                max_cancel_fee_per_gas: 10_000_000_000_000,
            },
            gas_margin_bps: 2_000,
            max_gas_limit: 15_000_000,
            data_fee_margin_bps: 2_500,
            finality: Finality::Finalized,
            patience: Patience::default(),
            class: ClassPolicy::Public,
            runway: 10,
            poll_interval: Duration::from_secs(1),
            max_polls: 1,
        }
    }

    fn level(journal: Option<u64>, latest: u64, pending: u64, open: u64) -> Level {
        nonce(Nonces { journal, latest, pending, open }).level
    }

    #[test]
    fn the_nonce_is_the_keepers_own_or_the_keeper_stops() {
        assert_eq!(level(None, 4, 4, 0), Level::Ok);
        assert_eq!(level(None, 4, 5, 0), Level::Error);
        assert_eq!(level(Some(7), 7, 7, 0), Level::Ok);
        assert_eq!(level(Some(7), 6, 7, 1), Level::Ok);
        assert_eq!(level(Some(7), 8, 8, 0), Level::Error);
        assert_eq!(level(Some(7), 7, 8, 0), Level::Error);
        assert_eq!(level(Some(7), 6, 6, 0), Level::Warning);
    }

    #[test]
    fn the_runway_is_counted_at_the_price_of_today_and_at_the_caps() {
        // 400,000 gas and a fifth at 2 · 20 + 1 gwei lock up 0.01968 ether; the cap of a transaction is 0.1 ether.
        let account =
            Account { address: Address::ZERO, reckoned: Reckoned { gas: 400_000, beside_gas: U256::ZERO } };
        let found = |milliether: u64| {
            let balance = U256::from(milliether) * U256::from(1_000_000 * GWEI);
            funds(balance, account, &sending(), Some(20_000_000_000))
        };
        let [caps, poor] = found(19).try_into().unwrap();
        assert_eq!(caps.what, "a rebalance would be sent at up to 41000000000 wei per gas");
        assert_eq!(
            (poor.level, poor.remedy.unwrap().as_str()),
            (Level::Error, "send it 0.981 ether for 10 rebalances at the caps")
        );
        let [_, some] = found(500).try_into().unwrap();
        assert_eq!(some.level, Level::Warning);
        assert_eq!(
            some.what,
            "its balance of 0.5 ether pays for 25 rebalances at today's gas price and 5 at the caps"
        );
        assert_eq!(found(1_000).pop().unwrap().level, Level::Ok);
    }

    #[test]
    fn gas_over_the_caps_is_a_warning() {
        let account =
            Account { address: Address::ZERO, reckoned: Reckoned { gas: 400_000, beside_gas: U256::ZERO } };
        let [caps, balance] =
            funds(U256::MAX, account, &sending(), Some(600_000_000_000)).try_into().unwrap();
        assert_eq!(caps.level, Level::Warning);
        assert!(caps.what.starts_with("nothing would be sent now: "), "{}", caps.what);
        assert_eq!(balance.level, Level::Ok);
    }

    #[test]
    fn a_missing_key_names_its_variable() {
        let error = ConfigError::MissingSecret { variable: "KEY".into(), wanted_by: "signer `hot`".into() };
        let finding = secret(Err(&error.into()));
        assert_eq!(
            (finding.level, finding.what.as_str()),
            (Level::Error, "KEY is not set, and signer `hot` needs it")
        );
        assert_eq!(secret(Ok(&Address::ZERO)).level, Level::Ok);
    }
}
