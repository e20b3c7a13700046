//! How much an audit asks of its nodes.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::Serialize;

/// Requests that were sent, to all endpoints together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Requests {
    /// Blocks that were audited by this process: those before a checkpoint are not.
    blocks: u64,
    /// By their method; one that was sent again counts again.
    methods: BTreeMap<&'static str, u64>,
    total: u64,
    /// Of the total to the hundredth; absent where there was no block.
    #[serde(skip_serializing_if = "Option::is_none")]
    per_block: Option<Decimal>,
}

impl Requests {
    pub(super) fn over(blocks: u64, methods: BTreeMap<&'static str, u64>) -> Self {
        let total = methods.values().fold(0_u64, |total, sent| total.saturating_add(*sent));
        let per_block = Decimal::from(total).checked_div(Decimal::from(blocks)).map(|each| each.round_dp(2));
        Self { blocks, methods, total, per_block }
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let methods: Vec<_> = self.methods.iter().map(|(method, sent)| format!("{sent} {method}")).collect();
        let each = self.per_block.map(|each| format!(", {each} a block")).unwrap_or_default();
        format!("{} requests over {} blocks{each}: {}", self.total, self.blocks, methods.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_by_method_and_by_block() {
        let requests = Requests::over(3, BTreeMap::from([("eth_call", 4), ("eth_getLogs", 1)]));
        assert_eq!(requests.text(), "5 requests over 3 blocks, 1.67 a block: 4 eth_call, 1 eth_getLogs");
        let none = Requests::over(0, BTreeMap::from([("eth_chainId", 1)]));
        assert_eq!(none.text(), "1 requests over 0 blocks: 1 eth_chainId");
    }
}
