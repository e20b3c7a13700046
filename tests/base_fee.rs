//! The next base fee equals that of the real next block, for every consecutive pair of recorded mainnet headers.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails where it stands"
)]

use std::collections::HashMap;
use std::path::PathBuf;

use vault_keeper::chain::fees::next_base_fee;

#[path = "support/data.rs"]
mod data;

use data::data;

struct Row {
    gas_used: u64,
    gas_limit: u64,
    base_fee: u64,
    parent: String,
}

#[test]
fn consecutive_mainnet_headers_are_reproduced() {
    let Some(path) = data("gas/mainnet_headers.csv") else { return };
    let headers = london_headers(&path);
    let mut pairs = 0;
    for child in headers.values() {
        let Some(parent) = headers.get(&child.parent) else { continue };
        let predicted = next_base_fee(parent.base_fee, parent.gas_used, parent.gas_limit);
        assert_eq!(predicted, Some(child.base_fee), "child of {}", child.parent);
        pairs += 1;
    }
    assert_eq!(pairs, 3, "consecutive pairs in {}", path.display());
}

/// Headers since London by hash.
fn london_headers(path: &PathBuf) -> HashMap<String, Row> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let columns = reader.headers().unwrap().clone();
    let column = |name: &str| columns.iter().position(|column| column == name).unwrap();
    let (used, limit, base, hash, parent) =
        (column("gasUsed"), column("gasLimit"), column("baseFee"), column("hash"), column("parentHash"));
    let row = |record: csv::StringRecord| {
        let base_fee = record[base].parse().ok()?;
        let number = |index: usize| record[index].parse().unwrap();
        let row = Row {
            gas_used: number(used),
            gas_limit: number(limit),
            base_fee,
            parent: record[parent].to_owned(),
        };
        Some((record[hash].to_owned(), row))
    };
    reader.records().filter_map(|record| row(record.unwrap())).collect()
}
