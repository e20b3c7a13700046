//! Slices of mainnet: the real state of some contracts at the start of one block, kept as files.

use std::{
    fs,
    path::{Path, PathBuf},
};

use eyre::{Context, Result, eyre};
use rust_decimal::{Decimal, prelude::ToPrimitive};
use serde_json::Value;

use super::path::time::unix_seconds;

/// One slice, as its manifest describes it. What is not in it reads as zero but is unknown.
#[derive(Clone, Debug)]
pub struct Slice {
    /// Number of the block at whose start the state was taken.
    pub block: u64,
    /// Unix seconds of that block.
    pub timestamp: u64,
    /// Wei per gas.
    pub base_fee: u128,
    /// The state, as anvil dumps it.
    pub file: PathBuf,
    /// Known part of each Uniswap v3 pool, by the pool's name in the manifest.
    pub pools: Value,
}

impl Slice {
    /// The slice of `block` in `directory`, which holds `manifest.json` and the states.
    ///
    /// # Errors
    /// The manifest is missing, malformed, or does not list the block.
    pub fn read(directory: &Path, block: u64) -> Result<Self> {
        let path = directory.join("manifest.json");
        let text = fs::read_to_string(&path).wrap_err_with(|| format!("read {}", path.display()))?;
        let slices: Vec<Value> =
            serde_json::from_str(&text).wrap_err_with(|| format!("parse {}", path.display()))?;
        let entry = slices
            .iter()
            .find(|slice| slice.get("block").and_then(Value::as_u64) == Some(block))
            .ok_or_else(|| eyre!("{} has no block {block}", path.display()))?;
        Self::parse(directory, block, entry)
            .ok_or_else(|| eyre!("{}: entry of block {block} is malformed", path.display()))
    }

    fn parse(directory: &Path, block: u64, entry: &Value) -> Option<Self> {
        let gwei = Decimal::from_str_exact(&entry.get("basefee_gwei")?.to_string()).ok()?;
        Some(Self {
            block,
            timestamp: unix_seconds(entry.get("time")?.as_str()?).ok()?,
            base_fee: gwei.checked_mul(Decimal::from(1_000_000_000))?.to_u128()?,
            file: directory.join(entry.get("file")?.as_str()?),
            pools: entry.get("v3_valid").cloned().unwrap_or_default(),
        })
    }
}
