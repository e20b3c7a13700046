//! Why something was missed, by the keeper's journal.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails where it stands"
)]

#[path = "support/history.rs"]
mod history;
#[path = "support/keeper_process.rs"]
mod keeper_process;
#[path = "support/proxy.rs"]
mod proxy;
#[path = "support/records.rs"]
mod records;
#[path = "support/rig.rs"]
mod rig;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use alloy::consensus::SignableTransaction;
use alloy::network::TxSigner;
use alloy::primitives::{Address, Signature};
use history::{begins, source};
use keeper_process::{Home, Scene, published, until};
use proxy::{Act, Calls};
use records::{CHAIN, VAULT, begun, block, cycle};
use rig::{Rig, sending};
use rust_decimal::Decimal;
use tempfile::TempDir;
use vault_keeper::execution::{Engine, KeeperKey};
use vault_keeper::journal::{Absence, BlockRecord, CycleRecord, Journal, Roster, Standing};
use vault_keeper::keeper::{Cycle, CycleError, Hand, Keeper};
use vault_keeper::reader::Mode;
use vault_keeper::replay::Subject;
use vault_keeper::replay::audit::{
    Audit, Cause, Caused, Done, End, Episodes, Finding, Question, Reading, State, Step, Want, causes,
};

/// The blocks of an episode from the first to the last, with what the journal says of them.
async fn told(journal: &Journal, (from, to): (u64, u64)) -> Vec<(Cause, u64)> {
    let want = Want { sell: true, mandatory: false, units: 1.0, price: 1.0, waiting: 0.0, shortfall: 0.0 };
    let mut episodes = Episodes::default();
    for number in [from, to] {
        let state = State::Wants(want);
        episodes.step(&Step { number, timestamp: number, done: Done::Nothing, price: None, state });
    }
    let episode = episodes.rest().unwrap();
    assert_eq!((episode.from, episode.to), (from, to));
    let causes = causes(journal, (CHAIN, VAULT), &episode).await.unwrap();
    causes.into_iter().map(|Caused { cause, blocks }| (cause, blocks)).collect()
}

async fn seen(journal: &Journal, roster: &Roster, number: u64, standing: Standing) {
    journal.record_block(roster, &block(number, roster, |_| standing)).await.unwrap();
}

#[tokio::test]
async fn every_block_of_a_long_miss_has_its_cause() {
    let directory = TempDir::new().unwrap();
    let journal = Journal::open(&directory.path().join("keeper.db")).await.unwrap();
    let leaf = Ok(cycle(1).decision_hash);
    let roster = begun(&journal, [VAULT]).await;
    seen(&journal, &roster, 1_000, leaf).await;
    seen(&journal, &roster, 20_000, Err(Absence::Unread)).await;
    let roster = begun(&journal, [VAULT]).await;
    seen(&journal, &roster, 40_000, leaf).await;
    let refused = r#"{"code":"fee_over_cap","dispatch":"refused"}"#.to_owned();
    let capped = CycleRecord { dispatch: Some(refused), ..cycle(40_000) };
    journal.record_cycle(&capped).await.unwrap();
    seen(&journal, &roster, 40_001, Err(Absence::GivenUp)).await;

    // One process went on over it, and no look failed.
    assert_eq!(told(&journal, (1_001, 19_999)).await, [(Cause::Passed, 18_999)]);
    assert_eq!(
        told(&journal, (500, 45_000)).await,
        [
            // None before the first record, none until the second process.
            (Cause::Stopped, 500 + 19_999),
            (Cause::Passed, 18_999),
            // After the last record the journal says nothing.
            (Cause::Silent, 4_999),
            // Block 20,000 was not read.
            (Cause::Endpoint, 1),
            (Cause::GivenUp, 1),
            (Cause::GasCap, 1),
            (Cause::DecidedOtherwise, 1),
        ]
    );
    assert_eq!(told(&journal, (40_000, 40_001)).await, [(Cause::GivenUp, 1), (Cause::GasCap, 1)]);
    assert_eq!(told(&journal, (60_000, 60_009)).await, [(Cause::Silent, 10)]);
    journal.close().await;
}

