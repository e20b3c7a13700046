//! The bindings in `protocols/abi.rs` and the interface in `abi/IRebalancingVault.json` speak of the same contract.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails where it stands")]

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::keccak256;
use alloy::sol_types::{SolCall, SolError, SolEvent, SolInterface, SolStruct};
use serde_json::Value;
use vault_keeper::protocols::abi::RebalancingVault::{
    self, RebalancingVaultErrors, State, pauseCall, previewRebalanceCall, rebalanceCall, stateCall,
};

fn interface() -> Vec<Value> {
    let json: Value = serde_json::from_str(include_str!("../abi/IRebalancingVault.json")).unwrap();
    json["abi"].as_array().unwrap().clone()
}

fn entry(kind: &str, name: &str) -> Value {
    let found = interface().into_iter().find(|e| e["type"] == kind && e["name"] == name);
    found.unwrap_or_else(|| unreachable!("abi/IRebalancingVault.json has no {kind} {name}"))
}

/// The canonical type of a parameter: tuples spelled out.
fn canonical(parameter: &Value) -> String {
    let kind = parameter["type"].as_str().unwrap();
    match kind.strip_prefix("tuple") {
        Some(array) => format!("({}){array}", types(&parameter["components"])),
        None => kind.to_owned(),
    }
}

fn types(parameters: &Value) -> String {
    parameters.as_array().unwrap().iter().map(canonical).collect::<Vec<_>>().join(",")
}

fn signature(entry: &Value) -> String {
    format!("{}({})", entry["name"].as_str().unwrap(), types(&entry["inputs"]))
}

#[test]
fn calls_have_the_signatures_of_the_interface() {
    for (name, ours) in [
        ("rebalance", rebalanceCall::SIGNATURE),
        ("previewRebalance", previewRebalanceCall::SIGNATURE),
        ("state", stateCall::SIGNATURE),
        ("pause", pauseCall::SIGNATURE),
    ] {
        assert_eq!(ours, signature(&entry("function", name)));
    }
}

#[test]
fn the_events_are_those_of_the_interface() {
    let changed = entry("event", "PolicyHashChanged");
    assert_eq!(RebalancingVault::PolicyHashChanged::SIGNATURE, signature(&changed));
    assert_eq!(changed["inputs"][0]["indexed"], false);
    let rebalanced = entry("event", "Rebalanced");
    assert_eq!(RebalancingVault::Rebalanced::SIGNATURE, signature(&rebalanced));
    let indexed: Vec<_> =
        rebalanced["inputs"].as_array().unwrap().iter().map(|input| input["indexed"] == true).collect();
    assert_eq!(indexed.iter().take_while(|indexed| **indexed).count(), 3);
    assert_eq!(indexed.iter().filter(|indexed| **indexed).count(), 3);
}

#[test]
fn every_error_of_ours_is_one_of_the_interface_and_no_guard_is_missing() {
    let theirs: BTreeSet<[u8; 4]> = interface()
        .iter()
        .filter(|e| e["type"] == "error")
        .map(|e| keccak256(signature(e))[..4].try_into().unwrap())
        .collect();
    let ours: BTreeSet<[u8; 4]> = RebalancingVaultErrors::selectors().collect();
    assert!(ours.is_subset(&theirs));
    assert!(ours.contains(&RebalancingVault::HoldingExceeded::SELECTOR));
    // Guards of `rebalance`, as its interface lists them before its "other errors".
    assert_eq!(ours.len(), 22);
}

/// Groups of static members change nothing in the encoding, so the members must be the same without the groups.
#[test]
fn the_state_has_the_members_of_the_interface_in_their_order() {
    let definitions = State::eip712_encode_type();
    let definitions: BTreeMap<&str, &str> =
        definitions.split_terminator(')').map(|definition| definition.split_once('(').unwrap()).collect();
    let ours = our_members("State", &definitions);
    let theirs = their_members(&entry("function", "state")["outputs"][0]["components"]);
    assert_eq!(ours, theirs);
    assert!(ours.len() > 70, "{}", ours.len());
}

/// Type and name of every member, those of groups in their place; arrays of structs as `[`, their members, `]`.
fn our_members(name: &str, definitions: &BTreeMap<&str, &str>) -> Vec<String> {
    let members = definitions[name].split(',').map(|member| member.split_once(' ').unwrap());
    let expand = |(kind, name): (&str, &str)| match kind.strip_suffix("[]") {
        Some(element) if definitions.contains_key(element) => bracketed(our_members(element, definitions)),
        None if definitions.contains_key(kind) => our_members(kind, definitions),
        _ => vec![format!("{kind} {name}")],
    };
    members.flat_map(expand).collect()
}

fn their_members(components: &Value) -> Vec<String> {
    let expand = |component: &Value| match component["type"].as_str().unwrap() {
        "tuple" => their_members(&component["components"]),
        "tuple[]" => bracketed(their_members(&component["components"])),
        kind => vec![format!("{kind} {}", component["name"].as_str().unwrap())],
    };
    components.as_array().unwrap().iter().flat_map(expand).collect()
}

fn bracketed(members: Vec<String>) -> Vec<String> {
    std::iter::once("[".to_owned()).chain(members).chain(["]".to_owned()]).collect()
}
