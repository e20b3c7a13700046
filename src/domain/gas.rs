//! What sending a rebalance costs at the block: gas at the next base fee plus the policy's tip, and on a rollup what it
//! charges beside gas (`model.md` §4).

use super::policy::Policy;
use super::reason::Reason;
use super::snapshot::Snapshot;
use super::units::Usd;
use super::valuation::Valuation;

/// What sending costs, USD except the price.
///
/// Rules it keeps: on a rollup no part of it is taken to be zero for want of knowledge; every figure grows with the
/// price and with the charges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sending {
    /// Wei per gas reckoned with.
    pub price: u64,
    /// `F`: one rebalance in one swap, the data fee in it.
    pub rebalance: Usd,
    /// The part of it that is not gas; absent where the chain takes nothing beside gas.
    pub data_fee: Option<Usd>,
    /// Each further swap of the same rebalance, its data fee in it.
    pub further_swap: Usd,
}

impl Sending {
    /// Prices a rebalance by the facts of `snapshot`.
    ///
    /// # Errors
    /// [`Reason::DataFeeUnknown`] where the policy's chain is a rollup and says nothing usable, [`Reason::Numbers`] out
    /// of range.
    pub fn at(snapshot: &Snapshot, policy: &Policy, books: &Valuation) -> Result<Self, Reason> {
        let price = policy.gas.price(snapshot.block.next_base_fee);
        let gas = books.gas_cost(policy.gas.rebalance_units, price)?;
        let swap_gas = books.gas_cost(policy.gas.swap_units, price)?;
        let chain = policy.gas.chain;
        if !chain.is_rollup() {
            return Ok(Self { price, rebalance: gas, data_fee: None, further_swap: swap_gas });
        }
        let known = snapshot.rollup.filter(|rollup| rollup.is_sound(chain));
        let rollup = known.ok_or(Reason::DataFeeUnknown { chain })?;
        let (one, two) = (books.coins(rollup.charge(1).total())?, books.coins(rollup.charge(2).total())?);
        Ok(Self {
            price,
            rebalance: gas.plus(one)?,
            data_fee: Some(one),
            further_swap: swap_gas.plus(two.minus(one)?.or_zero())?,
        })
    }
}
