//! European options: price and Greeks of Black & Scholes (1973) with a continuous carry (Merton 1973), or on a
//! forward (Black 1976); vanna and charm as in Haug (2007, §2.2 and §2.6).
//!
//! With `A = S·e^(−qT)`, `B = K·e^(−rT)`, `s = σ·√T`, `d₁ = ln(A/B)/s + s/2`, `d₂ = d₁ − s` and `θ` 1 for a call and −1
//! for a put
//!
//! ```text
//! price = θ·(A·Φ(θd₁) − B·Φ(θd₂))          w = A·φ(d₁) = B·φ(d₂)
//! ```
//!
//! and every Greek is made of the same `w` and the same tails `Φ(−|d|)/φ(d)`, so one exponential serves all.
//! An option on a forward is one on a price that carries the riskless rate: `S = F`, `q = r`.

use serde::{Deserialize, Serialize};

use super::{ModelError, finite, non_negative, normal};

/// Distance in standard deviations from which a density is 0 in `f64` even where it is weighted with the largest price.
const FAR: f64 = 1e3;

/// The right that an option gives; its number is `θ`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(i8)]
pub enum OptionKind {
    /// To buy at the strike.
    Call = 1,
    /// To sell at the strike.
    Put = -1,
}

/// The price that an option is written on, USD per unit. Delta, gamma, vanna and charm are with respect to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Underlying {
    /// What is bought and sold today.
    Spot {
        /// `S`, USD per unit.
        price: f64,
        /// `q`, what holding a unit earns per year as a fraction of its price, continuously compounded: dividends,
        /// staking, lending. The forward grows at `r − q`.
        carry: f64,
    },
    /// A forward or future that ends with the option.
    Forward {
        /// `F`, USD per unit at expiry.
        price: f64,
    },
}

/// A European option on one unit, and the market it is valued in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Contract {
    /// Call or put.
    pub kind: OptionKind,
    /// What it is written on.
    pub underlying: Underlying,
    /// `K`, USD per unit.
    pub strike: f64,
    /// `T`, years to expiry of 365 days; 0 is expired.
    pub years: f64,
    /// `σ`, annualised volatility: 0.8 is 80 %.
    pub volatility: f64,
    /// `r`, riskless rate per year, continuously compounded.
    pub rate: f64,
}

/// What one long option is worth today and how that moves. All are finite; those of a price that is discounted are
/// discounted too. An option on a forward has its Greeks with respect to the forward, and theta and charm with the
/// forward held; exchanges that quote an undiscounted delta on the future, as Deribit does, mean these at a rate of 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Greeks {
    /// Present value, USD.
    pub price: f64,
    /// Units of the underlying: ∂price/∂S.
    pub delta: f64,
    /// Units per USD: ∂²price/∂S².
    pub gamma: f64,
    /// USD per 1.00 of volatility: ∂price/∂σ. See [`Greeks::vega_per_point`].
    pub vega: f64,
    /// USD per year that passes: −∂price/∂T. See [`Greeks::theta_per_day`].
    pub theta: f64,
    /// Units per 1.00 of volatility: ∂delta/∂σ. See [`Greeks::vanna_per_point`].
    pub vanna: f64,
    /// Units per year that passes: −∂delta/∂T. See [`Greeks::charm_per_day`].
    pub charm: f64,
}

impl Greeks {
    /// USD per percentage point of volatility.
    #[must_use]
    pub fn vega_per_point(&self) -> f64 {
        self.vega / 100.0
    }

    /// USD per day that passes.
    #[must_use]
    pub fn theta_per_day(&self) -> f64 {
        self.theta / 365.0
    }

    /// Units per percentage point of volatility.
    #[must_use]
    pub fn vanna_per_point(&self) -> f64 {
        self.vanna / 100.0
    }

    /// Units per day that passes.
    #[must_use]
    pub fn charm_per_day(&self) -> f64 {
        self.charm / 365.0
    }

    fn in_range(self) -> Result<Self, ModelError> {
        let Self { price, delta, gamma, vega, theta, vanna, charm } = self;
        let all = [price, delta, gamma, vega, theta, vanna, charm];
        // Zero times anything finite is zero: one branch for all of them.
        if all.iter().map(|value| 0.0 * value).sum::<f64>() == 0.0 { Ok(self) } else { Err(beyond(all)) }
    }
}

/// Which Greek, in the order of the fields, is beyond the range.
#[cold]
#[inline(never)]
fn beyond(greeks: [f64; 7]) -> ModelError {
    let names = ["price", "delta", "gamma", "vega", "theta", "vanna", "charm"];
    let first = names.into_iter().zip(greeks).find(|(_, value)| !value.is_finite());
    ModelError::OutOfRange { result: first.map_or("price", |(name, _)| name) }
}

/// A valid contract in the terms of the formula.
struct Terms {
    /// `θ`.
    sign: f64,
    /// `S`, or `F`.
    spot: f64,
    /// `q`; `r` for a forward.
    carry: f64,
    /// `r`.
    rate: f64,
    /// `T`.
    years: f64,
    /// `√T`.
    root_years: f64,
    /// `s = σ·√T`, at most [`FAR`].
    deviation: f64,
    /// `ln(A/B)/s`, within ±[`FAR`]; 0 where both are 0.
    moneyness: f64,
    /// `e^(−qT)`.
    spot_discount: f64,
    /// `A`, USD.
    spot_value: f64,
    /// `B`, USD.
    strike_value: f64,
}

