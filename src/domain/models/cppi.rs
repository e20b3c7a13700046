//! Constant-proportion portfolio insurance (Perold 1986, Black & Jones 1987): the price sensitivity of its target
//! around the kink at full investment, and the largest multiplier that survives a gap.
//!
//! The target is `q* = min(m·C, cap·V)/S` with multiplier `m`, cushion `C` and net asset value `V`. Its slope in the
//! price, with the units actually held, is `(m − 1)·q/S` below the cap and `(cap − 1)·q/S` at it.

use super::band::{Band, Terms};
use super::{ModelError, finite, fraction, in_range, non_negative, normal, positive};

/// The sensitivity is averaged over this part of the time in which the drift diffuses across its band.
const HOLDING_TIME: f64 = 0.2;

/// The rule and where it stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cppi {
    /// `m`, the effective multiplier.
    pub multiplier: f64,
    /// Largest exposure as a multiple of net asset value.
    pub cap: f64,
    /// `C`, USD: net asset value less floor less reserve. Not positive when the target is zero.
    pub cushion: f64,
    /// Floor plus reserve, USD.
    pub protected: f64,
}

/// A position in the risky asset.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Holding {
    /// `q`, units.
    pub units: f64,
    /// `S`, USD per unit.
    pub price: f64,
    /// `σ`, annualised.
    pub volatility: f64,
}

/// What decides how long a position is held before it is worth changing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tracking {
    /// Cost of a trade and of a drift.
    pub terms: Terms,
    /// Longest time to look ahead, years.
    pub horizon: f64,
}

/// How the target moves with the price.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sensitivity {
    /// `Γ`, units per USD, not negative.
    pub gamma: f64,
    /// `w`, from 0 to 1: how much of the coming holding time the multiplier governs rather than the cap.
    pub multiplier_weight: f64,
    /// `σ·E·√θ`, what the cushion moves by in that time, USD; 0 where no kink is looked for.
    pub spread: f64,
}

impl Cppi {
    /// The sensitivity of the target over one holding time:
    ///
    /// ```text
    /// Γ² = (q/S)²·[w·(m − 1)² + (1 − w)·(cap − 1)²]      w = Φ((C_k − C)/(σ·E·√θ))
    /// C_k = cap·(floor + reserve)/(m − cap)              θ = min(horizon, 0.2·Y₁²/s₁²)
    /// ```
    ///
    /// with `E = q·S`, `s₁ = (m − 1)·q·σ` and `Y₁` the outer edge of the band at `s₁`. A local slope would buy full
    /// investment at the cap only to sell on the way back.
    ///
    /// # Errors
    /// An input that is not finite, a negative one other than the cushion, a price or penalty of zero, or a result
    /// beyond the range of `f64`.
    pub fn sensitivity(&self, holding: &Holding, tracking: &Tracking) -> Result<Sensitivity, ModelError> {
        self.check()?;
        holding.check()?;
        let (weight, spread) = self.multiplier_weight(holding, tracking)?;
        let inside = self.multiplier - 1.0;
        let at_cap = self.cap - 1.0;
        let slope = libm::sqrt(weight * inside * inside + (1.0 - weight) * at_cap * at_cap);
        let gamma = in_range("sensitivity of the target", slope * (holding.units / holding.price))?;
        Ok(Sensitivity { gamma, multiplier_weight: weight, spread })
    }

    /// `w` and `σ·E·√θ`.
    fn multiplier_weight(&self, holding: &Holding, tracking: &Tracking) -> Result<(f64, f64), ModelError> {
        let holding_time = self.holding_time(holding, tracking)?;
        if self.multiplier <= self.cap {
            return Ok((1.0, 0.0));
        }
        let kink = self.cap * self.protected / (self.multiplier - self.cap);
        let distance = in_range("distance from the kink", kink - self.cushion)?;
        let spread = holding.volatility * holding.units * holding.price * libm::sqrt(holding_time);
        if spread == 0.0 {
            return Ok((if distance >= 0.0 { 1.0 } else { 0.0 }, spread));
        }
        Ok((normal::cdf(distance / in_range("dispersion of the cushion", spread)?), spread))
    }

