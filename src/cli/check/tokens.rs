//! The vault's two tokens: that they are what the vault takes them for and behave when moved.
//!
//! Transfers are rehearsed without a trace, out of the vault itself where it holds some, else out of its pool. A token
//! that rebases cannot be caught in one block; what it did to the vault's balance is.

use alloy::primitives::{Address, U256};

use crate::chain::{At, ChainError};
use crate::domain::snapshot::{Token, Vault};
use crate::protocols::erc20::{self, Moved};
use crate::reader::Mode;

use super::endpoints::Reached;
use super::finding::Finding;
use super::vault::distinct_venues;

/// A token with the raw amount that the vault counts as its own.
type Held<'a> = (&'a Token, U256);

/// Looks at both tokens.
pub(super) async fn check(reached: &Reached, vault: &Vault) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, token, tracked) in
        [("asset", &vault.asset, vault.asset_holdings), ("risky", &vault.risky, vault.risky_holdings)]
    {
        match one(reached, vault, name, (token, tracked)).await {
            Ok(found) => findings.extend(found),
            Err(error) => findings.push(Finding::unread("token", &error)),
        }
    }
    findings
}

async fn one(
    reached: &Reached,
    vault: &Vault,
    name: &str,
    (token, tracked): Held<'_>,
) -> Result<Vec<Finding>, ChainError> {
    let (endpoint, hash) = (&reached.endpoint, reached.header.hash);
    if endpoint.code(token.address, At::Hash(hash)).await?.is_empty() {
        let what = format!("the {name} token {} has no code", token.address);
        return Ok(vec![Finding::error(
            "token",
            what,
            "the vault is of no use on this chain: check its address",
        )]);
    }
    let told = erc20::decimals(endpoint, hash, token.address).await?;
    let balance = erc20::balance(endpoint, hash, token.address, vault.address).await?;
    let mut findings = vec![decimals(name, token.decimals, told), holding(name, balance, tracked)];
    for venue in distinct_venues(&vault.allowed_pools) {
        let between = (vault.address, venue);
        let left = erc20::allowance(endpoint, hash, token.address, between).await?;
        findings.push(allowance(name, venue, left));
    }
    findings.extend(moves(reached, vault, name, (token, balance.unwrap_or_default())).await?);
    Ok(findings)
}

/// Rehearses transfers out of the vault, or out of a pool of its own where it holds none.
async fn moves(
    reached: &Reached,
    vault: &Vault,
    name: &str,
    (token, balance): Held<'_>,
) -> Result<Vec<Finding>, ChainError> {
    if reached.mode == Mode::Multicall {
        return Ok(vec![unrehearsed(name, "the provider takes no code overrides")]);
    }
    let (endpoint, hash) = (&reached.endpoint, reached.header.hash);
    let (mut from, mut holder, mut held) = ("the vault", vault.address, balance);
    if let (true, Some(allowed)) = (held.is_zero(), vault.allowed_pools.first()) {
        (from, holder) = ("its pool", allowed.pool);
        held = erc20::balance(endpoint, hash, token.address, holder).await?.unwrap_or_default();
    }
    // Half of it each time, since it is moved twice.
    let amount = held.checked_div(U256::from(2)).unwrap_or_default();
    if amount.is_zero() {
        return Ok(vec![unrehearsed(name, "neither the vault nor its pool holds any")]);
    }
    Ok(match erc20::rehearse(endpoint, hash, token.address, (holder, amount)).await {
        Ok([given, pulled]) => {
            vec![transfer(name, "transfer", from, given), transfer(name, "transferFrom", from, pulled)]
        }
        Err(error) => vec![unrehearsed(name, &error.to_string())],
    })
}

fn decimals(name: &str, vault: u8, told: Option<u8>) -> Finding {
    let remedy = "the vault reckons in other units than its token: do not use it";
    match told {
        Some(told) if told == vault => {
            Finding::ok("token_decimals", format!("the {name} token has {told} decimals, as the vault says"))
        }
        Some(told) => {
            let what = format!("the {name} token has {told} decimals, the vault says {vault}");
            Finding::error("token_decimals", what, remedy)
        }
        None => Finding::error(
            "token_decimals",
            format!("the {name} token does not answer decimals()"),
            "the token is no ERC-20 that a vault can hold",
        ),
    }
}

