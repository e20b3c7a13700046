//! Which of the policy's pools make up the market.

use alloy::primitives::Address;
use rust_decimal::Decimal;

use super::{Listing, Market, Pair};
use crate::domain::gas::Sending;
use crate::domain::policy::{Policy, VenuePolicy};
use crate::domain::reason::{PriceReference, Reason};
use crate::domain::snapshot::{Pool, Snapshot, Twap};
use crate::domain::units::Units;
use crate::domain::valuation::Valuation;
use crate::domain::venues::curve::Curve;

impl<'a> Market<'a> {
    /// Opens the policy's pools. One that cannot be used is left out with its reason: not on the vault's list, no
    /// usable state, price too far from the oracle's.
    ///
    /// # Errors
    /// As [`Sending::at`]; the reason of the first pool where none is left.
    pub fn open(snapshot: &'a Snapshot, policy: &Policy, books: &Valuation) -> Result<Self, Reason> {
        let (risky, asset) = (&snapshot.vault.risky, &snapshot.vault.asset);
        let mut market = Self {
            listings: Vec::with_capacity(policy.venues.len()),
            curves: Vec::with_capacity(policy.venues.len()),
            left_out: Vec::new(),
            pair: Pair {
                risky_is_token0: risky.address < asset.address,
                risky_decimals: risky.decimals,
                asset_decimals: asset.decimals,
            },
            price: books.price,
            sending: Sending::at(snapshot, policy, books)?,
        };
        for venue in &policy.venues {
            if let Err(reason) = market.list(snapshot, policy, venue) {
                market.left_out.push(reason);
            }
        }
        if market.curves.is_empty() {
            let nothing = || Reason::Numbers { what: "the policy names no venue".into() };
            return Err(market.left_out.into_iter().next().unwrap_or_else(nothing));
        }
        market.lend_means();
        Ok(market)
    }

    fn list(&mut self, snapshot: &'a Snapshot, policy: &Policy, venue: &VenuePolicy) -> Result<(), Reason> {
        let pool = venue.pool();
        let allowed = snapshot.vault.allowed_pools.iter().find(|p| p.pool == pool);
        let venue = allowed.ok_or(Reason::VenueNotAllowed { pool })?.venue;
        let state = snapshot.pools.iter().find(|p| p.address() == pool);
        let (curve, twap) = state.and_then(ready).ok_or_else(|| dry(pool))?;
        let (risky, asset) = (snapshot.vault.risky.address, snapshot.vault.asset.address);
        let tokens = if self.pair.risky_is_token0 { (risky, asset) } else { (asset, risky) };
        if curve.tokens() != tokens {
            return Err(dry(pool));
        }
        let kept = Decimal::ONE.saturating_sub(Decimal::new(i64::from(curve.fee()), 6));
        let listing = Listing { pool, venue, mid: self.pair.spot(&curve.standing())?, mean: twap, kept };
        listing.near(self.price, PriceReference::Oracle, policy.limits.max_price_deviation_bps)?;
        self.listings.push(listing);
        self.curves.push(curve);
        Ok(())
    }

    /// A pair keeps no average of its own and is held against that of the first pool that has one.
    fn lend_means(&mut self) {
        let mean = self.listings.iter().find_map(|listing| listing.mean);
        for (listing, curve) in self.listings.iter_mut().zip(&self.curves) {
            if matches!(curve, Curve::UniswapV2(_)) {
                listing.mean = mean;
            }
        }
    }
}

/// A pool in a usable state, and its average.
fn ready(pool: &Pool) -> Option<(Curve<'_>, Option<Twap>)> {
    match pool {
        Pool::UniswapV3 { state, twap, .. } => Some((Curve::UniswapV3(state.quoter().ok()?), *twap)),
        Pool::UniswapV2 { state } => Some((Curve::UniswapV2(state.quoter().ok()?), None)),
    }
}

const fn dry(pool: Address) -> Reason {
    Reason::NoLiquidity { pool, size: Units::ZERO }
}
