//! Bumps: never what a node refuses as a replacement, never over a cap, and in the end included.

use alloy::consensus::Transaction;
use vault_keeper::execution::{FeeCaps, Outcome, ParkReason, Patience, Rejection, SendingConfig};
use vault_keeper::journal::{AttemptRecord, IntentState};

use crate::geth::{decoded, replacement_rule};
use crate::proxy::{Act, Calls};
use crate::rig::{Build, GWEI, Heard, Rig, SEND, sending};

/// Base fee of the scene, wei per gas.
const BASE_FEE: u128 = 20 * GWEI;

/// Bids more after so many blocks, within these limits.
fn bumping(bump_after: u64, fees: FeeCaps) -> Build {
    let patience = Patience { bump_after, ..Patience::default() };
    Build { sending: SendingConfig { patience, fees, ..sending() }, ..Build::default() }
}

/// Fee cap and tip of each signature of the newest intent, wei per gas.
async fn bids(rig: &Rig) -> Vec<(u128, u128)> {
    let bid = |a: &AttemptRecord| (a.max_fee_per_gas, a.max_priority_fee_per_gas);
    rig.entry().await.attempts.iter().map(bid).collect()
}

/// Asserts that the newest signature of the only intent was executed at nonce 0.
async fn assert_newest_executed(rig: &Rig) {
    rig.assert_executed_once().await;
    let entry = rig.entry().await;
    assert_eq!((rig.entries().await.len(), entry.record.nonce), (1, 0));
    let newest = entry.attempts.last().unwrap().hash.to_string();
    assert_eq!(entry.last_event.detail["transaction"], newest);
}

#[tokio::test]
async fn fault_11_after_a_lost_bump_and_a_restart_the_next_bump_outbids_the_highest_that_is_recorded() {
    let mut rig = Rig::of(bumping(1, sending().fees)).await;
    rig.proxies[0].rule(SEND, Calls::Nth(1), Act::DropAfterForwarding);
    rig.proxies[0].rule(SEND, Calls::Every, replacement_rule());
    let intent = rig.sent().await;
    rig.mine_without(30 * GWEI).await;
    rig.resolve().await.unwrap();
    assert_eq!(rig.publications(intent).await, ["accepted", "unclear"], "the bump is lost");
    let rig = rig.restart().await;
    rig.resolve().await.unwrap();
    // Above the market by less than a tenth of the lost bump.
    rig.mine_without(31 * GWEI).await;
    rig.resolve().await.unwrap();
    assert_eq!(rig.publications(intent).await, ["accepted", "unclear", "accepted", "accepted"]);
    let bids = bids(&rig).await;
    let [first, lost, last] = bids.as_slice() else { panic!("{bids:?}") };
    assert!(lost.0 > first.0 + first.0.div_ceil(8), "the market's: {bids:?}");
    assert_eq!(*last, (lost.0 + lost.0.div_ceil(8), lost.1 + lost.1.div_ceil(8)));
    rig.mine_and_resolve(2).await;
    assert_newest_executed(&rig).await;
}

#[tokio::test]
async fn fault_12_every_bump_passes_the_rule_of_geth_for_both_fields_from_a_tip_of_one_wei_on() {
    let fees = FeeCaps { min_tip: 1, max_tip: 1, ..sending().fees };
    let mut rig = Rig::of(bumping(1, fees)).await;
    rig.proxies[0].rule(SEND, Calls::Every, replacement_rule());
    let intent = rig.sent().await;
    for _ in 0..7 {
        rig.mine_without(BASE_FEE).await;
        rig.resolve().await.unwrap();
    }
    let bids = bids(&rig).await;
    let tips: Vec<_> = bids.iter().map(|(_, tip)| *tip).collect();
    assert_eq!(tips, [1, 2, 3, 4, 5, 6, 7, 8]);
    for pair in bids.windows(2) {
        assert_eq!(pair[1].0, pair[0].0 + pair[0].0.div_ceil(8), "{pair:?}");
    }
    assert_eq!(rig.publications(intent).await, ["accepted"; 8]);
    rig.mine_and_resolve(2).await;
    assert_newest_executed(&rig).await;
}

#[tokio::test]
async fn fault_17_a_base_fee_above_the_cap_is_waited_out_at_the_cap_and_told() {
    let heard = Heard::listen();
    let cap = 100 * GWEI;
    let fees = FeeCaps { max_fee_per_gas: cap, ..sending().fees };
    let mut rig = Rig::of(bumping(1, fees)).await;
    let intent = rig.sent().await;
    rig.mine_at(100 * BASE_FEE).await;
    assert_eq!(rig.scene.deeds().await.sent, 0, "evicted");
    let refused = Outcome::Parked { intent, reason: ParkReason::Rejected(Rejection::Underpriced) };
    assert_eq!(rig.resolve().await.unwrap(), [(intent, refused.clone())]);
    assert_eq!((bids(&rig).await.len(), bids(&rig).await[1].0, heard.alerts("fee_cap")), (2, cap, 0));
    for held in 1..=3 {
        rig.mine_at(100 * BASE_FEE).await;
        assert_eq!(rig.resolve().await.unwrap(), [(intent, refused.clone())]);
        assert_eq!((bids(&rig).await.len(), heard.alerts("fee_cap")), (2, held));
        assert_eq!(rig.state().await, IntentState::Live);
    }
    let newest = rig.entry().await.attempts[1].raw.clone();
    assert_eq!(rig.handed_over()[1..], vec![newest; 4], "the same bytes with every look");
    rig.mine_at(BASE_FEE).await;
    rig.resolve().await.unwrap();
    rig.mine_and_resolve(2).await;
    assert_newest_executed(&rig).await;
    assert!(rig.handed_over().iter().all(|raw| decoded(raw).max_fee_per_gas() <= cap));
    assert!(rig.entry().await.last_event.fee.unwrap() <= sending().fees.max_per_transaction);
}

#[tokio::test]
async fn fault_18_a_base_fee_that_climbs_with_every_block_is_caught_up_with_by_one_bump() {
    let mut rig = Rig::of(bumping(3, sending().fees)).await;
    let intent = rig.sent().await;
    let first = bids(&rig).await[0].0;
    // Just out of reach, and an eighth higher with every block.
    let mut base_fee = first + GWEI;
    let mut blocks = 0;
    while rig.state().await == IntentState::Live {
        assert!(blocks < 12, "not included in {blocks} blocks: {:?}", bids(&rig).await);
        rig.mine_at(base_fee).await;
        rig.resolve().await.unwrap();
        (base_fee, blocks) = (base_fee + base_fee / 8, blocks + 1);
    }
    let bids = bids(&rig).await;
    assert_eq!((bids.len(), blocks), (2, 4), "{bids:?}");
    assert!(bids[1].0 >= first + first.div_ceil(8) && bids[1].0 <= sending().fees.max_fee_per_gas);
    rig.mine_and_resolve(1).await;
    assert_newest_executed(&rig).await;
    assert_eq!(rig.hashes(intent).await.len(), 2);
}
