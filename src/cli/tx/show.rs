//! `keeper tx show`: everything that the journal has of one transaction.

use std::process::ExitCode;
use std::str::FromStr;

use alloy::primitives::B256;
use clap::Args;
use eyre::{WrapErr, eyre};
use serde::Serialize;
use serde_json::Value;

use super::entry::{self, Entry, seconds_since};
use crate::cli::output::{Row, grid, table};
use crate::cli::{Context, Failure, Outcome, clock};
use crate::journal::{EventRecord, IntentEntry, Journal, JournalError};

/// Everything that the journal has of one transaction; also while the keeper runs, and without a network.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  keeper tx show 12\n  keeper tx show nonce:7\n  keeper tx show 0x…")]
pub(super) struct Show {
    /// Number of an intent, `nonce:` and a nonce, or the hash of any of its transactions.
    #[arg(value_name = "INTENT|nonce:NONCE|HASH")]
    which: Which,
}

/// What a person calls a transaction by.
#[derive(Debug, Clone, Copy)]
enum Which {
    Intent(i64),
    Nonce(u64),
    Transaction(B256),
}

impl FromStr for Which {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let nonce = text.strip_prefix("nonce:").map(|nonce| nonce.parse().map(Self::Nonce).ok());
        let found = nonce.unwrap_or_else(|| {
            let intent = text.parse().map(Self::Intent).ok();
            intent.or_else(|| text.parse().map(Self::Transaction).ok())
        });
        found.ok_or_else(|| "expected the number of an intent, nonce:NUMBER, or a hash".to_owned())
    }
}

/// One intent with its history.
#[derive(Serialize)]
struct Printed {
    #[serde(flatten)]
    entry: Entry,
    /// Numbers of the other intents of its nonce; one of them all takes effect.
    shares_nonce_with: Vec<String>,
    /// What happened to it, oldest first.
    events: Vec<Event>,
}

#[derive(Serialize)]
struct Event {
    state: &'static str,
    /// Wall-clock time of the record, seconds since 1970.
    recorded_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    block_hash: Option<B256>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fee_wei: Option<String>,
    detail: Value,
}

impl Show {
    pub(super) async fn run(&self, context: &Context) -> Outcome {
        let (config, journal) = entry::journal(context).await?;
        let found = find(&journal, self.which).await.wrap_err("nothing can be shown")?;
        if found.is_empty() {
            return Err(Failure::usage(eyre!(
                "{}; `keeper tx list` shows what there is",
                missing(self.which)
            )));
        }
        let mut printed = Vec::new();
        for intent in found {
            let (others, events) = beside(&journal, &intent).await.wrap_err("nothing can be shown")?;
            let entry = entry::of(&journal, &config, intent).await.wrap_err("nothing can be shown")?;
            printed.push(Printed { entry, shares_nonce_with: others, events });
        }
        context.output.show(&printed, |all| all.iter().map(text).collect::<Vec<_>>().join("\n\n"))?;
        Ok(ExitCode::SUCCESS)
    }
}

async fn find(journal: &Journal, which: Which) -> Result<Vec<IntentEntry>, JournalError> {
    match which {
        Which::Intent(number) => Ok(journal.intent(number.into()).await?.into_iter().collect()),
        Which::Nonce(nonce) => journal.intents_of_nonce(nonce).await,
        Which::Transaction(hash) => Ok(journal.intent_of(hash).await?.into_iter().collect()),
    }
}

fn missing(which: Which) -> String {
    match which {
        Which::Intent(number) => format!("there is no intent {number} in the journal"),
        Which::Nonce(nonce) => format!("no intent in the journal has nonce {nonce}"),
        Which::Transaction(hash) => format!("the journal has no transaction {hash}"),
    }
}

/// The other intents of its nonce, and what happened to it.
async fn beside(journal: &Journal, intent: &IntentEntry) -> Result<(Vec<String>, Vec<Event>), JournalError> {
    let record = &intent.record;
    let slot = journal.slot(record.chain_id, record.sender, record.nonce).await?;
    let all = slot.into_iter().flat_map(|slot| slot.intents);
    let others = all.filter(|other| other.id != intent.id).map(|other| other.id.to_string()).collect();
    let events = journal.history(intent.id).await?.into_iter().map(event).collect();
    Ok((others, events))
}

fn event((recorded_at, event): (i64, EventRecord)) -> Event {
    let EventRecord { state, detail, block_hash, fee } = event;
    Event { state: state.name(), recorded_at, block_hash, fee_wei: fee.map(|fee| fee.to_string()), detail }
}

fn text(printed: &Printed) -> String {
    let entry = &printed.entry;
    let mut rows: Vec<Row> = vec![
        ("intent", entry.intent.clone()),
        ("nonce", format!("{} of {} on chain {}", entry.nonce, entry.sender, entry.chain_id)),
        ("state", entry.state.to_owned()),
        ("urgency", entry.urgency.to_owned()),
        ("vault", entry.vault.clone()),
        ("decided at block", entry.decision_block.clone()),
        ("age", entry.age()),
        ("deadline (chain time)", entry.deadline.clone()),
    ];
    if !printed.shares_nonce_with.is_empty() {
        rows.push(("shares its nonce with", format!("intent {}", printed.shares_nonce_with.join(", "))));
    }
    if let (Some(waits_for), Some(what_to_do)) = (entry.waits_for, &entry.what_to_do) {
        rows.push(("waits for", waits_for.to_owned()));
        rows.push(("what you can do", what_to_do.clone()));
    }
    format!("{}\n\n{}\n\n{}", table(rows), attempts(entry), events(&printed.events))
}

fn attempts(entry: &Entry) -> String {
    let rows = entry.attempts.iter().map(|attempt| {
        let signed =
            [attempt.kind, &attempt.max_fee_gwei, &attempt.tip_gwei, &attempt.gas_limit].map(str::to_owned);
        let rest = [attempt.class.clone(), attempt.signed_at_block.clone(), attempt.hash.to_string()];
        signed.into_iter().chain(rest).collect()
    });
    let headings =
        ["attempt", "cap (gwei)", "tip (gwei)", "gas limit", "class", "signed at block", "transaction"];
    grid(&headings, rows.collect())
}

fn events(events: &[Event]) -> String {
    let rows = events.iter().map(|event| {
        let ago = format!("{} ago", clock::span(seconds_since(event.recorded_at)));
        let (fee, detail) = (event.fee_wei.clone().unwrap_or_default(), event.detail.to_string());
        vec![ago, event.state.to_owned(), detail, fee]
    });
    grid(&["when", "event", "what", "fee (wei)"], rows.collect())
}
