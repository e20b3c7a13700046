//! Blocks of a market that a keeper lives through, with what goes wrong planted at known heights.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use alloy::primitives::Address;
use rust_decimal::Decimal;
use vault_keeper::chain::{Endpoint, Header, SecretUrl, Timeouts};
use vault_keeper::domain::decision::DECISION_VERSION;
use vault_keeper::domain::policy::ChainKind;
use vault_keeper::execution::{FeeCaps, SendingConfig};
use vault_keeper::journal::{Absence, BlockRecord, Journal, Roster, RunRecord, Standing};
use vault_keeper::reader::Mode;
use vault_keeper::replay::audit::{Audit, Found, Question, Reading};
use vault_keeper::replay::{Part, Replay, Replayed, Source, Subject};
use vault_keeper::stage::path::Tick;

use super::keeper_process::{PRICE, published};
use super::rig::{Build, GWEI, Rig, sending};

/// Seconds between two blocks.
const STEP: u64 = 100;
/// Blocks of the history.
pub(crate) const BLOCKS: u64 = 700;
/// Blocks, from the first, in which no keeper runs while the price moves.
const DOWN: RangeInclusive<u64> = 192..=212;
/// Blocks of which no endpoint tells the keeper.
const DEAF: RangeInclusive<u64> = 432..=452;
/// Blocks in which the feeds are silent.
const SILENCE: RangeInclusive<u64> = 240..=299;
/// Blocks in which gas costs more than the keeper may pay, and less than the policy allows.
const DEAR: RangeInclusive<u64> = 340..=362;
/// Blocks in which it costs more than the policy allows.
const SPIKE: RangeInclusive<u64> = 480..=490;

/// A vault that is watched closely: it trades often.
const POLICY: &[(&str, &str)] = &[(
    "kind = \"economic\"",
    "kind = \"threshold\"
fraction = \"0.02\"
to = \"target\"",
)];

/// The record of a block at which the only vault of a roster stands so.
async fn record(journal: &Journal, roster: &Roster, header: &Header, standing: Standing) {
    let vaults = roster.vaults().iter().map(|vault| (*vault, standing)).collect();
    let (number, hash, timestamp) = (header.number, header.hash, header.timestamp);
    journal.record_block(roster, &BlockRecord { number, hash, timestamp, vaults }).await.unwrap();
}

/// A history.
pub(crate) struct History {
    pub(crate) rig: Rig,
    /// First and last height.
    pub(crate) heights: (u64, u64),
    /// Heights in which something was planted that makes the keeper miss what it should do.
    pub(crate) planted: [(u64, u64); 3],
}

impl History {
    /// As many blocks of it, from the first.
    pub(crate) async fn lived(blocks: u64) -> Self {
        let fees = FeeCaps { max_fee_per_gas: 90 * GWEI, ..sending().fees };
        let mut rig = Rig::of(Build {
            sending: SendingConfig { fees, ..sending() },
            policy: POLICY,
            ..Build::default()
        })
        .await;
        let Rig { scene, keeper, engine, pool, journal, .. } = &mut rig;
        let mut market = scene.stage.market().await.unwrap();
        let begun = scene.now().await;
        let first = scene.stage.chain.block_number().await.unwrap() + 1;
        let mut roster = begins(journal, scene.vault).await;
        for at in 0..blocks {
            let tick = Tick { timestamp: begun + (at + 1) * STEP, price: price(at), base_fee: base_fee(at) };
            market.set_reporting(!SILENCE.contains(&at));
            market.step(tick).await.unwrap();
            if DOWN.contains(&at) || DEAF.contains(&at) {
                continue;
            }
            if at == DOWN.end() + 1 {
                roster = begins(journal, scene.vault).await;
            }
            engine.resolve().await.unwrap();
            let node = pool.reader().unwrap();
            let head = node.latest_header().await.unwrap();
            if at == DEAF.end() + 1 {
                let passed = node.header_by_number(head.number - 1).await.unwrap().unwrap();
                record(journal, &roster, &passed, Err(Absence::Unheard)).await;
            }
            let leaf = keeper.cycle(&head).await.unwrap().leaf;
            record(journal, &roster, &head, Ok(leaf)).await;
        }
        drop(market);
        let heights = (first, rig.scene.stage.chain.block_number().await.unwrap());
        let planted = [DOWN, DEAR, DEAF].map(|blocks| (first + blocks.start(), first + blocks.end()));
        Self { rig, heights, planted }
    }