#[tokio::test]
async fn an_outage_of_any_length_is_no_stop_and_the_end_of_the_journal_is_neither() {
    let directory = TempDir::new().unwrap();
    let journal = Journal::open(&directory.path().join("keeper.db")).await.unwrap();
    let leaf = Ok(cycle(1).decision_hash);
    let roster = begun(&journal, [VAULT]).await;
    seen(&journal, &roster, 1_000, leaf).await;
    // One process before and after it, and records of both that are far from what was missed.
    seen(&journal, &roster, 900_000, leaf).await;
    assert_eq!(told(&journal, (400_000, 400_099)).await, [(Cause::Passed, 100)]);
    // Where a look failed the newest of the blocks that nobody told of says so of all.
    seen(&journal, &roster, 899_999, Err(Absence::Unheard)).await;
    assert_eq!(told(&journal, (400_000, 400_099)).await, [(Cause::Endpoint, 100)]);
    assert_eq!(
        told(&journal, (899_998, 900_000)).await,
        [(Cause::Endpoint, 2), (Cause::DecidedOtherwise, 1)]
    );
    // What the chain has left tells nothing about who was there.
    let roster = begun(&journal, [VAULT]).await;
    seen(&journal, &roster, 2_000, leaf).await;
    assert_eq!(told(&journal, (400_000, 400_099)).await, [(Cause::Endpoint, 100)]);
    for number in [2_000, 899_999, 900_000] {
        journal.mark_orphaned(CHAIN, cycle(number).block_hash).await.unwrap();
    }
    assert_eq!(told(&journal, (400_000, 400_099)).await, [(Cause::Silent, 100)]);
    seen(&journal, &roster, 900_001, leaf).await;
    assert_eq!(told(&journal, (400_000, 400_099)).await, [(Cause::Stopped, 100)]);
    // A process that records another chain alone, or keeps other vaults, does not keep this one.
    assert_eq!(told(&journal, (900_002, 900_003)).await, [(Cause::Silent, 2)]);
    let others = begun(&journal, [Address::repeat_byte(0xbb)]).await;
    seen(&journal, &others, 900_002, leaf).await;
    assert_eq!(told(&journal, (900_002, 900_003)).await, [(Cause::NotKept, 1), (Cause::Silent, 1)]);
    journal.close().await;
}

#[tokio::test]
async fn what_follows_a_refused_start_is_a_lost_lease_until_the_next_one() {
    let directory = TempDir::new().unwrap();
    let journal = Journal::open(&directory.path().join("keeper.db")).await.unwrap();
    let (leaf, held) = (Ok(cycle(1).decision_hash), Err(Absence::KeyHeld));
    let roster = begun(&journal, [VAULT]).await;
    seen(&journal, &roster, 10, leaf).await;
    let roster = begun(&journal, [VAULT]).await;
    seen(&journal, &roster, 20, held).await;
    let lost = [(Cause::LeaseLost, 21), (Cause::Stopped, 9)];
    assert_eq!(told(&journal, (11, 40)).await, lost, "to the end of the journal");
    assert_eq!(
        told(&journal, (30, 40)).await,
        [(Cause::LeaseLost, 11)],
        "the record is before what was missed"
    );
    let roster = begun(&journal, [VAULT]).await;
    seen(&journal, &roster, 30, leaf).await;
    seen(&journal, &roster, 35, leaf).await;
    let mut causes = told(&journal, (11, 40)).await;
    causes.sort();
    let expected = [
        (Cause::Stopped, 9),
        (Cause::LeaseLost, 10),
        (Cause::Silent, 5),
        (Cause::Passed, 4),
        (Cause::DecidedOtherwise, 2),
    ];
    assert_eq!(causes, expected);
    // What an earlier process did at the very block stands.
    let roster = begun(&journal, [VAULT]).await;
    seen(&journal, &roster, 35, held).await;
    assert_eq!(told(&journal, (35, 40)).await, [(Cause::LeaseLost, 5), (Cause::DecidedOtherwise, 1)]);
    // A start that was refused the key of other vaults alone is none of this one's.
    let others = begun(&journal, [Address::repeat_byte(0xbb)]).await;
    seen(&journal, &others, 37, held).await;
    assert_eq!(
        told(&journal, (36, 40)).await,
        [(Cause::Silent, 3), (Cause::NotKept, 1), (Cause::LeaseLost, 1)]
    );
    journal.close().await;
}

