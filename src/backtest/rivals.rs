//! Bands that others hedge by. They are no part of the keeper: they serve as its rivals, over the same targets,
//! sensitivities and Greeks.

use super::BacktestError;
use super::scenario::{Scenario, Strategy};

/// A band around a target, whose edge is traded back to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Whalley and Wilmott (1997): the asymptotic band without a fixed cost.
    WhalleyWilmott,
    /// Zakamouline (2006), "Efficient analytic approximation of the optimal hedging strategy for a European call option
    /// with transaction costs": fitted to the exact solution without a fixed cost, around a delta at another volatility.
    /// For a target that is no option's delta the half-width alone is taken, with the target's sensitivity for gamma.
    Zakamouline,
}

/// What a band depends on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Facts {
    /// `S`, USD.
    pub price: f64,
    /// `σ`, annualised.
    pub volatility: f64,
    /// `Γ` of the target, units per USD.
    pub sensitivity: f64,
    /// `λ`, cost of a trade as a share of its value.
    pub proportional: f64,
    /// `γ`, absolute risk aversion, 1/USD.
    pub aversion: f64,
    /// `T − t`, years to the end.
    pub years: f64,
    /// `q*`, units.
    pub target: f64,
}

/// A band.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Band {
    /// Its middle, units.
    pub centre: f64,
    /// Half of its width, units.
    pub half_width: f64,
}

impl Band {
    /// Units to buy (negative: to sell) to come back to the edge; 0 inside.
    #[must_use]
    pub fn trade(&self, held: f64) -> f64 {
        let drift = held - self.centre;
        let beyond = (drift.abs() - self.half_width).max(0.0);
        if drift > 0.0 { -beyond } else { beyond }
    }
}

impl Rule {
    /// The band at `facts`.
    ///
    /// # Errors
    /// Facts outside the domain of the Greeks.
    pub fn band(self, facts: &Facts, scenario: &Scenario) -> Result<Band, BacktestError> {
        let Facts { price, sensitivity, proportional, aversion, target, .. } = *facts;
        Ok(match self {
            Self::WhalleyWilmott => Band {
                centre: target,
                half_width: whalley_wilmott(price, sensitivity, aversion, proportional),
            },
            Self::Zakamouline => {
                Band { centre: shifted_target(facts, scenario)?, half_width: zakamouline(facts) }
            }
        })
    }
}

/// `(3·λ·S·Γ²/(2γ))^⅓` at a rate of 0 (Whalley and Wilmott 1997, equation 3.10).
#[must_use]
pub fn whalley_wilmott(price: f64, sensitivity: f64, aversion: f64, proportional: f64) -> f64 {
    libm::cbrt(1.5 * proportional * price * sensitivity * sensitivity / aversion)
}

/// `H₀ + H₁` at a rate of 0, with `H₀ = λ/(γ·S·σ²·(T − t))` and
/// `H₁ = 1.12·λ^0.31·(T − t)^0.05·σ^−0.25·(|Γ|/γ)^0.5`. For a position of many options `Γ` is that of all of them: under
/// constant absolute risk aversion `n` options at `γ` are one at `n·γ`, `n` times.
#[must_use]
pub fn zakamouline(facts: &Facts) -> f64 {
    let Facts { price, volatility, sensitivity, proportional, aversion, years, .. } = *facts;
    let unhedged = proportional / (aversion * price * volatility * volatility * years);
    let fitted = 1.12
        * libm::pow(proportional, 0.31)
        * libm::pow(years, 0.05)
        * libm::pow(volatility, -0.25)
        * libm::sqrt(sensitivity.abs() / aversion);
    unhedged + fitted
}

/// Factor on the variance at which a written option is hedged: `1 − K` with
/// `K = −4.76·λ^0.78·(T − t)^−0.02·σ^−0.25·(γ·S²·|Γ|)^0.15`, as in the same paper.
#[must_use]
pub fn variance_factor(facts: &Facts) -> f64 {
    let Facts { price, volatility, sensitivity, proportional, aversion, years, .. } = *facts;
    1.0 + 4.76
        * libm::pow(proportional, 0.78)
        * libm::pow(years, -0.02)
        * libm::pow(volatility, -0.25)
        * libm::pow(aversion * price * price * sensitivity.abs(), 0.15)
}

/// The target at the volatility that Zakamouline hedges at.
fn shifted_target(facts: &Facts, scenario: &Scenario) -> Result<f64, BacktestError> {
    match scenario.strategy {
        Strategy::DeltaHedge { calls } => {
            let volatility = facts.volatility * libm::sqrt(variance_factor(facts));
            Ok(calls * scenario.call(facts.price, facts.years, volatility).greeks()?.delta)
        }
        Strategy::Cppi { .. } | Strategy::ConstantWeight { .. } => Ok(facts.target),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One call at 100 with a month to go, hedged at 20 basis points.
    const FACTS: Facts = Facts {
        price: 100.0,
        volatility: 0.2,
        sensitivity: 0.05,
        proportional: 0.002,
        aversion: 1.0,
        years: 0.25,
        target: 0.5,
    };

    #[track_caller]
    fn assert_close(value: f64, wanted: f64, relative: f64) {
        assert!((value / wanted - 1.0).abs() < relative, "{value}, not {wanted}");
    }

    #[test]
    fn whalley_and_wilmott_have_their_published_width() {
        assert_close(whalley_wilmott(100.0, 0.02, 1.0, 0.01), 0.084_343_266_530_2, 1e-12);
        assert_close(whalley_wilmott(5_000.0, 0.02, 1.0, 5e-4), 0.114_471, 1e-5);
    }

    #[test]
    fn zakamouline_has_the_width_and_the_variance_of_his_formulas() {
        // By hand: H₀ = 0.002/(100·0.04·0.25) = 0.002;
        // H₁ = 1.12·0.145643·0.933033·1.495349·0.223607 = 0.050889.
        assert_close(zakamouline(&FACTS), 0.002 + 0.050_889, 1e-4);
        // −K = 4.76·0.00784934·1.028114·1.495349·(500)^0.15 = 0.057440·2.540052 = 0.145901.
        assert_close(variance_factor(&FACTS), 1.145_901, 1e-4);
    }

    #[test]
    fn many_options_are_one_at_a_higher_aversion() {
        let many = Facts { sensitivity: 50.0, aversion: 1e-3, ..FACTS };
        assert_close(zakamouline(&many), 1_000.0 * zakamouline(&FACTS), 1e-12);
        assert_close(variance_factor(&many), variance_factor(&FACTS), 1e-12);
        let width = whalley_wilmott(100.0, 50.0, 1e-3, 0.002);
        assert_close(width, 1_000.0 * whalley_wilmott(100.0, 0.05, 1.0, 0.002), 1e-12);
    }

    #[test]
    fn a_trade_ends_on_the_edge_and_there_is_none_inside() {
        let band = Band { centre: 10.0, half_width: 2.0 };
        assert_eq!(
            [band.trade(9.0), band.trade(12.0), band.trade(15.0), band.trade(5.0)],
            [0.0, 0.0, -3.0, 3.0]
        );
    }
}