    pub(crate) fn url(&self) -> String {
        self.rig.scene.stage.chain.endpoint()
    }

    pub(crate) async fn source(&self) -> Source {
        source(&[("archive", &self.url())], Mode::Auto).await
    }

    pub(crate) fn subject(&self) -> Subject {
        let policies = vec![published(&self.rig.scene.policy)];
        Subject { name: "main".to_owned(), vault: self.rig.scene.vault, policies }
    }

    pub(crate) async fn audited(&self, reading: Reading) -> Found {
        self.audited_by(&self.source().await, reading).await.unwrap()
    }

    pub(crate) async fn audited_by(&self, source: &Source, reading: Reading) -> eyre::Result<Found> {
        let subjects = [self.subject()];
        let (from, to) = self.heights;
        let question = Question { from, to, grace: 5, reading };
        let mut audit = Audit::new(source, question, (&subjects, &[]), None);
        while audit.stretch().await? {}
        Ok(audit.found().remove(0))
    }

    /// What replaying all of the journal comes to, with nothing executed again.
    pub(crate) async fn replayed_by(&self, source: &Source) -> eyre::Result<Replayed> {
        let subject = self.subject();
        let replay = Replay::new(source, &self.rig.journal, &subject, None);
        replay.run(&Part::Heights(0..=self.heights.1), &|| {}).await
    }
}

/// The endpoints of these names and addresses, that have to tell the same.
pub(crate) async fn source(endpoints: &[(&str, &str)], mode: Mode) -> Source {
    source_of_kind(ChainKind::Ethereum, endpoints, mode).await
}

/// The endpoints of a chain of this kind.
pub(crate) async fn source_of_kind(kind: ChainKind, endpoints: &[(&str, &str)], mode: Mode) -> Source {
    let time = Duration::from_secs(20);
    let timeouts = Timeouts { connect: time, request: time };
    let mut all = Vec::new();
    for (name, url) in endpoints {
        let url = SecretUrl::parse(url).unwrap();
        all.push(Endpoint::discover(name, url, timeouts).await.unwrap());
    }
    Source::new(all, kind, mode).unwrap()
}

/// A process of the keeper begins.
pub(crate) async fn begins(journal: &Journal, vault: Address) -> Roster {
    let (program_version, decision_version) = ("0.1.0".to_owned(), DECISION_VERSION.to_owned());
    journal.record_run(&RunRecord { program_version, decision_version }).await.unwrap();
    journal.record_roster(31_337, BTreeSet::from([vault])).await.unwrap()
}

/// USD: waves up and down by some percent, and a crash.
fn price(at: u64) -> Decimal {
    // At the end of the history, and where a longer one goes on, the market is at rest.
    let at = if (600..BLOCKS).contains(&at) { 600 } else { at };
    let at = i64::try_from(at).unwrap();
    let along = at % 96;
    // Up, a rest, down, a rest.
    let wave = along.min(24) - (along - 48).clamp(0, 24);
    // Twelve blocks, one percent each.
    let crash = (at - 120).clamp(0, 12);
    Decimal::from(PRICE + 11 * wave - 30 * crash)
}

fn base_fee(at: u64) -> u128 {
    match at {
        at if DEAR.contains(&at) => 120 * GWEI,
        at if SPIKE.contains(&at) => 700 * GWEI,
        _ => 20 * GWEI,
    }
}
