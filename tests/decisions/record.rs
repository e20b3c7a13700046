//! The committed decision: the same bytes in, the same hash out, however often and in whatever build; and no leaf of
//! what goes in is ignored.

use std::collections::BTreeSet;

use alloy::primitives::B256;
use serde_json::Value;
use vault_keeper::domain::canonical;
use vault_keeper::domain::decision::{Decision, decide, decision_hash};
use vault_keeper::domain::plan::Plan;
use vault_keeper::domain::policy::{Policy, PublishedPolicy};
use vault_keeper::domain::snapshot::Snapshot;

use crate::facts::*;

const SNAPSHOT: &str = include_str!("../fixtures/snapshot.json");
const DECISION: &str = include_str!("../fixtures/decision.json");
const HASH: &str = include_str!("../fixtures/decision_hash.txt");

fn committed() -> (Snapshot, PublishedPolicy) {
    let policy: Policy = toml::from_str(DEFAULT_POLICY).unwrap();
    (serde_json::from_str(SNAPSHOT).unwrap(), PublishedPolicy::new(policy).unwrap())
}

/// The facts that the fixture was written from: a sale with part of the drift left for later.
fn recorded() -> Facts {
    Facts::holding("352.5", "301234.567891").market(
        "1987.65".parse().unwrap(),
        &Liquidity::of_depth(60),
        true,
    )
}

/// The lines, since a file ends with a newline and the canonical form does not.
fn line(text: &str) -> &str {
    text.trim_end_matches('\n')
}

#[test]
fn the_committed_snapshot_is_what_the_facts_say() {
    let (snapshot, published) = recorded().published();
    let text = canonical::json(&snapshot).unwrap();
    assert_eq!(text, line(SNAPSHOT), "the canonical form has changed: so has every decision hash");
    assert_eq!(published.hash(), snapshot.vault.policy_hash);
}

#[test]
fn the_committed_decision_comes_out_with_the_committed_hash() {
    let (snapshot, policy) = committed();
    let decision = decide(&snapshot, &policy);
    assert_eq!(canonical::json(&decision).unwrap(), line(DECISION));
    let hash = decision_hash(&snapshot, &policy, &decision).unwrap();
    assert_eq!(hash.to_string(), line(HASH));
    let read: Decision = serde_json::from_str(DECISION).unwrap();
    assert_eq!(decision_hash(&snapshot, &policy, &read).unwrap(), hash, "a record read back is the record");
    let plan = Plan::of(&snapshot, &policy, &decision, hash).unwrap();
    assert_eq!((plan.decision_hash, plan.policy_hash), (hash, policy.hash()));
    assert_eq!((plan.decision_block, plan.deadline), (18_573_000, NOW + 120));
}

#[test]
fn ten_thousand_decisions_are_one() {
    // Every number counts here, not only the twelve digits that are hashed. Without optimisation hashing all would
    // take most of the time of these tests; there every two hundredth stands for the others.
    let hashed = if cfg!(debug_assertions) { 200 } else { 1 };
    let decided = || {
        let (snapshot, policy) = committed();
        let first = decide(&snapshot, &policy);
        let mut hashes = BTreeSet::new();
        for round in 0..5_000 {
            let decision = decide(&snapshot, &policy);
            assert_eq!(decision, first, "round {round}");
            if round % hashed == 0 {
                hashes.insert(decision_hash(&snapshot, &policy, &decision).unwrap());
            }
        }
        hashes
    };
    let hashes: Vec<BTreeSet<B256>> = std::thread::scope(|scope| {
        let threads = [scope.spawn(decided), scope.spawn(decided)];
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let one = BTreeSet::from([line(HASH).parse::<B256>().unwrap()]);
    assert_eq!(hashes, [one.clone(), one]);
}

/// The paths of all leaves.
pub(crate) fn leaves(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(key, member)| leaves(member, &format!("{path}/{key}"), found));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, item)| leaves(item, &format!("{path}/{i}"), found));
        }
        _ => found.push(path.to_owned()),
    }
}

