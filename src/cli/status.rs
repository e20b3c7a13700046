//! `keeper status`: what the journal says the keeper is doing. It needs no network and no secret, and reads while the
//! daemon writes. Only its calibration asks the chain.

mod calibration;

use std::process::ExitCode;

use alloy::primitives::{Address, B256};
use clap::Args;
use eyre::WrapErr;
use serde::Serialize;
use serde_json::Value;

use super::connect::{configuration, vaults};
use super::output::grid;
use super::{Context, Outcome, clock};
use crate::config::VaultConfig;
use crate::domain::decision::Decision;
use crate::journal::{Absence, CycleEntry, IntentEntry, Journal, JournalError, ReasonCount};

/// Why a vault has no decision at a block of another process, which kept others.
const NOT_KEPT: &str = "not_kept";

/// What the keeper is doing and did last, from its journal; also while it runs, and without a network.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  keeper status\n  keeper status --vault main -n 20 --json\n  keeper status --calibration --blocks 50000"
)]
pub(super) struct Status {
    /// Only this vault of the configuration.
    #[arg(long, value_name = "NAME")]
    vault: Option<String>,
    /// How many of each vault's last full records and transactions to show.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    last: u32,
    /// Instead, what rebalances were predicted to cost against what they did cost, by the chain's events and receipts.
    #[arg(long)]
    calibration: bool,
    #[command(flatten)]
    blocks: calibration::Blocks,
}

/// One vault as printed.
#[derive(Serialize)]
struct Printed<'a> {
    vault: &'a str,
    address: Address,
    chain: &'a str,
    /// The last head of the chain that was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    seen: Option<Seen>,
    /// Full records of cycles, newest first. A cycle that decides as the one before has none.
    cycles: Vec<Cycle>,
    /// How often each decision has a full record, the most frequent first.
    reasons: Vec<Reason>,
    /// Transactions that are not final, oldest first.
    open: Vec<Transaction>,
    /// The last transactions whatever became of them, newest first: the first is the last action.
    transactions: Vec<Transaction>,
}

#[derive(Serialize)]
struct Seen {
    block: String,
    block_hash: B256,
    /// Block time, seconds since 1970.
    timestamp: String,
    /// Wall-clock time of the record, seconds since 1970.
    recorded_at: i64,
    orphaned: bool,
    /// Why there was no decision on this vault; absent where there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    absent: Option<&'static str>,
}

#[derive(Serialize)]
struct Cycle {
    block: String,
    block_hash: B256,
    /// Block time, seconds since 1970.
    timestamp: String,
    /// Wall-clock time of the record, seconds since 1970.
    recorded_at: i64,
    orphaned: bool,
    verdict: String,
    code: Option<String>,
    /// The reason for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// What people should hear of besides.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    alerts: Vec<String>,
    policy_hash: B256,
    decision_hash: B256,
    /// What was done with the decision, where it was more than nothing and is not in `transactions`.
    #[serde(skip_serializing_if = "Option::is_none")]
    dispatch: Option<Value>,
}

#[derive(Serialize)]
struct Reason {
    verdict: String,
    code: Option<String>,
    cycles: u64,
    last_block: String,
}

#[derive(Serialize)]
struct Transaction {
    intent: String,
    state: &'static str,
    sender: Address,
    nonce: String,
    decision_block: String,
    decision_hash: B256,
    /// Chain time after which the vault refuses it, seconds since 1970.
    deadline: String,
    gas_limit: String,
    /// Its signed transactions, oldest first.
    attempts: Vec<Attempt>,
    /// What happened last: hash, block, gas and price where it is mined; otherwise what the node said.
    last_event: Value,
    /// Wall-clock time of that, seconds since 1970.
    last_event_at: i64,
    /// Paid for gas where it is final.
    #[serde(skip_serializing_if = "Option::is_none")]
    fee_wei: Option<String>,
}

#[derive(Serialize)]
struct Attempt {
    hash: B256,
    max_fee_per_gas: String,
    max_priority_fee_per_gas: String,
    /// That of a cancel is not its intent's.
    gas_limit: String,
}

