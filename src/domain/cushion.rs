//! The cushion: what stands between net asset value and the floor once the exit is paid for.

use serde::{Deserialize, Serialize};

use super::market::{Market, Side};
use super::policy::Policy;
use super::reason::Reason;
use super::units::{Checked, Price, Ratio, Usd};
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
    /// Gas of the exit at the policy's constant exit price.
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
        let (impact, missing) = match market.proceeds(books.held) {
            Ok(proceeds) => (books.exposure.minus(proceeds)?, None),
            Err(missing @ Reason::NoLiquidity { .. }) => (known_impact(books, market)?, Some(missing)),
            Err(reason) => return Err(reason),
        };
        let impact = impact.or_zero();
        let deviation = books.exposure.times(Ratio::from_bps(policy.reserve.feed_deviation_bps))?;
        let exit_gas = gas_cost(policy.gas.rebalance_units, policy.reserve.exit_gas_price_wei, books.native)?;
        let reserve = impact.plus(deviation)?.plus(exit_gas)?;
        let net = books.nav.minus(books.floor)?.minus(reserve)?;
        Ok((Self { impact, deviation, exit_gas, reserve, net }, missing))
    }
}

/// Impact of selling all that is known to find a buyer.
fn known_impact(books: &Valuation, market: &Market<'_>) -> Result<Usd, Reason> {
    match market.known(Side::Sell) {
        None => Ok(Usd::ZERO),
        Some(known) => Ok(market.fill(Side::Sell, known)?.loss(Side::Sell, books.price)?),
    }
}

/// `units` of gas at `price_wei` per gas, in units of the asset.
///
/// # Errors
/// On overflow.
pub fn gas_cost(units: u64, price_wei: u64, native: Price) -> Checked<Usd> {
    let wei = u128::from(units).saturating_mul(u128::from(price_wei));
    let coins = super::units::from_raw(alloy::primitives::U256::from(wei), 18)?;
    native.value_of(super::units::Units::new(coins))
}
