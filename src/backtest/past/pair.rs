//! The two tokens of a vault in its pools: which comes first, and how many places each has.

use alloy::primitives::U256;
use rust_decimal::Decimal;

use crate::backtest::BacktestError;
use crate::domain::snapshot::Vault;
use crate::stage::price;

/// Between a price, units of the asset per risky unit, and the root of a pool's price, raw token1 per raw token0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pair {
    pub(super) risky_is_token0: bool,
    /// Ten to the places of the risky token less those of the asset, and the root of its inverse.
    scale: f64,
    root_scale: f64,
    whole: price::Pair,
}

impl Pair {
    pub(super) fn of(vault: &Vault) -> Self {
        let (risky, asset) = (&vault.risky, &vault.asset);
        Self::with(risky.address < asset.address, risky.decimals, asset.decimals)
    }

    fn with(risky_is_token0: bool, risky_decimals: u8, asset_decimals: u8) -> Self {
        let places = i32::from(risky_decimals).saturating_sub(i32::from(asset_decimals));
        let whole = price::Pair {
            stable_is_token0: !risky_is_token0,
            stable_decimals: asset_decimals,
            risky_decimals,
        };
        let places_of_root = places.saturating_neg();
        let (half, odd) = (power(places_of_root / 2), places_of_root % 2);
        let root_scale = if odd == 0 { half } else { half * libm::sqrt(power(odd)) };
        Self { risky_is_token0, scale: power(places), root_scale, whole }
    }

    /// The price at which a pool of this root stands.
    pub(super) fn price(self, root: f64) -> f64 {
        let square = root * root;
        if self.risky_is_token0 { square * self.scale } else { self.scale / square }
    }

    /// The root of a pool's price times 2^96.
    ///
    /// # Errors
    /// [`BacktestError::Number`] for a price that is none.
    pub(super) fn sqrt_price(self, price: f64) -> Result<U256, BacktestError> {
        let root = libm::sqrt(price) * self.root_scale;
        let root = if self.risky_is_token0 { root } else { 1.0 / root };
        U256::try_from(libm::ldexp(root, 96)).map_err(|_| BacktestError::Number("a pool's price"))
    }

    /// The same to the last unit, rounded down.
    ///
    /// # Errors
    /// [`BacktestError::Number`] for a price that is none.
    pub(super) fn exact_sqrt_price(self, price: Decimal) -> Result<U256, BacktestError> {
        self.whole.sqrt_price_x96(price).map(U256::from).ok_or(BacktestError::Number("a pool's price"))
    }
}

/// The double nearest to a power of ten.
fn power(exponent: i32) -> f64 {
    format!("1e{exponent}").parse().unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backtest::market::sqrt_price;

    #[test]
    fn a_price_comes_back_from_its_root_in_either_order_and_with_any_places() {
        for (risky, asset) in [(18, 6), (18, 18), (8, 6), (8, 18), (6, 18), (9, 6)] {
            for first in [true, false] {
                let pair = Pair::with(first, risky, asset);
                let root = libm::ldexp(f64::from(pair.sqrt_price(1_234.5).unwrap()), -96);
                let price = pair.price(root);
                assert!((price / 1_234.5 - 1.0).abs() < 1e-12, "{risky} {asset} {first}: {price}");
                let exact = f64::from(pair.exact_sqrt_price(Decimal::new(12_345, 1)).unwrap());
                assert!(
                    (exact / libm::ldexp(root, 96) - 1.0).abs() < 1e-15,
                    "{risky} {asset} {first}: {exact}"
                );
            }
        }
    }

    #[test]
    fn the_tokens_of_a_vault_that_is_made_up_have_the_roots_that_they_had() {
        for price in [1.0, 1_999.37, 63_000.0, 1e-3] {
            let (new, old) = (Pair::with(true, 18, 6).sqrt_price(price).unwrap(), sqrt_price(price).unwrap());
            assert_eq!(new, old, "{price}");
        }
    }
}
