//! The rules of processes, rosters and blocks.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256};

use super::super::heads::{Absences, split};
use super::super::ledger::LedgerEntry;
use super::{number, parsed, text};
use crate::domain::merkle::{Tree, stored_height, width};

/// What is known after some of the records: the newest process, and the newest roster of each chain.
#[derive(Debug, Default)]
pub(super) struct Heads {
    run: i64,
    rosters: BTreeMap<String, (i64, Vec<Address>)>,
}

impl Heads {
    pub(super) fn run(&mut self, entry: &LedgerEntry) -> Result<(), String> {
        self.run = entry.id;
        text(entry, "program_version").and(text(entry, "decision_version")).map(drop)
    }

    pub(super) fn roster(&mut self, entry: &LedgerEntry) -> Result<(), String> {
        let run = number(entry, "run_id")?;
        if run != self.run || run == 0 {
            return Err(format!("it is of run {run}, which is not the newest before it"));
        }
        let vaults: Vec<Address> = parts(entry, "vaults")?;
        if !vaults.is_sorted_by(|one, next| one < next) {
            return Err("its vaults are not in their order, each once".to_owned());
        }
        self.rosters.insert(text(entry, "chain_id")?.to_owned(), (entry.id, vaults));
        Ok(())
    }

    pub(super) fn block(&mut self, entry: &LedgerEntry) -> Result<(), String> {
        let id = number(entry, "roster_id")?;
        let roster = self.rosters.get(text(entry, "chain_id")?);
        let Some((_, roster)) = roster.filter(|(newest, _)| *newest == id) else {
            return Err(format!("it is of roster {id}, which is not the newest of its chain before it"));
        };
        let _: B256 = one(entry, "block_hash")?;
        let leaves: u64 = parsed(entry, "leaves")?;
        let absences = entry.column("absences").map(|_| text(entry, "absences")).transpose()?;
        let absences = Absences::parse(absences).ok_or("its list of absent vaults cannot be read")?;
        let decided = u64::try_from(absences.decided(roster).count()).unwrap_or(u64::MAX);
        if !absences.are_of(roster) || decided != leaves {
            return Err("its leaves and its absent vaults are not those of its roster".to_owned());
        }
        let level: Vec<B256> = parts(entry, "level")?;
        if u64::try_from(level.len()) != Ok(width(leaves, stored_height(leaves))) {
            return Err("its level does not fit its number of leaves".to_owned());
        }
        let root: B256 = one(entry, "root")?;
        if Tree::over(level).root() == root {
            Ok(())
        } else {
            Err("its root is not that of its level".to_owned())
        }
    }
}

fn parts<const N: usize, T: From<[u8; N]>>(entry: &LedgerEntry, name: &str) -> Result<Vec<T>, String> {
    let bytes = entry.column(name).ok_or_else(|| format!("it has no {name}"))?;
    split(bytes).ok_or_else(|| format!("its {name} has a wrong length"))
}

fn one(entry: &LedgerEntry, name: &str) -> Result<B256, String> {
    match parts(entry, name)?.as_slice() {
        [hash] => Ok(*hash),
        _ => Err(format!("its {name} has a wrong length")),
    }
}
