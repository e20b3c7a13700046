//! The cushion: what stands between net asset value and the floor once the exit is paid for.

use alloy::primitives::U256;
use serde::{Deserialize, Serialize};

use super::market::{Market, Side};
use super::policy::Policy;
use super::reason::Reason;
use super::units::{Checked, Ratio, Units, Usd};
use super::valuation::Valuation;

/// What the last exit would cost, and what is left over the floor after it (`model.md` §3).
///
/// Rules it keeps: `reserve = impact + deviation + exit_gas`, each at least zero; `net = nav − floor − reserve`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cushion {
    /// Exposure less the exact proceeds of selling all of it now; of the part that is known of the pool where that is
    /// not all.
    pub impact: Usd,
    /// What the feed may be off before it updates.
    pub deviation: Usd,
    /// Gas of the exit at the policy's constant exit price, and the policy's constant for its data on a rollup.
    pub exit_gas: Usd,
    /// All three.
    pub reserve: Usd,
    /// `C`; may be negative.
    pub net: Usd,
}

impl Cushion {
    /// Measures the cushion. Where the whole exit cannot be quoted it is the largest that it can be, and comes with the
    /// reason.
    ///
    /// # Errors
    /// [`Reason::Numbers`] out of range.
    pub fn measure(
        books: &Valuation,
        market: &Market<'_>,
        policy: &Policy,
    ) -> Result<(Self, Option<Reason>), Reason> {
        let ((impact, swaps), missing) = match exit(books, market) {
            Ok(exit) => (exit, None),
            Err(missing @ Reason::NoLiquidity { .. }) => (known_exit(books, market)?, Some(missing)),
            Err(reason) => return Err(reason),
        };
        let impact = impact.or_zero();
        let deviation = books.exposure.times(Ratio::from_bps(policy.reserve.feed_deviation_bps))?;
        let exit_gas = exit_gas(books, policy, swaps)?;
        let reserve = impact.plus(deviation)?.plus(exit_gas)?;
        let net = books.nav.minus(books.floor)?.minus(reserve)?;
        Ok((Self { impact, deviation, exit_gas, reserve, net }, missing))
    }
}

/// What sending the exit in so many swaps costs at the policy's constants.
///
/// # Errors
/// On overflow.
pub fn exit_gas(books: &Valuation, policy: &Policy, swaps: u64) -> Checked<Usd> {
    let further = swaps.saturating_sub(1).saturating_mul(policy.gas.swap_units);
    let units = policy.gas.rebalance_units.saturating_add(further);
    let data = books.coins(U256::from(policy.reserve.exit_data_fee_wei))?;
    books.gas_cost(units, policy.reserve.exit_gas_price_wei)?.plus(data)
}

/// What selling the whole holding loses against the oracle, and in how many swaps.
fn exit(books: &Valuation, market: &Market<'_>) -> Result<(Usd, u64), Reason> {
    if books.held == Units::ZERO {
        return Ok((books.exposure, 1));
    }
    let fill = market.quote(Side::Sell, books.held)?;
    Ok((books.exposure.minus(fill.value)?, fill.swaps()))
}

/// The same of all that is known to find a buyer.
fn known_exit(books: &Valuation, market: &Market<'_>) -> Result<(Usd, u64), Reason> {
    match market.known(Side::Sell) {
        None => Ok((Usd::ZERO, 1)),
        Some(known) => {
            let fill = market.fill(Side::Sell, known)?;
            Ok((fill.loss(Side::Sell, books.price)?, fill.swaps()))
        }
    }
}
