//! What is different on a rollup: that it is declared as one, and whether the vault's own guards can hold there.

use alloy::primitives::{Address, U256};

use crate::chain::{At, Endpoint, Header};
use crate::domain::policy::ChainKind;
use crate::protocols::abi::Multicall3;
use crate::protocols::multicall::{MULTICALL3, alone};
use crate::protocols::rollups::MARKS;
use crate::protocols::{ReadError, snapshot_reader};
use crate::reader::Mode;

use super::endpoints::Reached;
use super::finding::Finding;

/// Whether the chain is of the kind that the configuration says: a data fee left out is how such keepers lose money.
pub(super) async fn declared(name: &str, endpoint: &Endpoint, header: &Header) -> Finding {
    let mut found = Vec::new();
    for (kind, address) in MARKS {
        match endpoint.code(address, At::Hash(header.hash)).await {
            Ok(code) if code.is_empty() => {}
            Ok(_) => found.push((kind, address)),
            Err(error) => return Finding::unread("chain_kind", &error),
        }
    }
    marked(name, endpoint.kind(), &found)
}

/// `found` are the marks that the chain has.
fn marked(name: &str, kind: ChainKind, found: &[(ChainKind, Address)]) -> Finding {
    let remedy = "correct `kind` of the chain in the configuration, and gas.chain of its policies";
    if let Some((other, address)) = found.iter().find(|(other, _)| *other != kind) {
        let what = format!(
            "{name} is configured as `{}`, but has at {address} what a chain of kind `{}` has there",
            kind.name(),
            other.name()
        );
        return Finding::error("chain_kind", what, remedy);
    }
    if kind.is_rollup() && found.is_empty() {
        let what = format!("{name} is configured as `{}`, but does not say what data costs", kind.name());
        return Finding::error("chain_kind", what, remedy);
    }
    Finding::ok("chain_kind", format!("{name} is a chain of kind `{}`", kind.name()))
}

/// Whether contracts on the chain see the heights that its blocks have, by which the vault bounds the age of a decision.
pub(super) async fn decision_block(reached: &Reached) -> Finding {
    let (endpoint, header) = (&reached.endpoint, &reached.header);
    let seen = match reached.mode {
        Mode::Multicall => {
            let answer = alone(endpoint, header.hash, MULTICALL3, &Multicall3::getBlockNumberCall {}).await;
            answer.map_err(ReadError::from)
        }
        Mode::Auto | Mode::Override => snapshot_reader::block_number(endpoint, header.hash).await.map(Some),
    };
    match seen {
        Ok(seen) => bounded(seen.unwrap_or_default(), header.number),
        Err(error) => Finding::unread("decision_block", &error),
    }
}

/// `seen` is `block.number` inside a call on the block at `height`.
fn bounded(seen: U256, height: u64) -> Finding {
    if seen == U256::from(height) {
        return Finding::ok("decision_block", "contracts see the heights of the chain's own blocks");
    }
    let what = format!(
        "contracts see block {seen} at height {height}: the vault holds the decision's block against that, and would \
         refuse every rebalance"
    );
    let remedy = "such a vault cannot be kept on this chain (Arbitrum shows contracts the blocks of the chain below); its \
                  exits and deleverage() work";
    Finding::error("decision_block", what, remedy)
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    #[test]
    fn a_chain_must_be_of_the_kind_that_is_configured() {
        let [op_stack, arbitrum] = MARKS;
        let level = |kind, found: &[(ChainKind, Address)]| marked("a-1", kind, found).level;
        assert_eq!(level(ChainKind::Ethereum, &[]), Level::Ok);
        assert_eq!(level(ChainKind::OpStack, &[op_stack]), Level::Ok);
        assert_eq!(level(ChainKind::Arbitrum, &[arbitrum]), Level::Ok);
        for wrong in [(ChainKind::OpStack, arbitrum), (ChainKind::Arbitrum, op_stack)] {
            assert_eq!(level(wrong.0, &[wrong.1]), Level::Error);
            assert_eq!(level(wrong.0, &[]), Level::Error);
        }
        let left_out = marked("a-1", ChainKind::Ethereum, &[op_stack]);
        assert_eq!(left_out.level, Level::Error);
        assert_eq!(
            left_out.what,
            "a-1 is configured as `ethereum`, but has at 0x420000000000000000000000000000000000000F what a chain of kind \
             `op_stack` has there"
        );
    }

    #[test]
    fn a_vault_that_sees_the_blocks_of_another_chain_cannot_be_kept() {
        assert_eq!(bounded(U256::from(7), 7).level, Level::Ok);
        // An Arbitrum block, and the Ethereum block that its contracts see.
        let found = bounded(U256::from(23_000_000), 400_000_000);
        assert_eq!(found.level, Level::Error);
        assert!(found.what.starts_with("contracts see block 23000000 at height 400000000"), "{}", found.what);
    }
}