/// Other values of the same form: the next number, another digit, the other truth.
fn changed(leaf: &Value) -> Vec<Value> {
    match leaf {
        Value::Bool(truth) => vec![Value::Bool(!truth)],
        Value::Number(number) => vec![Value::from(number.as_u64().unwrap() + 1), Value::from(0)],
        Value::String(text) if text.starts_with("0x") => {
            let last = if text.ends_with('0') { "1" } else { "0" };
            vec![Value::from(format!("{}{last}", &text[..text.len() - 1]))]
        }
        Value::String(text) => {
            let negated = if text == "0" { "-1".to_owned() } else { format!("-{text}") };
            let mut values = vec![format!("{text}7"), negated, "0".to_owned()];
            values.extend(text.parse::<u128>().map(|n| (n + 1).to_string()));
            values.into_iter().filter(|value| value != text).map(Value::from).collect()
        }
        other => panic!("a leaf that is no leaf: {other}"),
    }
}

/// Every snapshot or policy that differs in one leaf and still means something; and how many of each there were.
fn variants<T: serde::de::DeserializeOwned>(whole: &Value) -> (Vec<(String, T)>, usize) {
    let mut paths = Vec::new();
    leaves(whole, "", &mut paths);
    let mut parsed = Vec::new();
    let mut refused = 0;
    for path in paths {
        for value in changed(whole.pointer(&path).unwrap()) {
            let mut other = whole.clone();
            *other.pointer_mut(&path).unwrap() = value;
            match serde_json::from_value(other) {
                Ok(variant) => parsed.push((path.clone(), variant)),
                Err(_) => refused += 1,
            }
        }
    }
    (parsed, refused)
}

/// As the TOML says it: numbers where the canonical form has text.
fn as_written(policy: &Policy) -> Value {
    serde_json::to_value(policy).unwrap()
}

#[test]
fn no_leaf_of_the_snapshot_is_ignored() {
    let (snapshot, policy) = committed();
    let hash = |s: &Snapshot| decision_hash(s, &policy, &decide(s, &policy)).unwrap();
    let (variants, refused) = variants::<Snapshot>(&serde_json::to_value(&snapshot).unwrap());
    let mut hashes = BTreeSet::from([hash(&snapshot)]);
    for (path, variant) in &variants {
        assert_ne!(*variant, snapshot, "{path} says the same twice");
        assert!(hashes.insert(hash(variant)), "{path} does not change the decision hash");
    }
    // 61 rounds of three leaves, the ticks, the vault and the rest; most leaves take more than one other value.
    assert!(variants.len() > 600 && refused > 0, "{} parsed, {refused} refused", variants.len());
}

#[test]
fn no_leaf_of_the_policy_is_ignored() {
    let (snapshot, policy) = committed();
    let decided = |policy: &Policy| {
        let published = PublishedPolicy::new(policy.clone()).unwrap();
        let mut snapshot = snapshot.clone();
        snapshot.vault.policy_hash = published.hash();
        decision_hash(&snapshot, &published, &decide(&snapshot, &published)).unwrap()
    };
    let (variants, refused) = variants::<Policy>(&as_written(policy.policy()));
    let mut hashes = BTreeSet::from([decided(policy.policy())]);
    for (path, variant) in &variants {
        assert!(hashes.insert(decided(variant)), "{path} does not change the decision hash");
    }
    assert!(variants.len() > 90 && refused > 0, "{} parsed, {refused} refused", variants.len());
}

/// Every object in `value` with a member more that nobody knows.
fn with_a_stranger(value: &Value, path: &str, found: &mut Vec<(String, Value)>, whole: &Value) {
    match value {
        Value::Object(members) => {
            let mut other = whole.clone();
            let place = if path.is_empty() { Some(&mut other) } else { other.pointer_mut(path) };
            place.unwrap().as_object_mut().unwrap().insert("stranger".into(), Value::from("1"));
            found.push((path.to_owned(), other));
            for (key, member) in members {
                with_a_stranger(member, &format!("{path}/{key}"), found, whole);
            }
        }
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(i, item)| with_a_stranger(item, &format!("{path}/{i}"), found, whole)),
        _ => {}
    }
}

#[test]
fn a_member_that_nobody_reads_is_refused_wherever_it_stands() {
    let whole: Value = serde_json::from_str(SNAPSHOT).unwrap();
    let mut strangers = Vec::new();
    with_a_stranger(&whole, "", &mut strangers, &whole);
    for (path, other) in &strangers {
        let read = serde_json::from_value::<Snapshot>(other.clone());
        assert!(read.is_err(), "a stranger at {path:?} goes unnoticed");
    }
    assert!(strangers.len() > 70, "{}", strangers.len());
}
