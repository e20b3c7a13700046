//! The transaction engine's state machine against a simulated chain: random histories of faults, reorganisations and
//! crashes, with the invariants checked after every step.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails where it stands"
)]

#[path = "support/sim.rs"]
mod sim;

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngAlgorithm, RngSeed, TestRng, TestRunner};
use sim::{CALM, DEPTH, Fault, Process, Sim};
use vault_keeper::execution::machine::{Fate, Kind, Phase};

/// One step of a history.
#[derive(Debug, Clone)]
enum Act {
    Turn,
    Mine(usize),
    Reorganise(u64, bool),
    BaseFee(u64),
    Fault(usize, Fault),
    DropPool(usize),
    Replay(usize, usize),
    Plan(u8, bool, u64),
    Withdraw(u8),
    Averse(u8, bool),
    Keyless(bool),
    Die(u32),
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        3 => Just(Fault::None),
        1 => Just(Fault::Down),
        1 => (1_u64..8).prop_map(Fault::Lags),
        1 => Just(Fault::NoReceipts),
        1 => Just(Fault::ForgedReceipts),
        1 => Just(Fault::ForgedBlocks),
        1 => Just(Fault::LosesAnswers),
        1 => Just(Fault::Forgets),
        1 => Just(Fault::WrongHash),
        1 => Just(Fault::Poor),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        12 => Just(Act::Turn),
        8 => (0_usize..3).prop_map(Act::Mine),
        2 => (1..=DEPTH, any::<bool>()).prop_map(|(depth, keep)| Act::Reorganise(depth, keep)),
        2 => prop_oneof![Just(CALM), 1_u64..150, Just(400)].prop_map(Act::BaseFee),
        3 => (0_usize..3, fault()).prop_map(|(node, fault)| Act::Fault(node, fault)),
        1 => (0_usize..3).prop_map(Act::DropPool),
        1 => (any::<usize>(), 0_usize..3).prop_map(|(which, node)| Act::Replay(which, node)),
        4 => (1_u8..4, any::<bool>(), 1_u64..30).prop_map(|(vault, urgent, patience)| Act::Plan(vault, urgent, patience)),
        1 => (1_u8..4).prop_map(Act::Withdraw),
        1 => (1_u8..4, any::<bool>()).prop_map(|(vault, averse)| Act::Averse(vault, averse)),
        2 => prop_oneof![1 => Just(true), 4 => Just(false)].prop_map(Act::Keyless),
        3 => (0_u32..12).prop_map(Act::Die),
    ]
}

async fn play(sim: &Sim, process: &mut Process<'_>, act: &Act) {
    match *act {
        Act::Turn => process.turn().await,
        Act::Mine(node) => sim.mine(node),
        Act::Reorganise(depth, keep) => sim.reorganise(depth, keep),
        Act::BaseFee(fee) => sim.base_fee(fee),
        // One node may lie; the others may fail.
        Act::Fault(node, fault) => sim.fault(if fault.is_a_lie() { 0 } else { node }, fault),
        Act::DropPool(node) => sim.drop_pool(node),
        Act::Replay(which, node) => sim.replay(which, node),
        Act::Plan(vault, urgent, patience) => process.plan(vault, urgent, patience).await,
        Act::Withdraw(vault) => process.withdraw(vault).await,
        Act::Averse(vault, averse) => sim.turn_averse(vault, averse),
        Act::Keyless(away) => sim.keep_the_key(away),
        Act::Die(steps) => sim.die_in(steps),
    }
}

/// Plays a history, then a calm end of it, and says what broke.
async fn history(acts: &[Act], nodes: usize) -> Result<(), String> {
    let sim = Sim::new(nodes);
    let mut process = Process::start(&sim);
    for (at, act) in acts.iter().enumerate() {
        play(&sim, &mut process, act).await;
        if let Some(broken) = sim.broken().or_else(|| process.broken()) {
            return Err(format!("{broken}, after step {at}: {act:?}"));
        }
        if process.halted {
            return Err(format!("halted without a foreign transaction, after step {at}: {act:?}"));
        }
    }
    calm(&sim, &mut process).await
}

/// Ends what goes wrong, and waits until everything has come to its end.
async fn calm(sim: &Sim, process: &mut Process<'_>) -> Result<(), String> {
    sim.heal();
    for round in 0..120_usize {
        process.turn().await;
        sim.mine(round);
        if let Some(broken) = sim.broken() {
            return Err(format!("{broken}, in the calm"));
        }
    }
    let open = sim.open();
    if open.iter().any(|slot| !matches!(slot.phase, Phase::Parked | Phase::Refused(_))) {
        return Err(format!("I5: not ended in the calm: {open:?}"));
    }
    let ended = sim.slots().len() - open.len();
    if open.is_empty() && sim.consumed() != u64::try_from(ended).unwrap() {
        return Err(format!("I4: {} transactions of {ended} nonces", sim.consumed()));
    }
    Ok(())
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// How many histories: many more in an optimised build.
const HISTORIES: u32 = if cfg!(debug_assertions) { 10_000 } else { 100_000 };

proptest! {
    #![proptest_config(ProptestConfig { cases: HISTORIES, rng_seed: RngSeed::Fixed(2026), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn fault_56_no_random_history_of_faults_breaks_an_invariant(acts in prop::collection::vec(act(), 1..60)) {
        let ended = run(history(&acts, 3));
        prop_assert!(ended.is_ok(), "{}", ended.unwrap_err());
    }

    /// Of one node alone, a lie that contradicts itself is found; no other can be.
    #[test]
    fn fault_56_with_a_single_node_none_breaks_one_either(acts in prop::collection::vec(act(), 1..40)) {
        let told = |act: &Act| !matches!(act, Act::Fault(_, Fault::ForgedBlocks | Fault::NoReceipts));
        let acts: Vec<Act> = acts.into_iter().filter(told).collect();
        let ended = run(history(&acts, 1));
        prop_assert!(ended.is_ok(), "{}", ended.unwrap_err());
    }
}

