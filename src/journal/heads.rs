//! What is recorded of a process, of the vaults that it keeps, and of each head that it sees: one record for all vaults.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, Bytes};
use serde::{Deserialize, Serialize};

use super::content::{Field, Kind, Row};
use super::{Journal, JournalError};
use crate::domain::merkle::{Tree, TreeHead};

/// A process of the keeper begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRecord {
    /// Version of the program.
    pub program_version: String,
    /// Version of the decision, which every decision hash commits to.
    pub decision_version: String,
}

/// The vaults that a process keeps on a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roster {
    pub(super) id: i64,
    pub(super) chain_id: u64,
    pub(super) vaults: Vec<Address>,
}

impl Roster {
    /// Its number among rosters.
    #[must_use]
    pub const fn id(&self) -> i64 {
        self.id
    }

    /// Chain id.
    #[must_use]
    pub const fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// The vaults, ascending, each once.
    #[must_use]
    pub fn vaults(&self) -> &[Address] {
        &self.vaults
    }
}

/// Why there is no leaf for a vault at a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Absence {
    /// The endpoints disagree on the block, or none can be read: nothing was decided on it.
    NoVerdict,
    /// For a time that ended with the next head no endpoint told of a new one: neither of this block nor of those before it down to
    /// the last one that is recorded.
    Unheard,
    /// The facts of the vault could not be read.
    Unread,
    /// The cycle failed on its way; where it came to a decision a full record has it.
    Failed,
    /// The vault was given up until the next start.
    GivenUp,
    /// The process did not start: another one held the vault's key.
    KeyHeld,
}

impl Absence {
    /// The name in the journal.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoVerdict => "no_verdict",
            Self::Unheard => "unheard",
            Self::Unread => "unread",
            Self::Failed => "failed",
            Self::GivenUp => "given_up",
            Self::KeyHeld => "key_held",
        }
    }
}

/// What a head says of a vault: the leaf of its decision ([`crate::domain::merkle::leaf`]), or why there is none.
pub type Standing = Result<B256, Absence>;

/// A head that the keeper saw, and how every vault of a roster stands at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockRecord {
    /// Height of the block.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// Its time, seconds since the Unix epoch.
    pub timestamp: u64,
    /// Every vault of the roster.
    pub vaults: BTreeMap<Address, Standing>,
}

/// An entry of the list of absent vaults. Without a vault it stands for all that have none of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AbsentEntry {
    pub(super) code: Absence,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) vault: Option<Address>,
}

/// The vaults without a leaf in a record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Absences {
    /// Those that are named, ascending.
    named: BTreeMap<Address, Absence>,
    /// What holds for all others.
    others: Option<Absence>,
}

impl Absences {
    /// Why this vault of the roster has no leaf; `None` where it has one.
    #[must_use]
    pub fn of(&self, vault: Address) -> Option<Absence> {
        self.named.get(&vault).copied().or(self.others)
    }

    /// The vaults of `roster` that have a leaf, in the order of their leaves.
    pub fn decided<'a>(&self, roster: &'a [Address]) -> impl Iterator<Item = &'a Address> {
        roster.iter().filter(|vault| self.of(**vault).is_none())
    }

    /// Those of a head; one entry says it where all vaults are absent for the same reason.
    fn at(vaults: &BTreeMap<Address, Standing>) -> Self {
        let named: BTreeMap<_, _> =
            vaults.iter().filter_map(|(vault, standing)| Some((*vault, standing.err()?))).collect();
        let first = named.values().next().copied();
        let alike = named.len() == vaults.len() && named.values().all(|code| Some(*code) == first);
        if alike { Self { named: BTreeMap::new(), others: first } } else { Self { named, others: None } }
    }

    /// Reads the recorded form, `null` where nobody is absent.
    pub(super) fn parse(text: Option<&str>) -> Option<Self> {
        let Some(text) = text else { return Some(Self::default()) };
        let entries: Vec<AbsentEntry> = serde_json::from_str(text).ok()?;
        let mut absences = Self::default();
        for AbsentEntry { code, vault } in &entries {
            let before = match vault {
                Some(vault) => absences.named.insert(*vault, *code),
                None => absences.others.replace(*code),
            };
            if before.is_some() {
                return None;
            }
        }
        // Written in one way alone.
        (absences.text().as_deref() == Some(text)).then_some(absences)
    }

    /// The recorded form; `None` where nobody is absent.
    fn text(&self) -> Option<String> {
        let named = self.named.iter().map(|(vault, code)| AbsentEntry { code: *code, vault: Some(*vault) });
        let others = self.others.map(|code| AbsentEntry { code, vault: None });
        let entries: Vec<_> = named.chain(others).collect();
        if entries.is_empty() { None } else { serde_json::to_string(&entries).ok() }
    }

    /// Whether those that are named are vaults of `roster`.
    pub(super) fn are_of(&self, roster: &[Address]) -> bool {
        self.named.keys().all(|vault| roster.binary_search(vault).is_ok())
    }
}

impl Journal {
    /// Records that a process begins: one durable commit.
    ///
    /// # Errors
    /// What the disk or the file does not allow.
    pub async fn record_run(&self, run: &RunRecord) -> Result<(), JournalError> {
        let fields =
            vec![Field::Now, run.program_version.clone().into(), run.decision_version.clone().into()];
        self.append(vec![Row { kind: Kind::Run, fields }]).await.map(drop)
    }

