//! The guardian's key, where it is at hand: that the vault lets it pause, and that it can pay for that.

use alloy::primitives::{Address, U256};

use crate::chain::At;
use crate::execution::{Reckoned, SendingConfig};
use crate::protocols::vaults::rebalancing_vault;

use super::account::ether;
use super::endpoints::Reached;
use super::finding::Finding;

/// Gas that a pause is reckoned with, more than it takes.
const PAUSE_GAS: u64 = 100_000;

/// Looks at the account of the guardian's key of `vault`.
pub(super) async fn check(
    reached: &Reached,
    vault: Address,
    account: Address,
    sending: &SendingConfig,
) -> Vec<Finding> {
    let (endpoint, hash) = (&reached.endpoint, reached.header.hash);
    let role = match rebalancing_vault::state(endpoint, hash, vault).await {
        Ok(Some(state)) => role(account, state.identity.guardian, state.identity.owner),
        // That it is none is told where the vault is looked at.
        Ok(None) => return Vec::new(),
        Err(error) => Finding::unread("guardian", &error),
    };
    let funds = match endpoint.balance(account, At::Hash(hash)).await {
        Ok(balance) => {
            let reckoned = Reckoned { gas: PAUSE_GAS, beside_gas: U256::ZERO };
            funds(balance, sending.locked_up_at_caps(reckoned))
        }
        Err(error) => Finding::unread("guardian_balance", &error),
    };
    vec![role, funds]
}

fn role(account: Address, guardian: Address, owner: Address) -> Finding {
    if account == guardian || account == owner {
        return Finding::ok("guardian", format!("{account} may pause the vault"));
    }
    let what = format!("{account} may not pause the vault: its guardian is {guardian}");
    Finding::warning("guardian", what, "let the owner call setGuardian, or correct `guardian` of the vault")
}

fn funds(balance: U256, at_caps: U256) -> Finding {
    let what = format!("its balance of {}", ether(balance));
    if balance >= at_caps {
        return Finding::ok("guardian_balance", format!("{what} pays for a pause at the caps"));
    }
    let remedy =
        format!("send it {}: a pause is for times when gas is dear", ether(at_caps.saturating_sub(balance)));
    Finding::warning("guardian_balance", format!("{what} does not pay for a pause at the caps"), remedy)
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    #[test]
    fn a_key_that_may_not_pause_or_cannot_pay_for_it_is_a_warning() {
        let [guardian, owner, other] = [1, 2, 3].map(Address::repeat_byte);
        let level = |account| role(account, guardian, owner).level;
        assert_eq!([guardian, owner, other].map(level), [Level::Ok, Level::Ok, Level::Warning]);
        let [enough, little] = [7_u64, 6].map(|wei| funds(U256::from(wei), U256::from(7)));
        assert_eq!((enough.level, little.level), (Level::Ok, Level::Warning));
        assert!(little.remedy.unwrap().starts_with("send it 0.000000000000000001 ether"));
    }
}