    /// `θ`, years.
    fn holding_time(&self, holding: &Holding, tracking: &Tracking) -> Result<f64, ModelError> {
        let horizon = non_negative("horizon", tracking.horizon)?;
        let speed = (self.multiplier - 1.0) * holding.units * holding.volatility;
        let variance_rate = in_range("variance rate", speed * speed)?;
        if variance_rate == 0.0 {
            return Ok(horizon);
        }
        let (_, outer) = tracking.terms.edges(variance_rate)?;
        let crossing = outer / speed;
        Ok(horizon.min(HOLDING_TIME * crossing * crossing))
    }

    fn check(&self) -> Result<(), ModelError> {
        non_negative("multiplier", self.multiplier)?;
        non_negative("exposure cap", self.cap)?;
        finite("cushion", self.cushion)?;
        non_negative("floor and reserve", self.protected)?;
        Ok(())
    }
}

impl Holding {
    fn check(&self) -> Result<(), ModelError> {
        non_negative("units held", self.units)?;
        positive("price", self.price)?;
        non_negative("volatility", self.volatility)?;
        Ok(())
    }
}

/// The band near the kink: trades end no nearer to the target than `√w` of the inner edge that the band has where the
/// vault holds its target, `y₀ ← min(Y, max(y₀, √w·y₀(q*)))`.
///
/// `multiplier_weight` is `w` of [`Sensitivity`], `inner_at_target` is `y₀(q*)` in units.
///
/// # Errors
/// A weight outside 0 to 1, or an inner edge that is not finite or negative.
pub fn kinked(band: Band, multiplier_weight: f64, inner_at_target: f64) -> Result<Band, ModelError> {
    let weight = fraction("weight of the multiplier", multiplier_weight)?;
    band.with_inner_at_least(libm::sqrt(weight) * non_negative("inner edge", inner_at_target)?)
}

/// The largest multiplier whose cushion survives from one chance to act to the next:
/// `1/(1 − exp(−z·σ·√τ) + gap)`, a move of `z` standard deviations over `interval_years` and a jump of `gap_jump` (a
/// fraction of the price) together.
///
/// # Errors
/// An input that is not finite or negative, or no risk at all: then every multiplier is safe.
pub fn largest_safe_multiplier(
    deviations: f64,
    volatility: f64,
    interval_years: f64,
    gap_jump: f64,
) -> Result<f64, ModelError> {
    let deviations = non_negative("deviations to survive", deviations)?;
    let volatility = non_negative("volatility", volatility)?;
    let interval = non_negative("interval between chances to act", interval_years)?;
    let gap = non_negative("gap to survive", gap_jump)?;
    let spread = in_range("move to survive", deviations * volatility * libm::sqrt(interval))?;
    in_range("largest safe multiplier", 1.0 / (gap - libm::expm1(-spread)))
}

#[cfg(test)]
mod tests {
    use super::super::band::{Costs, Drift};
    use super::super::testing::{assert_close, fixed_seed, nasty_tuples};
    use super::super::{YEAR_SECONDS, normal};
    use super::*;
    use proptest::prelude::*;

    const ETHER: Holding = Holding { units: 30.0, price: 2000.0, volatility: 0.6 };

    fn tracking(fixed: f64) -> Tracking {
        let variance = ETHER.volatility * ETHER.price;
        let costs = Costs { fixed, proportional: 0.001 * ETHER.price };
        Tracking { terms: Terms::new(costs, 0.5 * 4e-5 * variance * variance).unwrap(), horizon: 1.0 }
    }

    /// The default policy: 100,000 USD over a floor of 80 %, multiplier 3, cap 1.
    fn rule(cushion: f64) -> Cppi {
        Cppi { multiplier: 3.0, cap: 1.0, cushion, protected: 80_000.0 }
    }

