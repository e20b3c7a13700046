//! One pool of any kind that is ready to be quoted.

use alloy::primitives::{Address, U256};
use rust_decimal::Decimal;
use thiserror::Error;

use super::stretch::Stretch;
use super::{uniswap_v2, uniswap_v3};

/// A pool that passed its kind's validation.
#[derive(Debug, Clone, Copy)]
pub enum Curve<'a> {
    /// A Uniswap v2 pair.
    UniswapV2(uniswap_v2::Quoter<'a>),
    /// A Uniswap v3 pool.
    UniswapV3(uniswap_v3::Quoter<'a>),
}

/// What a swap would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Swap {
    /// Raw units in, fee included.
    pub amount_in: U256,
    /// Raw units out.
    pub amount_out: U256,
    /// Where the pool stands afterwards.
    pub after: Standing,
}

/// Where a pool stands: all that its price depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Reserves of token0 and token1, raw.
    Reserves(u128, u128),
    /// Square root of the price of token0 in token1 (raw units), times 2^96.
    Root(U256),
}

/// Why there is no quote.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum QuoteError {
    /// Beyond what is known of a pool, or of all pools together.
    #[error("the swap is beyond what is known of pool {pool}")]
    NoLiquidity {
        /// The pool; the first of several.
        pool: Address,
    },
    /// No pool to trade with.
    #[error("there is no pool")]
    NoPool,
    /// What a pair refuses for another reason.
    #[error(transparent)]
    UniswapV2(uniswap_v2::QuoteError),
    /// What a pool refuses for another reason.
    #[error(transparent)]
    UniswapV3(uniswap_v3::QuoteError),
}

impl<'a> Curve<'a> {
    /// The pool.
    #[must_use]
    pub const fn address(&self) -> Address {
        match self {
            Self::UniswapV2(quoter) => quoter.pool().address,
            Self::UniswapV3(quoter) => quoter.pool().address,
        }
    }

    /// Its tokens, the lower address first.
    #[must_use]
    pub const fn tokens(&self) -> (Address, Address) {
        match self {
            Self::UniswapV2(quoter) => (quoter.pool().token0, quoter.pool().token1),
            Self::UniswapV3(quoter) => (quoter.pool().token0, quoter.pool().token1),
        }
    }

    /// Fee on the amount in, hundredths of a basis point.
    #[must_use]
    pub const fn fee(&self) -> u32 {
        match self {
            Self::UniswapV2(_) => uniswap_v2::FEE,
            Self::UniswapV3(quoter) => quoter.pool().fee,
        }
    }

    /// Where it stands now.
    #[must_use]
    pub const fn standing(&self) -> Standing {
        match self {
            Self::UniswapV2(quoter) => Standing::Reserves(quoter.pool().reserve0, quoter.pool().reserve1),
            Self::UniswapV3(quoter) => Standing::Root(quoter.pool().sqrt_price_x96),
        }
    }

    /// Quotes giving exactly `amount_in`: of token0 where `zero_for_one`, otherwise of token1.
    ///
    /// # Errors
    /// [`QuoteError`], never an extrapolation.
    pub fn quote_exact_in(&self, zero_for_one: bool, amount_in: U256) -> Result<Swap, QuoteError> {
        match self {
            Self::UniswapV2(quoter) => Ok(quoter.quote_exact_in(zero_for_one, amount_in)?.into()),
            Self::UniswapV3(quoter) => Ok(quoter.quote_exact_in(zero_for_one, amount_in)?.into()),
        }
    }

    /// Quotes receiving exactly `amount_out`: of token1 where `zero_for_one`, otherwise of token0.
    ///
    /// # Errors
    /// As [`Curve::quote_exact_in`].
    pub fn quote_exact_out(&self, zero_for_one: bool, amount_out: U256) -> Result<Swap, QuoteError> {
        match self {
            Self::UniswapV2(quoter) => Ok(quoter.quote_exact_out(zero_for_one, amount_out)?.into()),
            Self::UniswapV3(quoter) => Ok(quoter.quote_exact_out(zero_for_one, amount_out)?.into()),
        }
    }

