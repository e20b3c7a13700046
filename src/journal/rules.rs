//! The rules that the records keep together, as the triggers of the database keep them while it is written.

mod heads;

use std::collections::BTreeMap;

use super::content::Kind;
use super::ledger::LedgerEntry;
use super::signed::{self, Call};
use super::{AttemptKind, IntentState};
use heads::Heads;

/// Chain id and sender.
type Key = (String, String);

/// What is known after some of the records, in their order.
#[derive(Debug, Default)]
pub(super) struct Rules {
    cycles: i64,
    intents: BTreeMap<i64, Intent>,
    /// The intents of each nonce, oldest first.
    slots: BTreeMap<Key, BTreeMap<u64, Vec<i64>>>,
    heads: Heads,
    /// When each block that left a chain and is not back left it last: chain id and hash, number among those that left.
    left: BTreeMap<(String, String), i64>,
}

#[derive(Debug)]
struct Intent {
    key: Key,
    call: Call,
    attempts: u32,
    state: Option<IntentState>,
}

impl Rules {
    /// Takes the next record in; says which rule it breaks.
    pub(super) fn admit(&mut self, entry: &LedgerEntry) -> Result<(), String> {
        match entry.kind {
            Kind::Cycle => {
                self.cycles = entry.id;
                Ok(())
            }
            Kind::Intent => self.intent(entry),
            Kind::Attempt => self.attempt(entry),
            Kind::Event => self.event(entry),
            Kind::Orphaned => self.orphaned(entry),
            Kind::Run => self.heads.run(entry),
            Kind::Roster => self.heads.roster(entry),
            Kind::Block => self.heads.block(entry),
            Kind::Returned => self.returned(entry),
        }
    }

    fn orphaned(&mut self, entry: &LedgerEntry) -> Result<(), String> {
        self.left.insert(block_of(entry)?, entry.id);
        // A block without a full record has none to refer to.
        match optional_number(entry, "last_cycle")? {
            Some(cycle) => self.cycle_is_there(cycle),
            None => Ok(()),
        }
    }

    fn returned(&mut self, entry: &LedgerEntry) -> Result<(), String> {
        let (last, left) = (number(entry, "last_orphan")?, self.left.remove(&block_of(entry)?));
        match left {
            Some(left) if left == last => Ok(()),
            Some(left) => Err(format!("its block left last in orphaned {left}, not in {last}")),
            None => Err("its block had not left, or was back before".to_owned()),
        }
    }

    /// Says which rule is broken where no more records come.
    pub(super) fn at_the_end(&self) -> Result<(), String> {
        let bare = self.intents.iter().find(|(_, intent)| intent.attempts == 0 || intent.state.is_none());
        match bare {
            Some((id, _)) => Err(format!("intent {id} has no signed bytes or no state")),
            None => Ok(()),
        }
    }

    fn cycle_is_there(&self, cycle: i64) -> Result<(), String> {
        let there = (1..=self.cycles).contains(&cycle);
        if there { Ok(()) } else { Err(format!("it refers to cycle {cycle}, which is not before it")) }
    }

    fn intent(&mut self, entry: &LedgerEntry) -> Result<(), String> {
        self.cycle_is_there(number(entry, "cycle_id")?)?;
        let key = (text(entry, "chain_id")?.to_owned(), text(entry, "sender")?.to_owned());
        let call = Call::of(entry)?;
        let nonces = self.slots.entry(key.clone()).or_default();
        let sharers = nonces.get(&call.nonce).map_or(&[][..], Vec::as_slice);
        match optional_number(entry, "takes_over")? {
            None if !sharers.is_empty() => return Err("its nonce was used before".to_owned()),
            None if nonces.last_key_value().is_some_and(|(highest, _)| *highest > call.nonce) => {
                return Err("its nonce is below the highest of its key".to_owned());
            }
            None => {}
            Some(over) if sharers.last() != Some(&over) => {
                return Err(format!(
                    "it takes its nonce over from intent {over}, which is not the newest there"
                ));
            }
            Some(_)
                if sharers.iter().any(|sharer| self.intents.get(sharer).is_some_and(Intent::is_final)) =>
            {
                return Err("it takes over a nonce of which something is final".to_owned());
            }
            Some(_) => {}
        }
        nonces.entry(call.nonce).or_default().push(entry.id);
        self.intents.insert(entry.id, Intent { key, call, attempts: 0, state: None });
        Ok(())
    }