impl Status {
    pub(super) async fn run(&self, context: &Context) -> Outcome {
        let config = configuration(context)?;
        let chosen = vaults(&config, self.vault.as_deref())?;
        if !config.journal.exists() && self.calibration {
            return self.blocks.run(context, &chosen, None).await;
        }
        if !config.journal.exists() {
            let path = config.journal.display();
            return Err(eyre::eyre!("there is no journal {path} yet: `keeper run` creates it").into());
        }
        let journal = Journal::open_read_only(&config.journal).await.wrap_err("nothing can be shown")?;
        if self.calibration {
            return self.blocks.run(context, &chosen, Some(&journal)).await;
        }
        let mut printed = Vec::new();
        for vault in chosen {
            printed.push(self.read(&journal, vault).await.wrap_err("nothing can be shown")?);
        }
        let now = clock::now();
        context.output.show(&printed, |all| {
            let texts: Vec<String> = all.iter().map(|vault| text(vault, now)).collect();
            texts.join("\n\n")
        })?;
        Ok(ExitCode::SUCCESS)
    }

    async fn read<'a>(&self, journal: &Journal, vault: &'a VaultConfig) -> Result<Printed<'a>, JournalError> {
        let seen = seen(journal, vault).await?;
        let cycles = journal.recent_cycles(vault.address, self.last).await?;
        let reasons = journal.reasons(vault.address).await?;
        let open = journal.unsettled(vault.address).await?;
        let last = journal.intents(vault.address, self.last).await?;
        Ok(Printed {
            vault: &vault.name,
            address: vault.address,
            chain: &vault.chain.name,
            seen,
            cycles: cycles.into_iter().map(cycle).collect(),
            reasons: reasons.into_iter().map(reason).collect(),
            open: open.into_iter().map(transaction).collect(),
            transactions: last.into_iter().map(transaction).collect(),
        })
    }
}

/// The last head, and whether there was a decision on the vault.
async fn seen(journal: &Journal, vault: &VaultConfig) -> Result<Option<Seen>, JournalError> {
    let Some(block) = journal.newest_block(vault.chain.id).await? else { return Ok(None) };
    let roster = journal.roster(block.roster).await?.map(|entry| entry.roster);
    let kept = roster.is_some_and(|roster| roster.vaults().contains(&vault.address));
    let absent = if kept { block.absences.of(vault.address).map(Absence::name) } else { Some(NOT_KEPT) };
    Ok(Some(Seen {
        block: block.number.to_string(),
        block_hash: block.hash,
        timestamp: block.timestamp.to_string(),
        recorded_at: block.recorded_at,
        orphaned: block.orphaned,
        absent,
    }))
}

fn cycle(entry: CycleEntry) -> Cycle {
    let record = entry.record;
    let decision = serde_json::from_str::<Decision>(&record.decision_json).ok();
    Cycle {
        block: record.block_number.to_string(),
        block_hash: record.block_hash,
        timestamp: record.block_timestamp.to_string(),
        recorded_at: entry.recorded_at,
        orphaned: entry.orphaned,
        verdict: record.verdict,
        code: record.reason,
        reason: decision.as_ref().map(|decision| decision.verdict.reason().to_string()),
        alerts: decision.iter().flat_map(Decision::alerts).map(|alert| alert.to_string()).collect(),
        policy_hash: record.policy_hash,
        decision_hash: record.decision_hash,
        dispatch: record.dispatch.map(|text| serde_json::from_str(&text).unwrap_or(Value::String(text))),
    }
}

fn reason(count: ReasonCount) -> Reason {
    let ReasonCount { verdict, reason, cycles, last_block } = count;
    Reason { verdict, code: reason, cycles, last_block: last_block.to_string() }
}

fn transaction(entry: IntentEntry) -> Transaction {
    let record = entry.record;
    let attempts = entry.attempts.into_iter().map(|attempt| Attempt {
        hash: attempt.hash,
        max_fee_per_gas: attempt.max_fee_per_gas.to_string(),
        max_priority_fee_per_gas: attempt.max_priority_fee_per_gas.to_string(),
        gas_limit: attempt.gas_limit.unwrap_or(record.gas_limit).to_string(),
    });
    Transaction {
        intent: entry.id.to_string(),
        state: entry.last_event.state.name(),
        sender: record.sender,
        nonce: record.nonce.to_string(),
        decision_block: entry.decision_block.to_string(),
        decision_hash: entry.decision_hash,
        deadline: record.deadline.to_string(),
        gas_limit: record.gas_limit.to_string(),
        attempts: attempts.collect(),
        last_event: entry.last_event.detail,
        last_event_at: entry.last_event_at,
        fee_wei: entry.last_event.fee.map(|fee| fee.to_string()),
    }
}

