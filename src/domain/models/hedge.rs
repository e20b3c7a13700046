//! An option book and its delta hedge: what the legs are together, and how long the hedge lasts.

use super::greeks::{Contract, Greeks, OptionKind, Underlying};
use super::{ModelError, finite, in_range, non_negative};

/// What all legs of a book are valued in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spot {
    /// `S`, USD per unit.
    pub price: f64,
    /// `r`, riskless rate per year, continuously compounded.
    pub rate: f64,
    /// `q`, what holding a unit earns per year, continuously compounded.
    pub carry: f64,
}

/// One open leg.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Leg {
    /// Call or put.
    pub kind: OptionKind,
    /// `K`, USD per unit.
    pub strike: f64,
    /// `T`, years to expiry.
    pub years: f64,
    /// `n`, units; negative where it was written.
    pub size: f64,
}

/// What a book is worth and how that moves: `Σ nᵢ·Greekᵢ`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Total {
    /// USD.
    pub value: f64,
    /// Units.
    pub delta: f64,
    /// Units per USD.
    pub gamma: f64,
    /// USD per 1.00 of volatility.
    pub vega: f64,
    /// USD per year that passes.
    pub theta: f64,
}

impl Spot {
    /// `ln(K/F)` with `F = S·e^((r − q)·T)`.
    ///
    /// # Errors
    /// A price or strike that is not finite and above 0, or a time that is not finite.
    pub fn log_moneyness(&self, leg: &Leg) -> Result<f64, ModelError> {
        let ratio = libm::log(non_negative("strike", leg.strike)? / non_negative("spot price", self.price)?);
        finite("log-moneyness", ratio - (self.rate - self.carry) * leg.years)
    }

    /// Value and Greeks of `leg` at an annualised `volatility`.
    ///
    /// # Errors
    /// As [`Contract::greeks`], or a result beyond the range of `f64`.
    pub fn total(&self, leg: &Leg, volatility: f64) -> Result<Total, ModelError> {
        let Leg { kind, strike, years, size } = *leg;
        let underlying = Underlying::Spot { price: self.price, carry: self.carry };
        let one = Contract { kind, underlying, strike, years, volatility, rate: self.rate }.greeks()?;
        let Greeks { price, delta, gamma, vega, theta, .. } = one;
        Total {
            value: size * price,
            delta: size * delta,
            gamma: size * gamma,
            vega: size * vega,
            theta: size * theta,
        }
        .in_range()
    }
}

impl Leg {
    /// What it is worth once it has expired at `price`.
    ///
    /// # Errors
    /// A price or a value that is not finite.
    pub fn payoff(&self, price: f64) -> Result<f64, ModelError> {
        let price = non_negative("price at expiry", price)?;
        let gain = match self.kind {
            OptionKind::Call => price - self.strike,
            OptionKind::Put => self.strike - price,
        };
        in_range("payoff", self.size * gain.max(0.0))
    }
}

impl Total {
    /// Both together.
    ///
    /// # Errors
    /// Beyond the range of `f64`.
    pub fn plus(self, other: Self) -> Result<Self, ModelError> {
        Self {
            value: self.value + other.value,
            delta: self.delta + other.delta,
            gamma: self.gamma + other.gamma,
            vega: self.vega + other.vega,
            theta: self.theta + other.theta,
        }
        .in_range()
    }

    fn in_range(self) -> Result<Self, ModelError> {
        let Self { value, delta, gamma, vega, theta } = self;
        let all = [("value", value), ("delta", delta), ("gamma", gamma), ("vega", vega), ("theta", theta)];
        match all.into_iter().find(|(_, number)| !number.is_finite()) {
            Some((result, _)) => Err(ModelError::OutOfRange { result }),
            None => Ok(self),
        }
    }
}

/// For how many years a drift of `drift` units from the hedge of a book lasts. `parts` are the years to expiry and the
/// delta of each open leg, in units; `None` where there is none, so that nothing ends it.
///
/// A leg that expires takes its delta out of the target. Until the last of them has, let `J(t)` be the delta of those
/// that are gone by then (a delta is about what it is expected to be at expiry: `n·Φ(±d)` is a martingale but for
/// rates). Trading `y` away saves `c·y²` per year at first and `c·(y² − 2·|J|·|y|)` or more afterwards: the part
/// `1 − 2·|J|/|y|` of it, never counted below 0 and never again once it was 0, for then there is another trade to decide
/// on. So a single expiry is simply the time to it, a small leg that expires soon does not keep a large one from being
/// hedged, and a drift that the next expiry undoes is not traded away the day before.
///
/// # Errors
/// An input that is not finite, or a negative time.
pub fn life(drift: f64, parts: &mut [(f64, f64)]) -> Result<Option<f64>, ModelError> {
    let drift = finite("drift", drift)?.abs();
    parts.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let (mut life, mut until, mut gone, mut kept) = (None, 0.0, 0.0_f64, 1.0_f64);
    for &(years, delta) in parts.iter() {
        let years = non_negative("time to expiry", years)?;
        // Legs that expire together take their delta out together.
        if years > until && life.is_some() {
            let left = if drift > 0.0 { 1.0 - 2.0 * (gone.abs() / drift) } else { 0.0 };
            kept = kept.min(left.max(0.0));
        }
        life = Some(life.unwrap_or(0.0) + kept * (years - until));
        until = years;
        gone = finite("delta of the book", gone + delta)?;
    }
    Ok(life)
}

#[cfg(test)]
mod tests;