    #[test]
    fn far_below_the_cap_the_multiplier_governs() {
        let far = rule(4_000.0).sensitivity(&ETHER, &tracking(5.0)).unwrap();
        assert!(far.multiplier_weight > 0.999_999);
        assert_close(far.gamma, 2.0 * 30.0 / 2000.0, 1e-6);
    }

    #[test]
    fn far_above_the_kink_the_cap_governs() {
        let far = rule(90_000.0).sensitivity(&ETHER, &tracking(5.0)).unwrap();
        assert!(far.multiplier_weight < 1e-6 && far.gamma < 1e-4, "{far:?}");
        let levered = Cppi { cap: 1.5, ..rule(400_000.0) }.sensitivity(&ETHER, &tracking(5.0)).unwrap();
        assert_close(levered.gamma, 0.5 * 30.0 / 2000.0, 1e-9);
    }

    #[test]
    fn at_the_kink_both_weigh_the_same() {
        // C_k = 1·80,000/(3 − 1)
        let kink = rule(40_000.0).sensitivity(&ETHER, &tracking(5.0)).unwrap();
        assert_eq!(kink.multiplier_weight, 0.5);
        assert_close(kink.gamma, libm::sqrt(0.5) * 2.0 * 30.0 / 2000.0, 1e-15);
    }

    #[test]
    fn the_weight_is_the_chance_to_end_below_the_kink_after_the_holding_time() {
        let tracking = tracking(5.0);
        let speed: f64 = 2.0 * 30.0 * 0.6;
        let outer = tracking.terms.band(speed * speed).unwrap().outer;
        let years = 0.2 * outer * outer / (speed * speed);
        assert!(years < 0.1, "the horizon does not bind: {years}");
        let sensitivity = rule(37_000.0).sensitivity(&ETHER, &tracking).unwrap();
        let expected = normal::cdf(3_000.0 / (0.6 * 60_000.0 * libm::sqrt(years)));
        assert_close(sensitivity.multiplier_weight, expected, 1e-14);
        let near = Tracking { horizon: years / 4.0, ..tracking };
        let sensitivity = rule(37_000.0).sensitivity(&ETHER, &near).unwrap();
        assert_close(
            sensitivity.multiplier_weight,
            normal::cdf(3_000.0 / (0.3 * 60_000.0 * libm::sqrt(years))),
            1e-14,
        );
    }

    #[test]
    fn a_cap_that_never_binds_has_no_kink() {
        let unbound = Cppi { multiplier: 1.0, cap: 1.0, cushion: 5.0, protected: 0.0 };
        let sensitivity = unbound.sensitivity(&ETHER, &tracking(5.0)).unwrap();
        assert_eq!(sensitivity, Sensitivity { gamma: 0.0, multiplier_weight: 1.0, spread: 0.0 });
    }

    #[test]
    fn nothing_held_moves_with_nothing() {
        let empty = Holding { units: 0.0, ..ETHER };
        for (cushion, weight) in [(-1.0, 1.0), (10_000.0, 1.0), (50_000.0, 0.0)] {
            let sensitivity = rule(cushion).sensitivity(&empty, &tracking(5.0)).unwrap();
            assert_eq!(sensitivity, Sensitivity { gamma: 0.0, multiplier_weight: weight, spread: 0.0 });
        }
    }

    #[test]
    fn near_the_kink_trades_stop_short_of_the_target() {
        let costs = Costs { fixed: 5.0, proportional: 2.0 };
        let band = Band::solve(costs, Drift { variance_rate: 100.0, penalty: 30.0 }).unwrap();
        assert_eq!(kinked(band, 0.25, 0.0).unwrap().inner, band.inner);
        let wanted = 0.5 * (band.inner + band.outer);
        assert_close(kinked(band, 0.25, 2.0 * wanted).unwrap().inner, wanted, 1e-15);
        assert_eq!(kinked(band, 0.25, 1e9).unwrap().inner, band.outer);
        assert!(matches!(kinked(band, 1.5, 1.0), Err(ModelError::OutOfDomain { .. })));
    }

