//! A transaction of the keeper as it is printed.

use alloy::primitives::{Address, B256, U256};
use serde::Serialize;

use super::standing;
use crate::cli::connect::configuration;
use crate::cli::run::unopened;
use crate::cli::{Context, Failure, clock};
use crate::config::Config;
use crate::domain::units::from_raw;
use crate::journal::{AttemptRecord, IntentEntry, Journal, JournalError, SubmissionClass};

/// One intent: a call, its nonce and everything signed for it.
#[derive(Serialize)]
pub(super) struct Entry {
    pub(super) intent: String,
    pub(super) nonce: String,
    pub(super) state: &'static str,
    pub(super) urgency: &'static str,
    /// Name in the configuration, or the address.
    pub(super) vault: String,
    pub(super) chain_id: String,
    pub(super) sender: Address,
    /// Height of the block that was decided on.
    pub(super) decision_block: String,
    /// Blocks since its first signature, up to the newest block in the journal.
    pub(super) age_blocks: String,
    /// Seconds since its first record by this machine's clock.
    pub(super) age_seconds: String,
    /// Chain time after which the vault refuses it, seconds since 1970.
    pub(super) deadline: String,
    /// Signed transactions, oldest first.
    pub(super) attempts: Vec<Attempt>,
    /// What it waits for; absent where it is final.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) waits_for: Option<&'static str>,
    /// What a person can do; absent where it is final.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) what_to_do: Option<String>,
}

/// A signed transaction.
#[derive(Serialize)]
pub(super) struct Attempt {
    pub(super) kind: &'static str,
    pub(super) hash: B256,
    pub(super) max_fee_gwei: String,
    pub(super) tip_gwei: String,
    pub(super) gas_limit: String,
    /// `public`, or `private` and from which height on it may be public.
    pub(super) class: String,
    /// Height of the head at which it was signed.
    pub(super) signed_at_block: String,
}

/// The configuration and its journal, open for reading.
///
/// # Errors
/// [`Failure::Usage`] where there is none.
pub(super) async fn journal(context: &Context) -> Result<(Config, Journal), Failure> {
    let config = configuration(context)?;
    if !config.journal.exists() {
        let path = config.journal.display();
        return Err(Failure::usage(eyre::eyre!("there is no journal {path} yet: `keeper run` creates it")));
    }
    let journal = Journal::open_read_only(&config.journal).await.map_err(unopened)?;
    Ok((config, journal))
}

/// An intent as it is printed.
///
/// # Errors
/// What the disk or the file does not allow.
pub(super) async fn of(
    journal: &Journal,
    config: &Config,
    intent: IntentEntry,
) -> Result<Entry, JournalError> {
    let record = &intent.record;
    let highest = journal.highest_block(record.chain_id).await?;
    let begun = journal.history(intent.id).await?.first().map(|(at, _)| *at);
    let first = intent.attempts.first().map(|attempt| attempt.signed_at);
    let age = highest.unwrap_or_default().saturating_sub(first.unwrap_or_default());
    let vault = config.vaults.iter().find(|vault| vault.address == record.vault);
    let standing = standing::of(&intent);
    let (waits_for, what_to_do) = standing.map(|standing| (standing.waits_for, standing.what_to_do)).unzip();
    Ok(Entry {
        intent: intent.id.to_string(),
        nonce: record.nonce.to_string(),
        state: intent.last_event.state.name(),
        urgency: record.urgency.name(),
        vault: vault.map_or_else(|| record.vault.to_string(), |vault| vault.name.clone()),
        chain_id: record.chain_id.to_string(),
        sender: record.sender,
        decision_block: intent.decision_block.to_string(),
        age_blocks: age.to_string(),
        age_seconds: seconds_since(begun.unwrap_or_default()).to_string(),
        deadline: record.deadline.to_string(),
        attempts: intent.attempts.iter().map(|attempt| shown(attempt, record.gas_limit)).collect(),
        waits_for,
        what_to_do,
    })
}

fn shown(attempt: &AttemptRecord, gas_limit: u64) -> Attempt {
    Attempt {
        kind: attempt.kind.name(),
        hash: attempt.hash,
        max_fee_gwei: gwei(attempt.max_fee_per_gas),
        tip_gwei: gwei(attempt.max_priority_fee_per_gas),
        gas_limit: attempt.gas_limit.unwrap_or(gas_limit).to_string(),
        class: class(attempt.submission),
        signed_at_block: attempt.signed_at.to_string(),
    }
}

fn class(class: SubmissionClass) -> String {
    match class {
        SubmissionClass::Public => "public".to_owned(),
        SubmissionClass::Private { public_from: None } => "private".to_owned(),
        SubmissionClass::Private { public_from: Some(block) } => {
            format!("private, public from block {block}")
        }
    }
}

/// Wei per gas in gwei, every digit of it.
fn gwei(wei: u128) -> String {
    from_raw(U256::from(wei), 9).map_or_else(|_| format!("{wei} wei"), |gwei| gwei.normalize().to_string())
}

/// Seconds since a time of a record, by this machine's clock.
pub(super) fn seconds_since(time: i64) -> u64 {
    clock::now().saturating_sub(u64::try_from(time).unwrap_or_default())
}

impl Entry {
    /// How old it is, for people.
    pub(super) fn age(&self) -> String {
        let seconds = self.age_seconds.parse().unwrap_or_default();
        format!("{} blocks, {}", self.age_blocks, clock::span(seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fees_are_told_in_gwei_to_the_last_wei() {
        assert_eq!(gwei(41_000_000_000), "41");
        assert_eq!(gwei(1), "0.000000001");
        assert_eq!(gwei(u128::MAX), "340282366920938463463374607431768211455 wei");
    }

    #[test]
    fn a_class_says_from_when_it_may_be_public() {
        assert_eq!(
            class(SubmissionClass::Private { public_from: Some(12) }),
            "private, public from block 12"
        );
        assert_eq!(class(SubmissionClass::Private { public_from: None }), "private");
    }
}
