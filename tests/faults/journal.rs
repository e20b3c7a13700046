//! The journal is torn, damaged, full, lost or old, or another keeper has the key.

use std::sync::Arc;

use alloy::primitives::{Address, B256, U256};
use serde_json::Value;
use tempfile::TempDir;
use vault_keeper::execution::{ExecutionError, Halt, Outcome, Patience, SendingConfig};
use vault_keeper::journal::{CycleRecord, IntentState, Journal, JournalError, JournalOptions, Urgency};
use vault_keeper::keeper::{Cycle, CycleError, Dispatch};

use crate::keeper_process::{Deeds, Home, PRICE, until};
use crate::proxy::{Act, Calls};
use crate::rig::{Build, Rig, copied, sending};

/// Bytes of a frame of the log: its header and a page.
const FRAME: usize = 24 + 4_096;

/// Where the newest frame of the log in `directory` begins; frames of earlier logs may follow.
fn newest_frame(log: &[u8]) -> usize {
    let salts = &log[16..24];
    let frames = (32..log.len()).step_by(FRAME);
    frames.take_while(|at| log.get(at + 8..at + 16) == Some(salts)).last().unwrap()
}

/// A copy of a journal with another log.
fn with_log(image: &TempDir, change: impl FnOnce(&mut Vec<u8>)) -> TempDir {
    let copy = copied(image);
    let path = copy.path().join("keeper.db-wal");
    let mut log = std::fs::read(&path).unwrap();
    change(&mut log);
    std::fs::write(path, log).unwrap();
    copy
}

fn path(directory: &TempDir) -> std::path::PathBuf {
    directory.path().join("keeper.db")
}

/// Why the key is halted.
fn halted(cycle: Result<Cycle, CycleError>) -> Halt {
    match cycle {
        Err(CycleError::Execution(ExecutionError::Halted(halt))) => halt,
        other => panic!("{:?}", other.map(|cycle| cycle.dispatch)),
    }
}

#[tokio::test]
async fn fault_08_a_torn_tail_is_dropped_and_looked_for_again_and_damage_before_it_stops_the_start() {
    use IntentState::{Executed, Included, Live, Prepared};
    let rig = Rig::set().await;
    let mut rig = rig;
    let intent = rig.sent().await;
    rig.mine_and_resolve(2).await;
    assert_eq!(rig.states(intent).await, [Prepared, Live, Included, Executed]);
    let killed = rig.image();

    let damaged = with_log(&killed, |log| log[32 + 100] ^= 1);
    let refused = Journal::open(&path(&damaged)).await.unwrap_err();
    assert!(matches!(&refused, JournalError::Corrupt { .. }), "{refused}");
    assert!(refused.to_string().contains("keep the file, restore a copy"), "{refused}");

    for torn in [8, 24, 24 + 2_048, FRAME - 1] {
        let torn = with_log(&killed, |log| log.truncate(newest_frame(log) + torn));
        rig = rig.restart_on(Some(torn)).await;
        assert_eq!(rig.states(intent).await, [Prepared, Live, Included], "what was whole is kept");
        rig.engine.recover().await.unwrap();
        assert_eq!(rig.states(intent).await, [Prepared, Live, Included, Executed]);
        rig.assert_executed_once().await;
    }
    assert_eq!(rig.handed_over().len(), 1);
}

/// Writes records of another vault until no further one has room; each is smaller than one of the keeper.
async fn fill(journal: &Journal) {
    let filler = |block: u64| CycleRecord {
        chain_id: 1,
        vault: Address::repeat_byte(0xf1),
        block_number: block,
        block_hash: B256::from(U256::from(block)),
        block_timestamp: block,
        policy_hash: B256::repeat_byte(1),
        snapshot_hash: B256::repeat_byte(2),
        decision_hash: B256::from(U256::from(block)),
        verdict: "hold".to_owned(),
        reason: None,
        decision_json: "{}".to_owned(),
        snapshot_json: None,
        dispatch: None,
        urgency: Urgency::Routine,
    };
    for block in 0..100 {
        match journal.record_cycle(&filler(block)).await {
            Ok(_) => {}
            Err(JournalError::DiskFull { .. }) => return,
            Err(other) => panic!("{other}"),
        }
    }
    panic!("there is room for 100 records in full pages");
}