    #[test]
    fn the_default_policy_survives_a_multiplier_near_eight() {
        let hour = 3600.0 / YEAR_SECONDS;
        let largest = largest_safe_multiplier(3.1, 0.8, hour, 0.10).unwrap();
        assert_close(largest, 1.0 / (1.1 - libm::exp(-3.1 * 0.8 * libm::sqrt(1.0 / 8760.0))), 1e-13);
        assert!((7.9..8.0).contains(&largest), "{largest}");
    }

    #[test]
    fn without_a_move_the_gap_alone_limits_the_multiplier() {
        assert_eq!(largest_safe_multiplier(3.1, 0.0, 1.0, 0.1), Ok(10.0));
        assert!(matches!(largest_safe_multiplier(3.1, 0.0, 1.0, 0.0), Err(ModelError::OutOfRange { .. })));
        assert!(matches!(largest_safe_multiplier(-1.0, 0.2, 1.0, 0.1), Err(ModelError::Negative { .. })));
    }

    fn sound(found: Sensitivity) -> bool {
        found.gamma.is_finite() && found.gamma >= 0.0 && (0.0..=1.0).contains(&found.multiplier_weight)
    }

    #[test]
    fn no_input_whatever_panics_or_gives_a_number_that_is_not_finite() {
        for input in nasty_tuples(4) {
            if let Ok(largest) = largest_safe_multiplier(input[0], input[1], input[2], input[3]) {
                assert!(largest.is_finite() && largest > 0.0, "{largest} from {input:?}");
            }
            let rule = Cppi { multiplier: input[0], cap: input[1], cushion: input[2], protected: input[3] };
            let holding = Holding { units: input[3], price: input[0], volatility: input[1] };
            let mixed = Holding { units: input[2], price: input[3], volatility: 0.5 };
            let terms = Terms::new(tracking(1.0).terms.costs(), input[1]).unwrap_or(tracking(1.0).terms);
            let extreme = Tracking { terms, horizon: input[2] };
            for (holding, tracking) in [(ETHER, tracking(1.0)), (holding, tracking(1.0)), (mixed, extreme)] {
                let found = rule.sensitivity(&holding, &tracking);
                assert!(found.map_or(true, sound), "{found:?} from {input:?}");
            }
        }
    }

    proptest! {
        #![proptest_config(fixed_seed())]

        #[test]
        fn the_sensitivity_lies_between_its_two_slopes_and_falls_with_the_cushion(
            cushion in -1e4..1e5_f64, more in 0.0..1e4_f64, fixed in 0.0..100.0_f64, cap in 0.5..2.0_f64,
        ) {
            let at = |cushion| Cppi { cap, ..rule(cushion) }.sensitivity(&ETHER, &tracking(fixed)).unwrap();
            let (low, high) = (at(cushion), at(cushion + more));
            prop_assert!(high.multiplier_weight <= low.multiplier_weight && high.gamma <= low.gamma);
            let unit = 30.0 / 2000.0;
            prop_assert!(low.gamma <= 2.0 * unit * (1.0 + 1e-12));
            prop_assert!(high.gamma >= (cap - 1.0).abs() * unit * (1.0 - 1e-12));
        }

        #[test]
        fn more_risk_never_allows_a_larger_multiplier(
            z in 0.0..6.0_f64, sigma in 0.0..3.0_f64, tau in 0.0..0.01_f64, gap in 0.001..0.5_f64, k in 1.0..3.0_f64,
        ) {
            let largest = largest_safe_multiplier(z, sigma, tau, gap).unwrap();
            for riskier in [(z * k, sigma, tau, gap), (z, sigma * k, tau, gap), (z, sigma, tau * k, gap), (z, sigma, tau, gap * k)] {
                let (z, sigma, tau, gap) = riskier;
                prop_assert!(largest_safe_multiplier(z, sigma, tau, gap).unwrap() <= largest);
            }
        }
    }
}