fn text(vault: &Printed<'_>, now: u64) -> String {
    let mut text = format!("{} ({} on {})", vault.vault, vault.address, vault.chain);
    if let Some(seen) = &vault.seen {
        text.push_str(&format!("\nlast block {}", seen_text(seen, now)));
    }
    let Some(last) = vault.cycles.first() else {
        text.push_str(
            "\nno cycle recorded yet: `keeper run` records the first, and each that decides otherwise",
        );
        return text;
    };
    text.push_str(&format!("\nlast full record {}", ago(last.recorded_at, now)));
    for alert in &last.alerts {
        text.push_str(&format!("\nalert: {alert}"));
    }
    let cycles = vault.cycles.iter().map(|cycle| cycle_row(cycle, &vault.transactions));
    section(&mut text, &["block", "verdict", "code", "reason", "done"], cycles.collect());
    let reasons = vault.reasons.iter().map(|reason| {
        let code = reason.code.clone().unwrap_or_default();
        vec![reason.verdict.clone(), code, reason.cycles.to_string(), reason.last_block.clone()]
    });
    section(&mut text, &["verdict", "code", "full records", "last block"], reasons.collect());
    let attempts = vault.open.iter().flat_map(attempt_rows);
    section(
        &mut text,
        &["open intent", "nonce", "attempt", "fee cap (wei)", "gas limit"],
        attempts.collect(),
    );
    let rows = vault.transactions.iter().map(|transaction| transaction_row(transaction, now));
    let headings = ["intent", "state", "since", "decided at", "mined in", "gas", "fee (wei)", "transaction"];
    section(&mut text, &headings, rows.collect());
    text
}

/// The last head in a line.
fn seen_text(seen: &Seen, now: u64) -> String {
    let orphaned = if seen.orphaned { " (orphaned)" } else { "" };
    let decided = seen.absent.map_or_else(|| "decided".to_owned(), |code| format!("no decision: {code}"));
    format!("{}{orphaned} {}, {decided}", seen.block, ago(seen.recorded_at, now))
}

/// A table below the text so far; nothing where it has no rows.
fn section(text: &mut String, headings: &[&str], rows: Vec<Vec<String>>) {
    if !rows.is_empty() {
        text.push_str("\n\n");
        text.push_str(&grid(headings, rows));
    }
}

fn cycle_row(cycle: &Cycle, transactions: &[Transaction]) -> Vec<String> {
    let block = if cycle.orphaned { format!("{} (orphaned)", cycle.block) } else { cycle.block.clone() };
    let sent = transactions.iter().find(|t| t.decision_hash == cycle.decision_hash);
    let done = match (sent, &cycle.dispatch) {
        (Some(transaction), _) => format!("intent {}: {}", transaction.intent, transaction.state),
        (None, Some(dispatch)) => dispatched(dispatch),
        (None, None) => "nothing".to_owned(),
    };
    let code = cycle.code.clone().unwrap_or_default();
    vec![block, cycle.verdict.clone(), code, cycle.reason.clone().unwrap_or_default(), done]
}

/// A recorded dispatch in a line: its name, then its other fields.
fn dispatched(dispatch: &Value) -> String {
    let Some(fields) = dispatch.as_object() else { return plain(dispatch) };
    let name = fields.get("dispatch").map(plain).unwrap_or_default();
    let others = fields.iter().filter(|(key, _)| *key != "dispatch");
    let others: Vec<String> = others.map(|(key, value)| format!("{key} {}", plain(value))).collect();
    if others.is_empty() { name } else { format!("{name}: {}", others.join(", ")) }
}

fn attempt_rows(open: &Transaction) -> Vec<Vec<String>> {
    let row = |attempt: &Attempt| {
        vec![
            format!("{} ({})", open.intent, open.state),
            open.nonce.clone(),
            attempt.hash.to_string(),
            attempt.max_fee_per_gas.clone(),
            attempt.gas_limit.clone(),
        ]
    };
    open.attempts.iter().map(row).collect()
}