fn holding(name: &str, balance: Option<U256>, tracked: U256) -> Finding {
    let Some(balance) = balance else {
        let what = format!("the {name} token does not answer balanceOf()");
        return Finding::error("token_balance", what, "the token is no ERC-20 that a vault can hold");
    };
    let what = format!("the vault has {balance} of the {name} token and counts {tracked}");
    if balance < tracked {
        let remedy =
            "the token takes a fee or rebases, or was seized: such a token is refused; stop the vault";
        Finding::error("token_balance", what, remedy)
    } else if balance > tracked {
        let remedy = "a gift, or a token that rebases (refused); after a gift `sync()` counts it";
        Finding::warning("token_balance", what, remedy)
    } else {
        Finding::ok("token_balance", what)
    }
}

/// The vault approves exactly and takes back what is left within each trade.
fn allowance(name: &str, venue: Address, left: Option<U256>) -> Finding {
    match left {
        Some(left) if left.is_zero() => {
            Finding::ok("allowance", format!("venue {venue} may take nothing of the {name} token"))
        }
        Some(left) => {
            let what = format!("venue {venue} may still take {left} of the {name} token");
            Finding::warning("allowance", what, "a sound vault leaves none behind: look into its last trades")
        }
        None => {
            let what = format!("the {name} token does not answer allowance()");
            Finding::error("allowance", what, "the token is no ERC-20 that a vault can hold")
        }
    }
}

fn transfer(name: &str, how: &str, from: &str, moved: Option<Moved>) -> Finding {
    let refused = "such a token is refused: no vault can count what it holds of it";
    match moved {
        None => {
            let what = format!("{how} of the {name} token out of {from} fails, or answers no");
            Finding::error(
                "token_transfer",
                what,
                "check that the token is not paused and blocks neither of them",
            )
        }
        Some(Moved { asked, taken, arrived }) if taken == asked && arrived == asked => {
            let what = format!("{how} of the {name} token out of {from} moves what it says (simulated)");
            Finding::ok("token_transfer", what)
        }
        Some(Moved { asked, taken, arrived }) => {
            let what =
                format!("{how} of {asked} of the {name} token takes {taken} from {from}, {arrived} arrive");
            Finding::error("token_transfer", what, refused)
        }
    }
}

fn unrehearsed(name: &str, why: &str) -> Finding {
    let what = format!("whether the {name} token takes a fee on transfer was not tried: {why}");
    Finding::warning("token_transfer", what, "make sure that it takes none and does not rebase")
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    fn moved(asked: u64, taken: u64, arrived: u64) -> Option<Moved> {
        let [asked, taken, arrived] = [asked, taken, arrived].map(U256::from);
        Some(Moved { asked, taken, arrived })
    }

    #[test]
    fn a_token_with_other_decimals_than_the_vault_says_is_an_error() {
        assert_eq!(decimals("asset", 6, Some(6)).level, Level::Ok);
        let other = decimals("asset", 6, Some(18));
        assert_eq!(
            (other.level, other.what.as_str()),
            (Level::Error, "the asset token has 18 decimals, the vault says 6")
        );
        assert_eq!(decimals("asset", 6, None).level, Level::Error);
    }

    #[test]
    fn the_vault_must_have_what_it_counts() {
        let level = |balance: u64| holding("risky", Some(U256::from(balance)), U256::from(100)).level;
        assert_eq!((level(100), level(101), level(99)), (Level::Ok, Level::Warning, Level::Error));
        assert_eq!(holding("risky", None, U256::ZERO).level, Level::Error);
    }

    #[test]
    fn an_allowance_left_behind_is_a_warning() {
        let level = |left| allowance("asset", Address::ZERO, left).level;
        assert_eq!(level(Some(U256::ZERO)), Level::Ok);
        assert_eq!(level(Some(U256::ONE)), Level::Warning);
        assert_eq!(level(None), Level::Error);
    }

    #[test]
    fn a_fee_on_either_side_of_a_transfer_is_an_error() {
        let level = |moved| transfer("risky", "transfer", "the vault", moved).level;
        assert_eq!(level(moved(10, 10, 10)), Level::Ok);
        assert_eq!(level(moved(10, 10, 9)), Level::Error);
        assert_eq!(level(moved(10, 11, 10)), Level::Error);
        assert_eq!(level(None), Level::Error);
        assert_eq!(unrehearsed("risky", "no overrides").level, Level::Warning);
    }
}