#[tokio::test]
async fn a_lost_lease_ends_with_the_next_start_though_that_one_recorded_no_block() {
    let directory = TempDir::new().unwrap();
    let journal = Journal::open(&directory.path().join("keeper.db")).await.unwrap();
    let (leaf, held) = (Ok(cycle(1).decision_hash), Err(Absence::KeyHeld));
    let roster = begun(&journal, [VAULT]).await;
    seen(&journal, &roster, 20, held).await;
    assert_eq!(told(&journal, (21, 40)).await, [(Cause::LeaseLost, 20)]);
    // It got the key, and heard of nothing to the end of the journal.
    begun(&journal, [VAULT]).await;
    assert_eq!(told(&journal, (21, 40)).await, [(Cause::Silent, 20)]);
    assert_eq!(
        told(&journal, (19, 40)).await,
        [(Cause::Silent, 20), (Cause::Stopped, 1), (Cause::LeaseLost, 1)]
    );
    // Nor before the one that came after it.
    let roster = begun(&journal, [VAULT]).await;
    seen(&journal, &roster, 41, leaf).await;
    assert_eq!(told(&journal, (21, 40)).await, [(Cause::Stopped, 20)]);
    assert_eq!(told(&journal, (21, 41)).await, [(Cause::Stopped, 20), (Cause::DecidedOtherwise, 1)]);
    journal.close().await;
}

#[tokio::test]
async fn what_other_vaults_are_told_at_a_height_leaves_what_was_done_with_this_one() {
    let directory = TempDir::new().unwrap();
    let journal = Journal::open(&directory.path().join("keeper.db")).await.unwrap();
    let roster = begun(&journal, [VAULT]).await;
    seen(&journal, &roster, 50, Err(Absence::GivenUp)).await;
    let others = begun(&journal, [Address::repeat_byte(0xbb)]).await;
    seen(&journal, &others, 50, Err(Absence::KeyHeld)).await;
    assert_eq!(told(&journal, (50, 50)).await, [(Cause::GivenUp, 1)]);
    // The one that was refused a key of others is not there for this vault.
    seen(&journal, &others, 53, Ok(cycle(1).decision_hash)).await;
    assert_eq!(told(&journal, (50, 53)).await, [(Cause::NotKept, 3), (Cause::GivenUp, 1)]);
    assert_eq!(told(&journal, (51, 52)).await, [(Cause::NotKept, 2)]);
    // A journal that never had the vault knows that much of every block.
    let theirs = Journal::open(&directory.path().join("theirs.db")).await.unwrap();
    let others = begun(&theirs, [Address::repeat_byte(0xbb)]).await;
    seen(&theirs, &others, 50, Ok(cycle(1).decision_hash)).await;
    assert_eq!(told(&theirs, (40, 60)).await, [(Cause::NotKept, 21)]);
    theirs.close().await;
    journal.close().await;
}

