//! What is recorded of a head once all vaults have had their cycle.

use std::collections::BTreeMap;

use alloy::primitives::Address;

use crate::chain::Header;
use crate::journal::{Absence, BlockRecord, Journal, JournalError, Roster, Standing};
use crate::keeper::{Cycle, CycleError, Keeper};

/// How every vault of a roster stands at a head.
pub(super) struct Sighting(BTreeMap<Address, Standing>);

impl Sighting {
    /// All vaults are absent for this reason, until something is noted of them.
    pub(super) fn of(roster: &Roster, absence: Absence) -> Self {
        Self(roster.vaults().iter().map(|vault| (*vault, Err(absence))).collect())
    }

    /// What became of a vault's cycle.
    pub(super) fn note(&mut self, keeper: &Keeper, cycle: &Result<Cycle, CycleError>) {
        let standing = cycle.as_ref().map(|cycle| cycle.leaf).map_err(CycleError::absence);
        self.0.insert(keeper.vault(), standing);
    }

    /// Records the head: one commit, after everything that its cycles sent.
    ///
    /// # Errors
    /// What the disk or the file does not allow; then no vault may be kept.
    pub(super) async fn record(
        self,
        journal: &Journal,
        roster: &Roster,
        header: &Header,
    ) -> Result<(), JournalError> {
        let block = BlockRecord {
            number: header.number,
            hash: header.hash,
            timestamp: header.timestamp,
            vaults: self.0,
        };
        journal.record_block(roster, &block).await.map(drop)
    }
}