    fn attempt(&mut self, entry: &LedgerEntry) -> Result<(), String> {
        let kind = text(entry, "kind")?;
        let kind = AttemptKind::from_name(kind).ok_or_else(|| format!("`{kind}` is no kind of attempt"))?;
        let intent = self.of(entry)?;
        if intent.is_final() {
            return Err("its intent is final".to_owned());
        }
        if (kind == AttemptKind::Original) != (intent.attempts == 0) {
            return Err("an intent has one original attempt, its first".to_owned());
        }
        intent.attempts = intent.attempts.saturating_add(1);
        signed::check(entry, kind, &intent.call)
    }

    fn event(&mut self, entry: &LedgerEntry) -> Result<(), String> {
        let state = text(entry, "state")?;
        let state = IntentState::from_name(state).ok_or_else(|| format!("`{state}` is no state"))?;
        let id = number(entry, "intent_id")?;
        let intent = self.of(entry)?;
        if intent.is_final() {
            return Err("its intent is final".to_owned());
        }
        if intent.state.is_none() && state != IntentState::Prepared {
            return Err("an intent begins as prepared".to_owned());
        }
        intent.state = Some(state);
        let others = || self.others(id);
        if state.took_effect() && others().any(|other| other.is_some_and(IntentState::took_effect)) {
            return Err("another intent of its nonce has taken effect".to_owned());
        }
        let superseded = |other: Option<IntentState>| other == Some(IntentState::Superseded);
        if state == IntentState::Superseded && others().all(superseded) {
            return Err("no other intent of its nonce can have taken effect".to_owned());
        }
        Ok(())
    }

    /// The states of the intents that share the nonce of `id`.
    fn others(&self, id: i64) -> impl Iterator<Item = Option<IntentState>> {
        let intent = self.intents.get(&id);
        let sharers = intent.and_then(|intent| self.slots.get(&intent.key)?.get(&intent.call.nonce));
        let others = sharers.into_iter().flatten().filter(move |other| **other != id);
        others.filter_map(|other| self.intents.get(other)).map(|other| other.state)
    }

    fn of(&mut self, entry: &LedgerEntry) -> Result<&mut Intent, String> {
        let id = number(entry, "intent_id")?;
        self.intents.get_mut(&id).ok_or_else(|| format!("it refers to intent {id}, which is not before it"))
    }
}

impl Intent {
    fn is_final(&self) -> bool {
        self.state.is_some_and(IntentState::is_final)
    }
}

/// Chain id and hash of the block that a record is about.
fn block_of(entry: &LedgerEntry) -> Result<(String, String), String> {
    Ok((text(entry, "chain_id")?.to_owned(), text(entry, "block_hash")?.to_owned()))
}

pub(super) fn text<'a>(entry: &'a LedgerEntry, name: &str) -> Result<&'a str, String> {
    let bytes = entry.column(name).ok_or_else(|| format!("it has no {name}"))?;
    std::str::from_utf8(bytes).map_err(|_| format!("its {name} is no text"))
}

pub(super) fn parsed<T: std::str::FromStr>(entry: &LedgerEntry, name: &str) -> Result<T, String> {
    text(entry, name)?.parse().map_err(|_| format!("its {name} cannot be read"))
}

pub(super) fn optional<T: std::str::FromStr>(entry: &LedgerEntry, name: &str) -> Result<Option<T>, String> {
    entry.column(name).map(|_| parsed(entry, name)).transpose()
}

fn number(entry: &LedgerEntry, name: &str) -> Result<i64, String> {
    parsed(entry, name)
}

fn optional_number(entry: &LedgerEntry, name: &str) -> Result<Option<i64>, String> {
    optional(entry, name)
}