/// The causes of the only miss that `keeper audit` tells of, with their blocks.
async fn audited(home: &Home, (from, to): (u64, u64)) -> Vec<(String, u64)> {
    let (from, to) = (from.to_string(), to.to_string());
    let begin = ["audit", "--vault", "main", "--journal", "keeper.db", "--grace", "2", "--json"];
    let ended = home.start(&[&begin[..], &["--from", &from, "--to", &to]].concat()).end().await;
    let told = ended.json();
    let findings = told["vaults"][0]["findings"].as_array().unwrap();
    let missed: Vec<_> = findings.iter().filter(|finding| finding["finding"] == "missed").collect();
    assert_eq!((ended.code, missed.len()), (Some(1), 1), "{ended:?}");
    let causes = missed[0]["causes"].as_array().unwrap().iter();
    causes.map(|c| (c["cause"].as_str().unwrap().to_owned(), c["blocks"].as_u64().unwrap())).collect()
}

#[tokio::test]
async fn a_keeper_whose_key_another_one_holds_records_so_and_the_audit_names_it() {
    let scene = Scene::set().await;
    let (node, state) = (scene.stage.chain.endpoint(), TempDir::new().unwrap());
    let state = state.path().to_str().unwrap();
    let plan = scene.stage.vault_plan(published(&scene.policy).hash());
    let second = scene.stage.vault(&plan, Decimal::from(1_000_000)).await.unwrap().address;
    // Two keepers of one key, each with a vault and a journal of its own.
    let (mut home, mut other) = (Home::new(&scene, &node).await, Home::new(&scene, &node).await);
    for home in [&mut home, &mut other] {
        home.set("XDG_STATE_HOME", state);
    }
    other.configure(&scene.vault.to_string(), &second.to_string());
    // Which never gets as far as to use it.
    other.configure("max_fee_per_gas_wei = 500_000_000_000", "max_fee_per_gas_wei = 5_000_000_000");
    assert_eq!(other.start(&["run", "--once", "--dry-run"]).end().await.code, Some(0));
    let holder = other.start(&["run"]);
    until("the other keeper works", async || other.blocks(&scene).await.len() > 1).await;
    let from = scene.stage.chain.block_number().await.unwrap();
    scene.mine(2).await;
    let refused_at = scene.stage.chain.block_number().await.unwrap();
    for blocks in [3, 4] {
        let ended = home.once().await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
        assert!(ended.message().contains("is in use by process"), "{ended:?}");
        scene.mine(blocks).await;
    }
    let to = scene.stage.chain.block_number().await.unwrap();
    let cause = |name: &str, blocks| (name.to_owned(), blocks);
    let expected = [cause("lease_lost", to - refused_at + 1), cause("stopped", refused_at - from)];
    assert_eq!((audited(&home, (from, to)).await, to - refused_at), (expected.into(), 7));

    let seen = home.blocks(&scene).await;
    let absent: Vec<_> = seen.iter().map(|block| (block.number, block.absences.of(scene.vault))).collect();
    let held = Some(Absence::KeyHeld);
    assert_eq!(absent, [(refused_at, held), (refused_at + 3, held)]);
    let status = home.start(&["status", "--json"]).end().await.json();
    assert_eq!(status[0]["seen"]["absent"], "key_held", "{status}");

    // The other one ends, and a start gets the key.
    assert_eq!(holder.terminate().await.code, Some(0));
    assert_eq!(home.once_mined(&scene).await.json()["dispatch"], "executed");
    let last = scene.stage.chain.block_number().await.unwrap();
    let expected = [cause("lease_lost", 7), cause("stopped", 2), cause("in_flight", 1)];
    assert_eq!(audited(&home, (from, last)).await, expected);
    let journal = ["--journal", "keeper.db", "--vault", "main", "--no-execution", "--json"];
    let replayed = home.start(&[&["replay"], &journal[..]].concat()).end().await;
    assert_eq!((replayed.code, &replayed.json()["equal"]), (Some(0), &true.into()), "{replayed:?}");
}

