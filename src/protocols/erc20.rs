//! ERC-20 tokens: what one says of itself, and what really happens when it is moved.

use alloy::primitives::{Address, B256, Bytes, U256, address};
use alloy::sol;

use super::multicall::{Call, aggregate_as, alone, call, decoded};
use crate::chain::{ChainError, Endpoint};

sol! {
    /// EIP-20 as far as a vault uses it. `transfer` and `transferFrom` are read without their answer, which some
    /// tokens leave out.
    interface Token {
        function decimals() external view returns (uint8);
        function balanceOf(address owner) external view returns (uint256);
        function allowance(address owner, address spender) external view returns (uint256);
        function approve(address spender, uint256 amount) external;
        function transfer(address to, uint256 amount) external;
        function transferFrom(address from, address to, uint256 amount) external;
    }
}

/// Where rehearsed transfers go: an address that nobody has.
const NOBODY: Address = address!("00000000000000000000000000006b6565706573");

/// What a transfer of a stated amount did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// Raw amount that was asked for.
    pub asked: U256,
    /// Raw amount that the sender has less.
    pub taken: U256,
    /// Raw amount that the receiver has more.
    pub arrived: U256,
}

/// `decimals()` of `token`; `None` where it does not answer.
///
/// # Errors
/// The failure of the call.
pub async fn decimals(endpoint: &Endpoint, hash: B256, token: Address) -> Result<Option<u8>, ChainError> {
    alone(endpoint, hash, token, &Token::decimalsCall {}).await
}

/// Raw balance of `owner`; `None` where the token does not answer.
///
/// # Errors
/// The failure of the call.
pub async fn balance(
    endpoint: &Endpoint,
    hash: B256,
    token: Address,
    owner: Address,
) -> Result<Option<U256>, ChainError> {
    alone(endpoint, hash, token, &Token::balanceOfCall { owner }).await
}

/// Raw amount of `token` that `spender` may take from `owner`; `None` where the token does not answer.
///
/// # Errors
/// The failure of the call.
pub async fn allowance(
    endpoint: &Endpoint,
    hash: B256,
    token: Address,
    (owner, spender): (Address, Address),
) -> Result<Option<U256>, ChainError> {
    alone(endpoint, hash, token, &Token::allowanceCall { owner, spender }).await
}

/// Moves `amount` of what `holder` has, once by `transfer` and once by `transferFrom` after an approval, on the state of
/// the block `hash` and without a trace; `None` for a transfer that reverts or answers with anything but yes.
///
/// # Errors
/// As [`aggregate_as`]: the provider must take code overrides, and Multicall3 be deployed.
pub async fn rehearse(
    endpoint: &Endpoint,
    hash: B256,
    token: Address,
    (holder, amount): (Address, U256),
) -> Result<[Option<Moved>; 2], ChainError> {
    let answers = aggregate_as(endpoint, hash, holder, script(token, holder, amount)).await?;
    let mut answers = answers.into_iter();
    let first = [answers.next(), answers.next()].map(|answer| amount_of(answer.flatten().as_ref()));
    let transferred = said_yes(answers.next().flatten());
    let second = [answers.next(), answers.next()].map(|answer| amount_of(answer.flatten().as_ref()));
    let approved = said_yes(answers.next().flatten());
    let pulled = said_yes(answers.next().flatten());
    let third = [answers.next(), answers.next()].map(|answer| amount_of(answer.flatten().as_ref()));
    Ok([
        moved(amount, (first, second)).filter(|_| transferred),
        moved(amount, (second, third)).filter(|_| approved && pulled),
    ])
}

fn script(token: Address, holder: Address, amount: U256) -> Vec<Call> {
    let balances = [holder, NOBODY].map(|owner| call(token, &Token::balanceOfCall { owner }));
    let [of_holder, of_nobody] = balances;
    vec![
        of_holder.clone(),
        of_nobody.clone(),
        call(token, &Token::transferCall { to: NOBODY, amount }),
        of_holder.clone(),
        of_nobody.clone(),
        call(token, &Token::approveCall { spender: holder, amount }),
        call(token, &Token::transferFromCall { from: holder, to: NOBODY, amount }),
        of_holder,
        of_nobody,
    ]
}

fn amount_of(answer: Option<&Bytes>) -> Option<U256> {
    decoded::<Token::balanceOfCall>(answer)
}

/// Whether a call succeeded and did not answer no: nothing at all, as some tokens do, or the number one.
fn said_yes(answer: Option<Bytes>) -> bool {
    answer.is_some_and(|data| data.is_empty() || U256::try_from_be_slice(&data) == Some(U256::ONE))
}

/// Balances of holder and receiver, before and after.
type Balances = [Option<U256>; 2];

fn moved(asked: U256, (before, after): (Balances, Balances)) -> Option<Moved> {
    let ([Some(held), Some(had)], [Some(holds), Some(has)]) = (before, after) else { return None };
    Some(Moved { asked, taken: held.saturating_sub(holds), arrived: has.saturating_sub(had) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(value: u8) -> Option<Bytes> {
        Some(Bytes::from(U256::from(value).to_be_bytes_vec()))
    }

    #[test]
    fn silence_and_true_are_a_yes_and_everything_else_is_a_no() {
        assert!(said_yes(Some(Bytes::new())) && said_yes(word(1)));
        assert!(!said_yes(None) && !said_yes(word(0)) && !said_yes(word(2)));
        assert!(!said_yes(Some(Bytes::from(vec![1; 64]))));
    }

    #[test]
    fn what_left_and_what_arrived_are_told_apart() {
        let amounts = |holder: u64, nobody: u64| [holder, nobody].map(|n| Some(U256::from(n)));
        let with_a_fee = moved(U256::from(10), (amounts(100, 0), amounts(90, 9))).unwrap();
        assert_eq!((with_a_fee.taken, with_a_fee.arrived), (U256::from(10), U256::from(9)));
        assert_eq!(moved(U256::from(10), ([None, None], amounts(90, 9))), None);
    }
}