fn transaction_row(transaction: &Transaction, now: u64) -> Vec<String> {
    let event = |key: &str| transaction.last_event.get(key).map(plain).unwrap_or_default();
    vec![
        transaction.intent.clone(),
        transaction.state.to_owned(),
        ago(transaction.last_event_at, now),
        transaction.decision_block.clone(),
        event("block_number"),
        event("gas_used"),
        transaction.fee_wei.clone().unwrap_or_default(),
        event("transaction"),
    ]
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn ago(time: i64, now: u64) -> String {
    let seconds = now.saturating_sub(u64::try_from(time).unwrap_or_default());
    format!("{} ago", clock::span(seconds))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn executed() -> Transaction {
        Transaction {
            intent: "7".to_owned(),
            state: "executed",
            sender: Address::repeat_byte(1),
            nonce: "3".to_owned(),
            decision_block: "100".to_owned(),
            decision_hash: B256::repeat_byte(2),
            deadline: "1120".to_owned(),
            gas_limit: "400000".to_owned(),
            attempts: Vec::new(),
            last_event: json!({"transaction": "0xab", "block_number": "101", "gas_used": "312000"}),
            last_event_at: 1_000,
            fee_wei: Some("6240".to_owned()),
        }
    }

    fn held() -> Cycle {
        Cycle {
            block: "100".to_owned(),
            block_hash: B256::ZERO,
            timestamp: "1000".to_owned(),
            recorded_at: 1_000,
            orphaned: false,
            verdict: "hold".to_owned(),
            code: Some("within_band".to_owned()),
            reason: None,
            alerts: Vec::new(),
            policy_hash: B256::ZERO,
            decision_hash: B256::ZERO,
            dispatch: None,
        }
    }

    #[test]
    fn a_cycle_that_was_sent_points_to_its_transaction() {
        let sent = Cycle { decision_hash: B256::repeat_byte(2), ..held() };
        assert_eq!(cycle_row(&sent, &[executed()]).last().unwrap(), "intent 7: executed");
        assert_eq!(cycle_row(&held(), &[executed()]).last().unwrap(), "nothing");
    }

    #[test]
    fn a_dispatch_reads_as_its_name_and_its_fields() {
        let refused = json!({"dispatch": "refused", "code": "guard", "message": "CoolingDown"});
        assert_eq!(dispatched(&refused), "refused: code guard, message CoolingDown");
        assert_eq!(dispatched(&json!({"dispatch": "in_flight", "intent": "3"})), "in_flight: intent 3");
        assert_eq!(dispatched(&json!("send")), "send");
    }

    #[test]
    fn an_orphaned_block_is_marked() {
        let orphaned = Cycle { orphaned: true, ..held() };
        assert_eq!(cycle_row(&orphaned, &[]).first().unwrap(), "100 (orphaned)");
    }

    #[test]
    fn an_outcome_shows_its_gas_and_fee() {
        let row = transaction_row(&executed(), 1_060);
        assert_eq!(row, ["7", "executed", "60 s ago", "100", "101", "312000", "6240", "0xab"]);
    }

    fn printed(cycles: Vec<Cycle>) -> Printed<'static> {
        Printed {
            vault: "main",
            address: Address::ZERO,
            chain: "ethereum",
            seen: None,
            cycles,
            reasons: Vec::new(),
            open: Vec::new(),
            transactions: Vec::new(),
        }
    }

    #[test]
    fn the_alerts_of_the_last_cycle_stand_on_top() {
        let alerts = vec!["the vega of the option book is 5, over the policy's bound of 4".to_owned()];
        let last = printed(vec![Cycle { alerts: alerts.clone(), ..held() }, held()]);
        let shown = text(&last, 1_012);
        let expected = format!("last full record 12 s ago\nalert: {}\n\n", alerts.concat());
        assert!(shown.contains(&expected), "{shown}");
        let earlier = printed(vec![held(), Cycle { alerts, ..held() }]);
        assert!(!text(&earlier, 1_012).contains("alert"));
    }

    #[test]
    fn a_vault_without_cycles_says_so() {
        let empty = printed(Vec::new());
        let said = "no cycle recorded yet: `keeper run` records the first, and each that decides otherwise";
        assert!(text(&empty, 0).ends_with(said));
    }

    #[test]
    fn the_last_block_stands_on_top_with_why_nothing_was_decided_on_it() {
        let seen = |orphaned, absent| Seen {
            block: "107".to_owned(),
            block_hash: B256::ZERO,
            timestamp: "1007".to_owned(),
            recorded_at: 1_007,
            orphaned,
            absent,
        };
        let shown = |seen| text(&Printed { seen: Some(seen), ..printed(vec![held()]) }, 1_012);
        let decided = shown(seen(false, None));
        assert!(
            decided.contains("\nlast block 107 5 s ago, decided\nlast full record 12 s ago"),
            "{decided}"
        );
        let absent = shown(seen(true, Some("unread")));
        assert!(absent.contains("\nlast block 107 (orphaned) 5 s ago, no decision: unread\n"), "{absent}");
    }
}