#[tokio::test]
async fn every_way_in_which_nothing_was_sent_is_a_cause_of_its_own() {
    let directory = TempDir::new().unwrap();
    let journal = Journal::open(&directory.path().join("keeper.db")).await.unwrap();
    let roster = begun(&journal, [VAULT]).await;
    let refused = |code: &str| Cause::Refused { code: code.to_owned() };
    let cases = [
        (r#"{"code":"fee_over_cap","dispatch":"refused","message":"m"}"#, Cause::GasCap),
        (r#"{"code":"would_revert","dispatch":"refused","message":"m"}"#, refused("would_revert")),
        // The words are for people: what they say changes nothing.
        (r#"{"code":"node","dispatch":"failed","message":"the node halted: m"}"#, Cause::Endpoint),
        (r#"{"code":"key","dispatch":"failed","message":"the signer did not answer"}"#, Cause::Key),
        (r#"{"code":"intent","dispatch":"failed","message":"m"}"#, Cause::Unknown),
        (r#"{"dispatch":"dry_run","gas_limit":"1"}"#, Cause::DryRun),
        (r#"{"dispatch":"in_flight","intent":"1"}"#, Cause::InFlight),
        (r#"{"dispatch":"withdrawn","intent":"1","why":"m"}"#, Cause::InFlight),
        (r#"{"dispatch":"something"}"#, Cause::Unknown),
    ];
    for (number, (dispatch, cause)) in (100..).zip(cases) {
        let record = CycleRecord { dispatch: Some(dispatch.to_owned()), ..cycle(number) };
        journal.record_cycle(&record).await.unwrap();
        seen(&journal, &roster, number, Err(Absence::Failed)).await;
        assert_eq!(told(&journal, (number, number)).await, [(cause, 1)], "{dispatch}");
    }
    let held = CycleRecord { verdict: "hold".to_owned(), ..cycle(200) };
    journal.record_cycle(&held).await.unwrap();
    assert_eq!(told(&journal, (200, 200)).await, [(Cause::DecidedOtherwise, 1)]);
    let absent = [
        (Absence::NoVerdict, Cause::Endpoint),
        (Absence::Unheard, Cause::Endpoint),
        (Absence::Unread, Cause::Endpoint),
        (Absence::GivenUp, Cause::GivenUp),
        (Absence::Failed, Cause::Unknown),
    ];
    for (number, (absence, cause)) in (300..).zip(absent) {
        seen(&journal, &roster, number, Err(absence)).await;
        assert_eq!(told(&journal, (number, number)).await, [(cause, 1)], "{absence:?}");
    }
    journal.close().await;
}

/// A signer of this account that signs nothing.
struct Locked(Address);

#[async_trait::async_trait]
impl TxSigner<Signature> for Locked {
    fn address(&self) -> Address {
        self.0
    }

    async fn sign_transaction(
        &self,
        _: &mut dyn SignableTransaction<Signature>,
    ) -> alloy::signers::Result<Signature> {
        Err(alloy::signers::Error::other("it is locked"))
    }
}

/// A keeper of the rig's vault with this hand.
fn keeper_of(rig: &Rig, hand: Hand) -> Keeper {
    let facts = (rig.scene.vault, vec![published(&rig.scene.policy)]);
    let endpoint = rig.pool.reader().unwrap().endpoint().clone();
    Keeper::new("main".to_owned(), facts, endpoint, rig.journal.clone(), hand)
}

/// A cycle of this keeper at the newest block, or of the rig's, with the record of the block as `keeper run` makes it.
async fn kept(rig: &mut Rig, keeper: Option<&mut Keeper>, roster: &Roster) -> Result<Cycle, CycleError> {
    let head = rig.head().await;
    let cycle = keeper.unwrap_or(&mut rig.keeper).cycle(&head).await;
    let standing = cycle.as_ref().map(|cycle| cycle.leaf).map_err(CycleError::absence);
    noted(rig, roster, standing).await;
    cycle
}

/// The record of the newest block, at which the vault stands so; its height.
async fn noted(rig: &Rig, roster: &Roster, standing: Standing) -> u64 {
    let head = rig.head().await;
    let vaults = BTreeMap::from([(rig.scene.vault, standing)]);
    let (number, hash, timestamp) = (head.number, head.hash, head.timestamp);
    rig.journal.record_block(roster, &BlockRecord { number, hash, timestamp, vaults }).await.unwrap();
    number
}

#[tokio::test]
async fn what_kept_a_real_keeper_from_acting_is_told_block_by_block() {
    let mut rig = Rig::set().await;
    let (vault, keeper) = (rig.scene.vault, rig.scene.keeper);
    let from = rig.head().await.number;
    let roster = begins(&rig.journal, vault).await;
    // It only looks.
    let facts = (vault, vec![published(&rig.scene.policy)]);
    let endpoint = rig.pool.reader().unwrap().endpoint().clone();
    let mut dry = Keeper::new("main".to_owned(), facts, endpoint, rig.journal.clone(), Hand::Dry(sending()));
    for _ in 0..3 {
        kept(&mut rig, Some(&mut dry), &roster).await.unwrap();
        rig.scene.mine(1).await;
    }
    // The vault obeys another key for five blocks.
    rig.scene.stage.appoint(vault, Address::repeat_byte(0x77)).await.unwrap();
    for _ in 0..5 {
        kept(&mut rig, None, &roster).await.unwrap();
        rig.scene.mine(1).await;
    }
    rig.scene.stage.appoint(vault, keeper).await.unwrap();
    // The facts can be read, and the call cannot be rehearsed.
    for _ in 0..7 {
        rig.proxies[0].obey();
        rig.proxies[0].rule("eth_call", Calls::Nth(1), Act::Drop);
        let failed = kept(&mut rig, None, &roster).await.unwrap_err();
        assert!(matches!(failed, CycleError::Chain(_)), "{failed}");
        rig.scene.mine(1).await;
    }
    rig.proxies[0].obey();
    // The key is where nobody answers for it.
    let key = KeeperKey::new(Locked(keeper), Duration::from_secs(10));
    let engine = Engine::new(rig.pool.clone(), rig.journal.clone(), key, sending());
    let mut locked = keeper_of(&rig, Hand::Send(Arc::new(engine), sending()));
    for _ in 0..9 {
        let failed = kept(&mut rig, Some(&mut locked), &roster).await.unwrap_err();
        assert!(failed.to_string().contains("could not sign: it is locked"), "{failed}");
        rig.scene.mine(1).await;
    }
    // At the last block the vault is given up.
    rig.scene.mine(1).await;
    let to = noted(&rig, &roster, Err(Absence::GivenUp)).await;

    let source = source(&[("archive", &rig.scene.stage.chain.endpoint())], Mode::Auto).await;
    let policies = vec![published(&rig.scene.policy)];
    let subjects = [Subject { name: "main".to_owned(), vault, policies }];
    let question = Question { from, to, grace: 5, reading: Reading::Every };
    let mut audit = Audit::new(&source, question, (&subjects, &[]), None);
    while audit.stretch().await.unwrap() {}
    let mut found = audit.found().remove(0);
    found.look_up(&rig.journal, CHAIN).await.unwrap();
    let [Finding::Missed { episode, causes }] = &found.findings[..] else { panic!("{found:?}") };
    assert_eq!((episode.from, episode.to, episode.end), (from, to, End::Open));
    let causes: Vec<_> = causes.iter().map(|caused| (caused.cause.clone(), caused.blocks)).collect();
    let refused = Cause::Refused { code: "not_authorised".to_owned() };
    assert_eq!(
        causes,
        [
            (Cause::Key, 9),
            (Cause::Endpoint, 7),
            (refused, 5),
            // Before each transaction of the owner, and before the last one: the keeper did not look.
            (Cause::Passed, 3),
            (Cause::DryRun, 3),
            (Cause::GivenUp, 1),
        ]
    );
}
