//! `docs/replay.md` says what the keeper does: its figures are those of the golden decisions, and it names every member and
//! every reason.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails where it stands"
)]

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::{B256, keccak256};
use serde_json::Value;
use vault_keeper::domain::decision::DECISION_VERSION;

#[path = "support/golden.rs"]
mod golden;

use golden::Golden;

const DOCUMENT: &str = include_str!("../docs/replay.md");
const REASONS: &str = include_str!("../src/domain/reason.rs");
const FAULTS: &str = include_str!("../src/replay/fault.rs");

/// The cells of every row of every table.
fn rows() -> Vec<Vec<&'static str>> {
    let rows = DOCUMENT.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    rows.map(|row| row.split(" | ").map(str::trim).collect()).collect()
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

fn word<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap()
}

/// Everything that stands in code.
fn named() -> BTreeSet<&'static str> {
    DOCUMENT
        .lines()
        .filter(|line| !line.starts_with("    "))
        .flat_map(|line| line.split('`').skip(1).step_by(2))
        .collect()
}

#[test]
fn the_golden_decisions_are_listed_with_their_hashes() {
    let listed: BTreeMap<String, (String, String)> = rows()
        .into_iter()
        .filter(|cells| cells.len() == 3 && cells[2].starts_with("`0x"))
        .map(|cells| (cells[0].to_owned(), (cells[1].to_owned(), cells[2].to_owned())))
        .collect();
    let golden = Golden::all().into_iter().map(|golden| {
        let recorded = golden.recorded();
        let verdict =
            format!("{} {}", code(word(&recorded, "verdict")), code(word(&recorded["reason"], "code")));
        (code(&golden.name), (verdict, code(word(&recorded, "decision_hash"))))
    });
    assert_eq!(listed, golden.collect());
}

#[test]
fn the_worked_hashes_are_those_of_the_files() {
    let golden = Golden::named("cppi-hold");
    let recorded = golden.recorded();
    let listed: Vec<_> =
        rows().into_iter().filter(|cells| cells.len() == 2 && cells[1].starts_with("`0x")).collect();
    let of = |file: &str| keccak256(golden.text(file).trim_end().as_bytes()).to_string();
    let expected = [
        ("`snapshot.json`", of("snapshot.json")),
        ("`policy.json`", of("policy.json")),
        ("the decision", word(&recorded, "decision_hash").to_owned()),
    ];
    assert_eq!(word(&recorded, "snapshot_hash"), expected[0].1);
    assert_eq!(word(&recorded, "policy_hash"), expected[1].1);
    assert_eq!(listed, expected.map(|(what, hash)| vec![what, code(&hash).leak() as &str]));
    let empty = keccak256("{}").to_string();
    assert!(DOCUMENT.contains(&code(&empty)));
}

#[test]
fn the_text_that_is_hashed_is_that_of_the_document() {
    let golden = Golden::named("cppi-stale-price");
    let before = DOCUMENT.lines().find_map(|line| line.strip_prefix("    {\"decision\":")).unwrap();
    let text = format!("{{\"decision\":{before}{}}}", golden.text("snapshot.json").trim_end());
    let hash: B256 = word(&golden.recorded(), "decision_hash").parse().unwrap();
    assert_eq!(keccak256(text.as_bytes()), hash);
    assert!(DOCUMENT.contains(&format!("`decision_version`, now `{DECISION_VERSION}`")));
}

fn members<'v>(value: &'v Value, found: &mut BTreeSet<&'v str>) {
    for (key, member) in value.as_object().into_iter().flatten() {
        found.insert(key);
        members(member, found);
    }
    value.as_array().into_iter().flatten().for_each(|item| members(item, found));
}

#[test]
fn every_member_of_the_golden_files_is_named() {
    let named = named();
    for golden in Golden::all() {
        for file in ["snapshot.json", "policy.json", "decision.json"] {
            let value: Value = serde_json::from_str(&golden.text(file)).unwrap();
            let mut found = BTreeSet::new();
            members(&value, &mut found);
            let missing: Vec<_> = found.into_iter().filter(|key| !named.contains(key)).collect();
            assert!(missing.is_empty(), "{}/{file}: {missing:?}", golden.name);
        }
    }
}

/// `within_band` of `WithinBand`.
fn snake(name: &str) -> String {
    let letters = name.char_indices().map(|(at, letter)| {
        let line = if at > 0 && letter.is_ascii_uppercase() { "_" } else { "" };
        format!("{line}{}", letter.to_ascii_lowercase())
    });
    letters.collect()
}

/// Names of the variants of an enum and of their members, in the order in which they are declared.
fn declared<'t>(text: &'t str, name: &str) -> Vec<&'t str> {
    let body = text.split(&format!("pub enum {name} {{")).nth(1).unwrap().split("\n}\n").next().unwrap();
    let lines = body.lines().map(str::trim_start);
    let names = lines
        .filter(|line| !line.starts_with(['#', '/', '}']) && line.ends_with([',', '{']))
        .map(|line| line.trim_end_matches([',', '{', ' ']).split(':').next().unwrap());
    names.filter(|name| !name.contains([' ', '(', '"', '.'])).collect()
}

fn is_variant(name: &str) -> bool {
    name.starts_with(|letter: char| letter.is_ascii_uppercase())
}

#[test]
fn every_reason_and_each_of_its_numbers_is_named() {
    let (declared, named) = (declared(REASONS, "Reason"), named());
    for name in &declared {
        assert!(named.contains(snake(name).as_str()), "{name} is not in docs/replay.md");
    }
    let reasons = declared.iter().filter(|name| is_variant(name)).count();
    assert!(reasons > 35, "{reasons} reasons were found");
}

#[test]
fn every_fault_is_listed_with_its_members() {
    let mut faults: Vec<Vec<String>> = Vec::new();
    for name in declared(FAULTS, "Fault") {
        if is_variant(name) {
            faults.push(Vec::new());
        }
        faults.last_mut().unwrap().push(code(&snake(name)));
    }
    let row = |fault: &Vec<String>| rows().into_iter().find(|cells| cells.len() == 3 && cells[0] == fault[0]);
    for fault in &faults {
        let row = row(fault).unwrap_or_else(|| panic!("{} is not listed", fault[0]));
        let members: Vec<_> = row[1].split(", ").map(|member| member.trim_end_matches('?')).collect();
        assert_eq!(members, fault[1..], "{}", fault[0]);
    }
    assert_eq!(faults.len(), 22);
}