#[tokio::test]
async fn fault_08_on_a_full_disk_nothing_is_broadcast_and_the_keeper_stops() {
    let mut rig = Rig::set().await;
    let image = {
        rig = rig.restart().await;
        rig.image()
    };
    let pages = std::fs::metadata(path(&image)).unwrap().len() / 4_096;
    rig.build.journal = JournalOptions { max_pages: Some(u32::try_from(pages).unwrap()) };
    rig = rig.restart().await;
    fill(&rig.journal).await;
    rig = rig.restart().await;
    let full = rig.cycle().await.unwrap_err();
    assert!(
        matches!(
            &full,
            CycleError::Execution(ExecutionError::Journal(JournalError::DiskFull { .. }))
                | CycleError::Journal(JournalError::DiskFull { .. })
        ),
        "{full}"
    );
    assert!(!full.is_passing(), "the program ends with it");
    assert!(full.to_string().contains("is full; nothing was sent that is not recorded"), "{full}");
    let next = rig.cycle().await.unwrap_err();
    assert!(next.to_string().contains("takes no further write after one that failed"), "{next}");
    assert!(rig.handed_over().is_empty(), "broadcast and not recorded");
    assert_eq!(rig.scene.deeds().await, Deeds::NONE);
    assert_eq!(rig.entries().await, []);

    rig.build.journal = JournalOptions::default();
    rig = rig.restart().await;
    rig.sent().await;
    rig.mine_and_resolve(2).await;
    rig.assert_executed_once().await;
}

