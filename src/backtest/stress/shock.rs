//! What may befall a market at once, or while somebody is away.

use rust_decimal::Decimal;
use serde::Serialize;

use crate::backtest::past::setting::Absent;

/// A shock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shock {
    /// What it is called.
    pub name: String,
    /// Change of the price of the risky asset, a part of it: -0.2 is a fall by 20 %.
    pub price: Decimal,
    /// What the base fee is multiplied with.
    pub gas: u64,
    /// Part of the pools' liquidity that is left.
    pub depth: Decimal,
    /// Who is away while the price falls, and for how many seconds; absent where it falls within one block.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub away: Option<Away>,
}

/// Somebody is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Away {
    /// Who.
    pub who: Absent,
    /// For how many seconds.
    pub seconds: u64,
}

/// How far the price falls while somebody is away, parts of it, below zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Falls {
    /// In the hour for which the feed is stuck.
    pub feed: Decimal,
    /// In the six hours for which the keeper is down.
    pub keeper: Decimal,
}

/// Seconds for which the feed is stuck.
pub const FEED_STUCK: u64 = 3_600;
/// Seconds for which the keeper is down.
pub const KEEPER_DOWN: u64 = 21_600;

impl Shock {
    /// A price that changes by so many hundredths within one block.
    #[must_use]
    pub fn of_price(percent: i64) -> Self {
        let sign = if percent < 0 { "−" } else { "+" };
        let name = format!("{sign}{} %", percent.unsigned_abs());
        Self { name, price: Decimal::new(percent, 2), gas: 1, depth: Decimal::ONE, away: None }
    }

    /// Those that every vault is put through.
    #[must_use]
    pub fn standard(falls: &Falls) -> Vec<Self> {
        let tenth = Decimal::new(1, 1);
        let still = Self::of_price(0);
        let away = |who, seconds| Some(Away { who, seconds });
        let mut all: Vec<Self> = [-10, -20, -30, -40, -50].map(Self::of_price).into();
        all.extend([
            Self { name: "gas × 10".into(), gas: 10, ..still.clone() },
            Self { name: "depth × 0.1".into(), depth: tenth, ..still.clone() },
            Self {
                name: "−30 %, gas × 10, depth × 0.1".into(),
                gas: 10,
                depth: tenth,
                ..Self::of_price(-30)
            },
            Self {
                name: "feed stuck for 1 h in a fall".into(),
                price: falls.feed,
                away: away(Absent::Feed, FEED_STUCK),
                ..still.clone()
            },
            Self {
                name: "keeper down for 6 h in a fall".into(),
                price: falls.keeper,
                away: away(Absent::Keeper, KEEPER_DOWN),
                ..still
            },
        ]);
        all
    }
}

impl Falls {
    /// As far as a price falls in those times at `quantile` standard deviations of its `volatility` a year.
    #[must_use]
    pub fn of_volatility(quantile: f64, volatility: f64) -> Self {
        let fall = |seconds| {
            let deviation = quantile * volatility * libm::sqrt(crate::domain::models::years(seconds));
            let fall = libm::expm1(-deviation).max(-0.99);
            crate::domain::units::from_real(fall, PLACES).unwrap_or_default().normalize()
        };
        Self { feed: fall(FEED_STUCK), keeper: fall(KEEPER_DOWN) }
    }
}

/// Decimal places of a fall that follows from a volatility.
const PLACES: u32 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fall_is_that_of_so_many_deviations() {
        // 1 − exp(−3.1 · 0.8 · √(1/8760)) and 1 − exp(−3.1 · 0.8 · √(6/8760)).
        let falls = Falls::of_volatility(3.1, 0.8);
        assert_eq!(
            (falls.feed.to_string(), falls.keeper.to_string()),
            ("-0.026149".into(), "-0.062843".into())
        );
    }
}