impl Contract {
    /// Price and Greeks.
    ///
    /// Without time, volatility, spot or strike they are their limits. Where forward and strike are equal too, the
    /// payoff has a kink: there delta is the mean of both sides, and so is what has no limit (gamma and charm, and theta
    /// at expiry), which is what carry and rate alone make of it.
    ///
    /// # Errors
    /// An input that is not finite, a negative price, strike, time or volatility, or a result beyond the range of
    /// `f64`.
    pub fn greeks(&self) -> Result<Greeks, ModelError> {
        self.terms()?.greeks().in_range()
    }

    fn terms(&self) -> Result<Terms, ModelError> {
        let rate = finite("rate", self.rate)?;
        let (spot, carry) = match self.underlying {
            Underlying::Spot { price, carry } => {
                (non_negative("spot price", price)?, finite("carry", carry)?)
            }
            Underlying::Forward { price } => (non_negative("forward price", price)?, rate),
        };
        let strike = non_negative("strike", self.strike)?;
        let years = non_negative("time to expiry", self.years)?;
        let volatility = non_negative("volatility", self.volatility)?;
        let root_years = libm::sqrt(years);
        let deviation = (volatility * root_years).min(FAR);
        let spot_discount = libm::exp(-carry * years);
        let discount = if carry == rate { spot_discount } else { libm::exp(-rate * years) };
        let distance = log_ratio(spot, strike) + (rate - carry) * years;
        let moneyness = if distance == 0.0 { 0.0 } else { (distance / deviation).clamp(-FAR, FAR) };
        Ok(Terms {
            sign: f64::from(self.kind as i8),
            spot,
            carry,
            rate,
            years,
            root_years,
            deviation,
            moneyness,
            spot_discount,
            spot_value: spot * spot_discount,
            strike_value: strike * discount,
        })
    }
}

impl Terms {
    fn greeks(&self) -> Greeks {
        let half = 0.5 * self.deviation;
        let (d1, d2) = (self.moneyness + half, self.moneyness - half);
        let (ratio1, ratio2) = (normal::mills(d1.abs()), normal::mills(d2.abs()));
        // w, from the end at which the density is larger: the other may be 0 where their product with the price is not.
        let (near, less, near_ratio, far_ratio) = if self.moneyness <= 0.0 {
            (d1, self.spot_value, ratio1, ratio2)
        } else {
            (-d2, self.strike_value, ratio2, ratio1)
        };
        let weight = less * normal::PEAK * libm::exp(-0.5 * near * near);
        // The option out of the money; the other is worth its intrinsic value more.
        let time_value = (probable(near, less, weight * near_ratio) - weight * far_ratio).max(0.0);
        let intrinsic = (self.sign * (self.spot_value - self.strike_value)).max(0.0);

        let (per_spot, per_deviation) = (inverse(self.spot), inverse(self.deviation));
        let per_year = inverse(self.years);
        let density = weight * per_spot;
        let delta = self.sign * probable(self.sign * d1, self.spot_discount, density * ratio1);
        let strike_leg = self.sign * probable(self.sign * d2, self.strike_value, weight * ratio2);
        let decay = 0.5 * weight * (self.deviation * per_year);
        // Each product begins with the density, so that where that is 0 nothing overflows.
        Greeks {
            price: time_value + intrinsic,
            delta,
            gamma: density * per_spot * per_deviation,
            vega: weight * self.root_years,
            theta: self.carry * (self.spot * delta) - self.rate * strike_leg - decay,
            vanna: density * (0.5 * self.root_years)
                - density * self.moneyness * per_deviation * self.root_years,
            charm: self.carry * delta - density * per_deviation * (self.rate - self.carry)
                + 0.5 * (density * d2 * per_year),
        }
    }
}

/// `whole·Φ(d)` where `tail` is `whole·Φ(−|d|)`.
fn probable(d: f64, whole: f64, tail: f64) -> f64 {
    if d <= 0.0 { tail } else { whole - tail }
}

/// `1/x`, and 0 for an `x` too small to divide by: what it multiplies is 0 there, or is to count as 0.
fn inverse(x: f64) -> f64 {
    if x < f64::MIN_POSITIVE { 0.0 } else { 1.0 / x }
}

/// `ln(spot/strike)`, to full relative accuracy near the money too; +∞ without a strike.
fn log_ratio(spot: f64, strike: f64) -> f64 {
    let (more, less, sign) = if spot < strike { (strike, spot, -1.0) } else { (spot, strike, 1.0) };
    let excess = (more - less) / less;
    if excess.is_finite() {
        sign * libm::log1p(excess)
    } else if less == 0.0 {
        sign * f64::INFINITY
    } else {
        sign * (libm::log(more) - libm::log(less))
    }
}

#[cfg(test)]
mod tests;