/// Makes syncing fail in a process while there is the file that `FAILING` names, and returns the library.
#[cfg(target_os = "linux")]
fn failing_sync(home: &Home) -> std::path::PathBuf {
    let (source, shim) = (home.path("shim.c"), home.path("shim.so"));
    std::fs::write(
        &source,
        "#define _GNU_SOURCE\n#include <dlfcn.h>\n#include <errno.h>\n#include <stdlib.h>\n#include <unistd.h>\n\
         static int call(const char *name, int file) {\n  if (access(getenv(\"FAILING\"), F_OK) == 0) { errno = EIO; \
         return -1; }\n  return ((int (*)(int))dlsym(RTLD_NEXT, name))(file);\n}\n\
         int fdatasync(int file) { return call(\"fdatasync\", file); }\n\
         int fsync(int file) { return call(\"fsync\", file); }\n",
    )
    .unwrap();
    let mut compiler = std::process::Command::new("cc");
    let compiled = compiler.args(["-shared", "-fPIC", "-o"]).arg(&shim).arg(&source).arg("-ldl").status();
    assert!(compiled.unwrap().success(), "a C compiler is among the requirements");
    shim
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn fault_08_where_syncing_fails_nothing_is_broadcast_and_the_program_ends() {
    let rig = Rig::set().await;
    let (scene, proxy) = (&rig.scene, &rig.proxies[0]);
    let mut home = Home::new(scene, proxy.url()).await;
    let (shim, failing) = (failing_sync(&home), home.path("failing"));
    home.set("LD_PRELOAD", shim.to_str().unwrap());
    home.set("FAILING", failing.to_str().unwrap());
    // From the last question before the signature on.
    let disk_fails = failing.clone();
    let act = Act::Mutate(Arc::new(move |_: &Value, _: &mut Value| std::fs::write(&disk_fails, "").unwrap()));
    proxy.rule("eth_maxPriorityFeePerGas", Calls::First(1), act);
    let ended = home.once().await;
    assert!(failing.exists());
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.message().contains("nothing was sent that is not recorded: check the disk"), "{ended:?}");
    assert!(proxy.transactions().is_empty(), "broadcast and not durable");
    assert_eq!(scene.deeds().await, Deeds::NONE);

    std::fs::remove_file(failing).unwrap();
    for _ in 0..2 {
        let ended = home.once_mined(scene).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
    let intents = home.intents(scene).await;
    assert_eq!(intents.len(), 1, "{intents:?}");
    assert_eq!(intents[0].last_event.state, IntentState::Executed);
    assert!(proxy.transactions().iter().all(|raw| *raw == intents[0].attempts[0].raw));
    assert_eq!(scene.deeds().await, Deeds::ONE);
}

#[tokio::test]
async fn fault_09_a_second_keeper_with_the_same_journal_or_key_refuses_to_start() {
    let rig = Rig::set().await;
    let (scene, proxy) = (&rig.scene, &rig.proxies[0]);
    let state = TempDir::new().unwrap();
    let mut home = Home::new(scene, proxy.url()).await;
    home.set("XDG_STATE_HOME", state.path().to_str().unwrap());
    let first = home.start(&["run"]);
    scene.until_sent().await;
    let sent = proxy.transactions();

    let same_journal = home.once().await;
    let mut elsewhere = Home::new(scene, proxy.url()).await;
    elsewhere.set("XDG_STATE_HOME", state.path().to_str().unwrap());
    let same_key = elsewhere.once().await;
    let holder = format!("in use by process {}", first.id());
    for second in [same_journal, same_key] {
        assert_eq!((second.code, second.stdout.as_str()), (Some(2), ""), "{second:?}");
        assert!(second.message().contains(&holder), "{second:?}");
        assert!(second.message().contains("one key has one writer"), "{second:?}");
    }
    assert_eq!(elsewhere.intents(scene).await, []);
    scene.mine(2).await;
    until("it is executed", async || {
        home.intents(scene).await.iter().any(|intent| intent.last_event.state == IntentState::Executed)
    })
    .await;
    first.terminate().await;
    assert!(proxy.transactions().iter().all(|raw| sent.contains(raw)), "one signature");
    assert_eq!(scene.deeds().await, Deeds::ONE);
}

#[tokio::test]
async fn fault_09_a_twin_elsewhere_is_refused_while_anything_is_pending_and_halts_the_other_once_it_was_quicker()
 {
    let mut rig = Rig::set().await;
    let intent = rig.sent().await;
    let elsewhere = TempDir::new().unwrap();
    let (engine, mut twin) = rig.twin(&elsewhere).await;
    let head = rig.head().await;
    let halt = halted(twin.cycle(&head).await);
    assert!(matches!(halt, Halt::PoolAhead { expected: 0, pending: 1, .. }), "{halt}");

    // The node loses it, and the twin cannot know: both have signed the nonce.
    rig.lose_what_waits().await;
    rig.scene.price(PRICE + 1, 12).await;
    let head = rig.head().await;
    let dispatch = twin.cycle(&head).await.unwrap().dispatch;
    assert!(matches!(dispatch, Dispatch::Sent { .. }), "{dispatch:?}");
    rig.scene.mine(2).await;
    let own = engine.resolve().await.unwrap();
    assert!(matches!(own[0].1, Outcome::Executed(_)), "{own:?}");
    // Two observations at different heads, and then it signs nothing more.
    rig.resolve().await.unwrap();
    assert_ne!(rig.state().await, IntentState::Foreign, "on one observation nobody is accused");
    rig.scene.mine(1).await;
    let halt = rig.resolve().await.unwrap_err();
    assert!(
        matches!(&halt, ExecutionError::Halted(Halt::ForeignNonce { nonce: 0, intent: of, .. }) if *of == intent),
        "{halt}"
    );
    assert_eq!(rig.state().await, IntentState::Foreign);
    rig.rise().await;
    let halt = refuses(&mut rig).await;
    assert!(matches!(halt, Halt::ForeignNonce { nonce: 0, .. }), "{halt}");
    let deeds = rig.scene.deeds().await;
    assert_eq!((deeds.mined, deeds.rebalanced), (1, 1));
}

/// Asserts that a keeper on this journal signs nothing, and says why.
async fn refuses(rig: &mut Rig) -> Halt {
    let (handed_over, signed) = (rig.handed_over().len(), rig.entries().await.len());
    let halt = halted(rig.cycle().await);
    assert_eq!(rig.entries().await.len(), signed, "signed");
    assert_eq!(rig.handed_over().len(), handed_over, "sent");
    halt
}

#[tokio::test]
async fn fault_55_with_the_journal_lost_nothing_is_signed_while_a_transaction_is_pending() {
    let mut rig = Rig::set().await;
    rig.sent().await;
    let kept = rig.image();
    rig = rig.restart_on(Some(TempDir::new().unwrap())).await;
    let halt = refuses(&mut rig).await;
    assert!(matches!(halt, Halt::PoolAhead { expected: 0, pending: 1, .. }), "{halt}");
    assert!(halt.to_string().contains("Wait until none is pending"), "{halt}");

    // Once it is mined chain and pool agree, and the vault says what it needs: nothing.
    rig.scene.mine(2).await;
    let dispatch = rig.dispatched().await;
    assert!(matches!(dispatch, Dispatch::Nothing), "{dispatch:?}");
    assert_eq!(rig.scene.deeds().await, Deeds::ONE);

    // With the journal back it is found.
    rig = rig.restart_on(Some(kept)).await;
    rig.engine.recover().await.unwrap();
    rig.assert_executed_once().await;
}

#[tokio::test]
async fn fault_55_with_an_old_journal_nothing_is_signed_whether_what_it_lacks_is_pending_or_mined() {
    let mut rig = Rig::set().await;
    rig.sent().await;
    let old = rig.image();
    rig.mine_and_resolve(2).await;
    rig.assert_executed_once().await;
    // A rise, and another trade.
    rig.rise().await;
    rig.sent().await;
    let newest = rig.image();

    rig = rig.restart_on(Some(copied(&old))).await;
    rig.engine.recover().await.unwrap();
    assert_eq!(rig.state().await, IntentState::Executed, "what it knows is found");
    let halt = refuses(&mut rig).await;
    assert!(matches!(halt, Halt::PoolAhead { expected: 1, pending: 2, .. }), "{halt}");

    rig.scene.mine(2).await;
    rig = rig.restart_on(Some(old)).await;
    rig.engine.recover().await.unwrap();
    rig.scene.price(PRICE + 2_400, 301).await;
    rig.scene.price(PRICE + 2_400, 3_600).await;
    let halt = refuses(&mut rig).await;
    assert!(matches!(halt, Halt::ChainAhead { journal: 1, chain: 2, .. }), "{halt}");
    assert!(halt.to_string().contains("the newest journal"), "{halt}");

    rig = rig.restart_on(Some(newest)).await;
    rig.engine.recover().await.unwrap();
    let states: Vec<_> = rig.entries().await.iter().map(|entry| entry.last_event.state).collect();
    assert_eq!(states, [IntentState::Executed; 2]);
    rig.assert_invariants().await;
}

#[tokio::test]
async fn fault_55_an_old_journal_without_the_bump_that_was_mined_halts_its_key() {
    let patience = Patience { bump_after: 1, ..Patience::default() };
    let sending = SendingConfig { patience, ..sending() };
    let mut rig = Rig::of(Build { sending, ..Build::default() }).await;
    let intent = rig.sent().await;
    let old = rig.image();
    rig.lose_what_waits().await;
    rig.mine_and_resolve(1).await;
    assert_eq!(rig.hashes(intent).await.len(), 2);
    let newest = rig.image();
    rig.scene.mine(2).await;

    rig = rig.restart_on(Some(old)).await;
    let handed_over = rig.handed_over().len();
    rig.engine.recover().await.unwrap();
    rig.scene.mine(1).await;
    let halt = rig.resolve().await.unwrap_err();
    assert!(matches!(&halt, ExecutionError::Halted(Halt::ForeignNonce { nonce: 0, .. })), "{halt}");
    assert_eq!(rig.hashes(intent).await.len(), 1, "nothing more is signed");
    assert_eq!(rig.handed_over().len(), handed_over);

    rig = rig.restart_on(Some(newest)).await;
    rig.engine.recover().await.unwrap();
    rig.mine_and_resolve(1).await;
    rig.assert_executed_once().await;
}