    /// The largest amount in that is still quoted, raw units; `None` where that is nothing.
    #[must_use]
    pub fn most_in(&self, zero_for_one: bool) -> Option<U256> {
        match self {
            Self::UniswapV2(quoter) => quoter.most_in(zero_for_one),
            Self::UniswapV3(quoter) => quoter.most_in(zero_for_one),
        }
    }

    /// The pool at its price, up to where its liquidity surely does not change; `None` where it has none there.
    pub(super) fn near(&self, zero_for_one: bool) -> Option<Stretch> {
        match self {
            Self::UniswapV2(quoter) => quoter.stretch(zero_for_one),
            Self::UniswapV3(quoter) => quoter.stretches(zero_for_one).near(),
        }
    }

    pub(super) fn stretches(&self, zero_for_one: bool) -> Stretches<'a> {
        match self {
            Self::UniswapV2(quoter) => Stretches::UniswapV2(quoter.stretch(zero_for_one)),
            Self::UniswapV3(quoter) => Stretches::UniswapV3(quoter.stretches(zero_for_one)),
        }
    }
}

/// The stretches of a pool in the order in which a trade goes through them.
#[derive(Debug, Clone)]
pub(super) enum Stretches<'a> {
    UniswapV2(Option<Stretch>),
    UniswapV3(uniswap_v3::Stretches<'a>),
}

impl Iterator for Stretches<'_> {
    type Item = Stretch;

    fn next(&mut self) -> Option<Stretch> {
        match self {
            Self::UniswapV2(stretch) => stretch.take(),
            Self::UniswapV3(stretches) => stretches.next(),
        }
    }
}

impl Standing {
    /// Price of one whole base token in whole quote tokens, rounded down at 18 places; `None` where it does not fit.
    /// `decimals` are those of base and quote.
    #[must_use]
    pub fn mid_price(&self, base_is_token0: bool, decimals: (u8, u8)) -> Option<Decimal> {
        match *self {
            Self::Root(root) => uniswap_v3::mid_price(root, base_is_token0, decimals),
            Self::Reserves(reserve0, reserve1) => {
                let (base, quote) = if base_is_token0 { (reserve0, reserve1) } else { (reserve1, reserve0) };
                uniswap_v2::mid_price(base, quote, decimals)
            }
        }
    }
}

impl From<uniswap_v2::Quote> for Swap {
    fn from(quote: uniswap_v2::Quote) -> Self {
        let after = Standing::Reserves(quote.reserve0_after, quote.reserve1_after);
        Self { amount_in: quote.amount_in, amount_out: quote.amount_out, after }
    }
}

impl From<uniswap_v3::Quote> for Swap {
    fn from(quote: uniswap_v3::Quote) -> Self {
        let after = Standing::Root(quote.sqrt_price_after);
        Self { amount_in: quote.amount_in, amount_out: quote.amount_out, after }
    }
}

impl From<uniswap_v2::QuoteError> for QuoteError {
    fn from(error: uniswap_v2::QuoteError) -> Self {
        match error {
            uniswap_v2::QuoteError::NoLiquidity { pool } => Self::NoLiquidity { pool },
            uniswap_v2::QuoteError::ZeroAmount
            | uniswap_v2::QuoteError::NothingOut
            | uniswap_v2::QuoteError::InvalidPool { .. } => Self::UniswapV2(error),
        }
    }
}

impl From<uniswap_v3::QuoteError> for QuoteError {
    fn from(error: uniswap_v3::QuoteError) -> Self {
        match error {
            uniswap_v3::QuoteError::NoLiquidity { pool, .. } => Self::NoLiquidity { pool },
            uniswap_v3::QuoteError::ZeroAmount
            | uniswap_v3::QuoteError::AmountTooLarge
            | uniswap_v3::QuoteError::InvalidPool { .. } => Self::UniswapV3(error),
        }
    }
}
