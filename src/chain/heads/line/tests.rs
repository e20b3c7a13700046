#![allow(clippy::arithmetic_side_effects, reason = "small numbers of a test")]

use std::collections::BTreeMap;

use alloy::primitives::U256;
use proptest::prelude::*;

use super::*;

fn hash(of: u64) -> B256 {
    U256::from(of).into()
}

fn header(number: u64, of: u64, parent: u64) -> Header {
    Header {
        number,
        hash: hash(of),
        parent_hash: hash(parent),
        timestamp: 0,
        gas_limit: 30_000_000,
        gas_used: 0,
        base_fee_per_gas: Some(1),
        blob_gas_used: None,
        extra_data: alloy::primitives::Bytes::new(),
    }
}

/// A line of 5, 6 and 7, with hashes of the same numbers.
fn line() -> Line {
    let mut line = Line::default();
    for number in 5..=7 {
        line.take(vec![header(number, number, number - 1)]).unwrap();
    }
    line
}

fn hashes(headers: &[Header]) -> Vec<B256> {
    headers.iter().map(|header| header.hash).collect()
}

#[test]
fn the_next_block_skips_nothing_and_replaces_nothing() {
    let head = line().take(vec![header(8, 8, 7)]).unwrap();
    assert!(head.joined && !Line::default().take(vec![header(8, 8, 7)]).unwrap().joined);
    assert_eq!((head.between, head.skipped, head.left, head.replaced_previous), (vec![], 0, vec![], false));
}

#[test]
fn heights_between_are_delivered_oldest_first() {
    let mut line = line();
    assert_eq!(line.missing_parent(&header(10, 10, 9)), Some(hash(9)));
    assert_eq!(line.missing_parent(&header(8, 8, 7)), None);
    let head = line.take(vec![header(10, 10, 9), header(9, 9, 8), header(8, 8, 7)]).unwrap();
    assert_eq!(hashes(&head.between), [hash(8), hash(9)]);
    assert_eq!((head.skipped, head.replaced_previous), (0, false));
}

#[test]
fn another_block_at_the_same_height_replaces_the_head() {
    let head = line().take(vec![header(7, 70, 6)]).unwrap();
    assert_eq!((hashes(&head.left), head.replaced_previous), (vec![hash(7)], true));
}

#[test]
fn a_chain_that_went_back_lost_all_above_its_new_head() {
    let mut line = line();
    assert_eq!(line.place(&header(5, 5, 4)), Place::Earlier);
    let head = line.take(vec![header(5, 5, 4)]).unwrap();
    assert_eq!((hashes(&head.left), head.replaced_previous), (vec![hash(6), hash(7)], true));
    assert_eq!((head.between.len(), line.tip().unwrap().hash, head.joined), (0, hash(5), true));
}

#[test]
fn a_lower_head_of_another_branch_is_joined_at_the_common_ancestor() {
    let head = line().take(vec![header(6, 60, 5)]).unwrap();
    assert_eq!(hashes(&head.left), [hash(6), hash(7)]);
    let head = line().take(vec![header(8, 80, 70), header(7, 70, 60), header(6, 60, 5)]).unwrap();
    assert_eq!(hashes(&head.left), [hash(6), hash(7)]);
    assert_eq!(hashes(&head.between), [hash(60), hash(70)]);
}

#[test]
fn what_cannot_be_joined_is_counted_and_only_what_was_overtaken_has_left() {
    let head = line().take(vec![header(20, 20, 19), header(19, 19, 18)]).unwrap();
    assert_eq!((head.skipped, head.left.len(), head.replaced_previous), (11, 0, false));
    assert!(!head.joined);
    let mut line = line();
    // Below what is remembered nothing is looked for.
    assert_eq!(line.missing_parent(&header(5, 50, 40)), None);
    let head = line.take(vec![header(7, 70, 60), header(6, 60, 50)]).unwrap();
    assert_eq!((hashes(&head.left), head.replaced_previous), (vec![hash(6), hash(7)], true));
    assert_eq!(line.tip().unwrap().hash, hash(70));
}

proptest! {
    /// A tree of blocks whose head jumps about: what was delivered and not called back is always the branch of the head.
    #[test]
    fn what_was_delivered_and_did_not_leave_is_the_chain(jumps in prop::collection::vec((0_u64..6, 0_u64..5), 1..60)) {
        let mut tree: BTreeMap<B256, Header> = BTreeMap::new();
        let genesis = header(100, 1, 0);
        tree.insert(genesis.hash, genesis.clone());
        let mut line = Line::default();
        line.take(vec![genesis.clone()]).unwrap();
        let mut delivered = vec![genesis.hash];
        let (mut head, mut next) = (genesis, 2);
        for (back, forth) in jumps {
            let before = head.clone();
            for _ in 0..back {
                if let Some(parent) = tree.get(&head.parent_hash) {
                    head = parent.clone();
                }
            }
            for _ in 0..forth {
                let child = header(head.number + 1, next, 0);
                head = Header { parent_hash: head.hash, ..child };
                next += 1;
                tree.insert(head.hash, head.clone());
            }
            if head.hash == before.hash {
                prop_assert_eq!(line.place(&head), Place::Tip);
                continue;
            }
            let mut walked = vec![head.clone()];
            while let Some(parent) = line.missing_parent(walked.last().unwrap()) {
                walked.push(tree[&parent].clone());
            }
            let event = line.take(walked).unwrap();
            prop_assert_eq!(event.replaced_previous, event.left.iter().any(|left| left.hash == before.hash));
            prop_assert_eq!(event.skipped, 0);
            for left in event.left.iter().rev() {
                prop_assert_eq!(delivered.pop(), Some(left.hash));
            }
            delivered.extend(hashes(&event.between));
            if delivered.last() != Some(&event.header.hash) {
                delivered.push(event.header.hash);
            }
            let mut branch = vec![head.hash];
            let mut at = &head;
            while let Some(parent) = tree.get(&at.parent_hash) {
                branch.push(parent.hash);
                at = parent;
            }
            branch.reverse();
            prop_assert_eq!(&delivered, &branch);
        }
    }
}