/// The ends of many histories, so that nobody is proud of a simulation in which nothing happens.
#[derive(Debug, Default)]
struct Tally {
    fates: BTreeMap<Fate, usize>,
    kinds: BTreeMap<Kind, usize>,
    shared: usize,
    held: u32,
}

#[test]
fn the_histories_hold_every_kind_of_signature_and_of_end() {
    let mut runner =
        TestRunner::new_with_rng(ProptestConfig::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let acts = prop::collection::vec(act(), 1..60);
    let mut tally = Tally::default();
    for _ in 0..600 {
        let acts = acts.new_tree(&mut runner).unwrap().current();
        let sim = Sim::new(3);
        run(async {
            let mut process = Process::start(&sim);
            for act in &acts {
                play(&sim, &mut process, act).await;
            }
            calm(&sim, &mut process).await.unwrap();
        });
        tally.held += sim.held_up();
        for slot in sim.slots() {
            tally.shared += usize::from(slot.claims.len() > 1);
            slot.attempts.iter().for_each(|attempt| *tally.kinds.entry(attempt.kind).or_default() += 1);
            slot.fates().into_iter().flatten().for_each(|fate| *tally.fates.entry(fate).or_default() += 1);
        }
    }
    for kind in [Kind::Original, Kind::Bump, Kind::Cancel] {
        assert!(tally.kinds.get(&kind).is_some_and(|count| *count >= 50), "{tally:?}");
    }
    for fate in [Fate::Executed, Fate::Reverted, Fate::Cancelled, Fate::Superseded] {
        assert!(tally.fates.get(&fate).is_some_and(|count| *count >= 5), "{tally:?}");
    }
    assert!(tally.shared >= 5 && tally.held >= 5, "{tally:?}");
}

#[test]
fn a_foreign_transaction_at_the_nonce_halts_the_key_after_two_looks_at_its_depth() {
    let sim = Sim::new(3);
    run(async {
        let mut process = Process::start(&sim);
        process.plan(1, false, 1_000).await;
        (0..3).for_each(|node| sim.drop_pool(node));
        sim.foreign();
        sim.mine(0);
        for depth in 0..DEPTH {
            process.turn().await;
            assert!(!process.halted, "{depth} blocks deep");
            sim.mine(0);
        }
        process.turn().await;
        assert!(!process.halted, "one look is no proof");
        // Again at the same head.
        process.turn().await;
        assert!(!process.halted, "one head is no proof");
        sim.mine(0);
        process.turn().await;
        assert!(process.halted);
        assert_eq!(sim.slots().iter().map(|slot| slot.phase).collect::<Vec<_>>(), [Phase::Foreign]);
        // A restart stays halted, whatever is planned.
        let mut process = Process::start(&sim);
        process.plan(2, true, 1_000).await;
        assert!(process.halted);
        assert_eq!(sim.slots().len(), 1);
    });
}

#[test]
fn fault_16_dropped_bytes_are_sent_again_as_they_were() {
    let sim = Sim::new(3);
    run(async {
        let mut process = Process::start(&sim);
        process.plan(1, false, 1_000).await;
        let sent = sim.slots()[0].attempts[0].hash;
        (0..3).for_each(|node| sim.drop_pool(node));
        process.turn().await;
        assert!((0..3).all(|node| sim.holds(node, sent)));
        assert_eq!(sim.slots()[0].attempts.len(), 1, "nothing new is signed");
    });
}

#[test]
fn fault_15_only_the_lowest_nonce_is_raised_and_what_vanished_is_sent_again() {
    let sim = Sim::new(3);
    run(async {
        let mut process = Process::start(&sim);
        process.plan(1, false, 1_000).await;
        process.plan(2, false, 1_000).await;
        // Nothing is mined: the base fee stands above both.
        sim.base_fee(150);
        (0..3).for_each(|node| sim.drop_pool(node));
        for _ in 0..3 {
            process.turn().await;
            sim.mine(0);
        }
        process.turn().await;
        let slots = sim.slots();
        assert_eq!(slots[0].attempts.len(), 2, "{slots:?}");
        assert_eq!(slots[1].attempts.len(), 1, "{slots:?}");
        assert!((0..3).all(|node| sim.holds(node, slots[1].attempts[0].hash)));
    });
}