    /// Records the vaults that the newest process keeps on a chain from now on: one durable commit.
    ///
    /// # Errors
    /// [`JournalError::Refused`] where no process was recorded, otherwise what the disk or the file does not allow.
    pub async fn record_roster(
        &self,
        chain_id: u64,
        vaults: impl IntoIterator<Item = Address>,
    ) -> Result<Roster, JournalError> {
        let mut vaults: Vec<_> = vaults.into_iter().collect();
        vaults.sort_unstable();
        vaults.dedup();
        let fields = vec![
            Field::Now,
            Field::Newest(Kind::Run),
            self.integer(chain_id, "chain id")?.into(),
            joined(vaults.iter().map(|vault| vault.as_slice())).into(),
        ];
        let tip = self.append(vec![Row { kind: Kind::Roster, fields }]).await?;
        Ok(Roster { id: tip.newest(Kind::Roster), chain_id, vaults })
    }

    /// Records a head for all vaults of the newest roster of its chain: one durable commit.
    ///
    /// # Errors
    /// [`JournalError::Refused`] for another roster, or where not each of its vaults is told of, otherwise what the disk or
    /// the file does not allow.
    pub async fn record_block(&self, roster: &Roster, block: &BlockRecord) -> Result<TreeHead, JournalError> {
        if !block.vaults.keys().eq(&roster.vaults) {
            return Err(self.refused("a block tells of each vault of its roster"));
        }
        let leaves: Vec<_> = block.vaults.values().filter_map(|standing| standing.ok()).collect();
        let count = u64::try_from(leaves.len()).map_err(|_| self.out_of_range("leaves"))?;
        let tree = Tree::over(leaves);
        let head = TreeHead { leaves: count, root: tree.root() };
        let fields = vec![
            Field::Now,
            self.integer(roster.chain_id, "chain id")?.into(),
            self.integer(block.number, "block number")?.into(),
            joined([block.hash.as_slice()]).into(),
            self.integer(block.timestamp, "block time")?.into(),
            roster.id.into(),
            self.integer(head.leaves, "leaves")?.into(),
            joined([head.root.as_slice()]).into(),
            joined(tree.stored_level().iter().map(B256::as_slice)).into(),
            Absences::at(&block.vaults).text().into(),
        ];
        self.append(vec![Row { kind: Kind::Block, fields }]).await?;
        self.checkpoint_if_due().await;
        Ok(head)
    }
}

fn joined<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Bytes {
    parts.into_iter().flatten().copied().collect()
}

/// What [`joined`] joined: parts of `N` bytes; `None` where the bytes are none of it.
pub(super) fn split<const N: usize, T: From<[u8; N]>>(bytes: &[u8]) -> Option<Vec<T>> {
    let (parts, rest) = bytes.as_chunks::<N>();
    rest.is_empty().then(|| parts.iter().map(|part| T::from(*part)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Address = Address::repeat_byte(1);
    const SECOND: Address = Address::repeat_byte(2);

    fn text(first: Standing, second: Standing) -> Option<String> {
        Absences::at(&BTreeMap::from([(FIRST, first), (SECOND, second)])).text()
    }

    #[test]
    fn absences_are_named_or_told_at_once_where_all_are_absent_alike() {
        let leaf = Ok(B256::ZERO);
        assert_eq!(text(leaf, leaf), None);
        let second = r#"[{"code":"unread","vault":"0x0202020202020202020202020202020202020202"}]"#;
        assert_eq!(text(leaf, Err(Absence::Unread)).as_deref(), Some(second));
        let all = r#"[{"code":"no_verdict"}]"#;
        assert_eq!(text(Err(Absence::NoVerdict), Err(Absence::NoVerdict)).as_deref(), Some(all));
        let unlike = text(Err(Absence::GivenUp), Err(Absence::Failed)).unwrap();
        let read = Absences::parse(Some(&unlike)).unwrap();
        assert_eq!((read.of(FIRST), read.of(SECOND)), (Some(Absence::GivenUp), Some(Absence::Failed)));
        assert_eq!(Absences::parse(Some(all)).unwrap().of(SECOND), Some(Absence::NoVerdict));
        let one = Absences::parse(Some(second)).unwrap();
        assert_eq!(one.decided(&[FIRST, SECOND]).collect::<Vec<_>>(), [&FIRST]);
        assert!(one.are_of(&[FIRST, SECOND]) && !one.are_of(&[FIRST]));
    }

    #[test]
    fn absences_that_the_keeper_would_not_write_so_are_not_read() {
        let first = r#"{"code":"unread","vault":"0x0101010101010101010101010101010101010101"}"#;
        let second = r#"{"code":"failed","vault":"0x0202020202020202020202020202020202020202"}"#;
        assert!(Absences::parse(Some(&format!("[{first},{second}]"))).is_some());
        for wrong in [
            format!("[{second},{first}]"),
            format!("[{first},{first}]"),
            format!("[{first} ]"),
            "[]".to_owned(),
            r#"[{"code":"unread"},{"code":"unread"}]"#.to_owned(),
            r#"[{"code":"tired"}]"#.to_owned(),
        ] {
            assert_eq!(Absences::parse(Some(&wrong)), None, "{wrong}");
        }
    }
}
