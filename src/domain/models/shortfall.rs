//! The price of the gap: what a floor is expected to lose between two chances to act, and how likely that is.

use super::{ModelError, finite, fraction, in_range, non_negative, normal, positive};

/// How the price may fall through the cushion before the vault can act.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GapRisk {
    /// `λ`, jumps down per year.
    pub jump_rate: f64,
    /// `μ`, mean loss of a jump as a fraction of the price (exponentially distributed).
    pub jump_mean: f64,
    /// `σ`, annualised.
    pub volatility: f64,
    /// `τ`, years between two chances to act.
    pub interval: f64,
}

impl GapRisk {
    /// `ES(E)`: expected shortfall below the floor that an exposure of `E` USD over a cushion of `C` USD adds, USD per
    /// year:
    ///
    /// ```text
    /// ES(E) = λ·E·μ·exp(−C/(E·μ)) + E·P(1, 1 − C/E, σ, τ)/τ
    /// ```
    ///
    /// with `P` the undiscounted [`put`]. The second term is 0 where `C ≥ E`, both are where `E = 0`. A cushion below
    /// zero counts as zero: what is lost already is not the exposure's doing. Rises with `E`, falls with `C`.
    ///
    /// # Errors
    /// An input that is not finite, a negative one other than the cushion, an interval of zero, or a rate beyond the
    /// range of `f64`.
    pub fn shortfall_rate(&self, exposure: f64, cushion: f64) -> Result<f64, ModelError> {
        let jump_rate = non_negative("jump rate", self.jump_rate)?;
        let jump_mean = non_negative("mean jump", self.jump_mean)?;
        let interval = positive("interval between chances to act", self.interval)?;
        let exposure = non_negative("exposure", exposure)?;
        let cushion = finite("cushion", cushion)?.max(0.0);
        let jump_loss = in_range("loss of a jump", exposure * jump_mean)?;
        let jumps =
            if jump_loss > 0.0 { jump_rate * jump_loss * libm::exp(-cushion / jump_loss) } else { 0.0 };
        let strike = if cushion < exposure { 1.0 - cushion / exposure } else { 0.0 };
        let diffusion = exposure * put(1.0, strike, self.volatility, interval)? / interval;
        in_range("expected shortfall", jumps + diffusion)
    }
}

/// Black–Scholes–Merton put without discounting or carry: `K·Φ(−d₂) − S·Φ(−d₁)`, the expected `(K − S_T)⁺` of a
/// driftless price. `spot` and `strike` in USD, `volatility` annualised. Without volatility, time, spot or strike it
/// is its limit, never NaN.
///
/// # Errors
/// An input that is not finite or negative.
pub fn put(spot: f64, strike: f64, volatility: f64, years: f64) -> Result<f64, ModelError> {
    let spot = non_negative("spot price", spot)?;
    let strike = non_negative("strike", strike)?;
    let volatility = non_negative("volatility", volatility)?;
    let deviation = volatility * libm::sqrt(non_negative("time to expiry", years)?);
    let intrinsic = (strike - spot).max(0.0);
    if deviation == 0.0 || spot == 0.0 || strike == 0.0 {
        return Ok(intrinsic);
    }
    let moneyness = (libm::log(spot) - libm::log(strike)) / deviation;
    let half = 0.5 * deviation;
    let value = strike * normal::cdf(half - moneyness) - spot * normal::cdf(-half - moneyness);
    Ok(value.clamp(intrinsic, strike))
}

/// `c_eff`, USD per unit² and year: the penalty on a drift of `y` units together with what the extra exposure does to
/// the floor, `c + w_floor·(ES(E) − ES(E*))/y²`, in place of `c`.
///
/// `floor_price` is `w_floor`, what the owner pays to save a dollar below the floor; `held` and `target` are
/// [`GapRisk::shortfall_rate`] of the exposure held and of the target, USD per year. Only on the risky side
/// (`drift > 0`), and never below `penalty`; for a drift too small to divide by it stops at the largest `f64`.
///
/// # Errors
/// An input that is not finite, or a negative one other than the drift.
pub fn penalty_with_floor(
    penalty: f64,
    floor_price: f64,
    held: f64,
    target: f64,
    drift: f64,
) -> Result<f64, ModelError> {
    let penalty = non_negative("penalty of the drift", penalty)?;
    let floor_price = non_negative("price of the floor", floor_price)?;
    let excess = non_negative("shortfall held", held)? - non_negative("shortfall of the target", target)?;
    let drift = finite("drift", drift)?;
    if drift <= 0.0 || excess <= 0.0 || floor_price == 0.0 {
        return Ok(penalty);
    }
    Ok((penalty + floor_price * (excess / drift / drift)).min(f64::MAX))
}

/// A geometric Brownian motion beside a riskless rate, all annualised.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Market {
    /// `μ`, expected return of the risky asset.
    pub drift: f64,
    /// `r`, return of the riskless asset.
    pub rate: f64,
    /// `σ`.
    pub volatility: f64,
}

impl Market {
    /// Probability that CPPI with `multiplier` falls through its floor within one step between two chances to trade
    /// (Balder, Brandl & Mahayni 2009):
    /// `Φ((ln((m − 1)/m) + r·Δ − (μ − σ²/2)·Δ)/(σ·√Δ))`, and 0 for a multiplier of at most 1.
    ///
    /// # Errors
    /// An input that is not finite, a negative multiplier, volatility or step, or terms beyond the range of `f64`.
    pub fn breach_probability(&self, multiplier: f64, step_years: f64) -> Result<f64, ModelError> {
        let multiplier = non_negative("multiplier", multiplier)?;
        let step = non_negative("step", step_years)?;
        let volatility = non_negative("volatility", self.volatility)?;
        let drift = finite("drift of the market", self.drift)?;
        let rate = finite("riskless rate", self.rate)?;
        if multiplier <= 1.0 {
            return Ok(0.0);
        }
        let growth = drift - 0.5 * volatility * volatility;
        let distance = libm::log1p(-1.0 / multiplier) + (rate - growth) * step;
        quantile_probability("breach probability", distance, volatility * libm::sqrt(step))
    }
}

/// Jumps in the logarithm of the price (Merton 1976).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MertonJumps {
    /// Jumps per year.
    pub rate: f64,
    /// Mean of a jump in the logarithm of the price.
    pub mean: f64,
    /// Standard deviation of a jump in the logarithm of the price.
    pub deviation: f64,
}

impl MertonJumps {
    /// Probability that a jump breaks the floor of a continuously traded CPPI within `years` (Cont & Tankov 2009):
    /// `1 − exp(−T·ν((−∞, ln(1 − 1/m)]))`, and 0 for a multiplier of at most 1.
    ///
    /// # Errors
    /// An input that is not finite, a negative one other than the mean, or terms beyond the range of `f64`.
    pub fn loss_probability(&self, multiplier: f64, years: f64) -> Result<f64, ModelError> {
        let rate = non_negative("jump rate", self.rate)?;
        let mean = finite("mean jump", self.mean)?;
        let deviation = non_negative("deviation of jumps", self.deviation)?;
        let multiplier = non_negative("multiplier", multiplier)?;
        let years = non_negative("time", years)?;
        if multiplier <= 1.0 {
            return Ok(0.0);
        }
        let distance = libm::log1p(-1.0 / multiplier) - mean;
        let fatal = quantile_probability("jump loss probability", distance, deviation)?;
        let expected = in_range("number of jumps", rate * years)?;
        Ok(-libm::expm1(-expected * fatal))
    }
}

/// Probability that something of probability `p` each time happens at least once in `steps`: `1 − (1 − p)ⁿ`.
///
/// # Errors
/// A probability outside 0 to 1.
pub fn over_steps(probability: f64, steps: u32) -> Result<f64, ModelError> {
    let probability = fraction("probability", probability)?;
    if steps == 0 {
        return Ok(0.0);
    }
    Ok(-libm::expm1(f64::from(steps) * libm::log1p(-probability)))
}

/// `Φ(distance/deviation)`, a step where nothing deviates.
fn quantile_probability(result: &'static str, distance: f64, deviation: f64) -> Result<f64, ModelError> {
    let distance = in_range(result, distance)?;
    let deviation = in_range(result, deviation)?;
    if deviation == 0.0 {
        return Ok(if distance >= 0.0 { 1.0 } else { 0.0 });
    }
    Ok(normal::cdf(distance / deviation))
}

#[cfg(test)]
mod tests {
    use super::super::YEAR_SECONDS;
    use super::super::testing::{Xorshift, assert_close, assert_printed, fixed_seed, nasty_tuples};
    use super::*;
    use proptest::prelude::*;

    const DEFAULT: GapRisk =
        GapRisk { jump_rate: 4.0, jump_mean: 0.08, volatility: 0.8, interval: 3600.0 / YEAR_SECONDS };

    #[test]
    fn breach_probabilities_of_balder_brandl_and_mahayni_are_met() {
        let market = |volatility| Market { drift: 0.085, rate: 0.05, volatility };
        assert_printed(market(0.2).breach_probability(12.0, 1.0 / 12.0).unwrap(), 0.063_165_46, 1e-8);
        for (volatility, multiplier, steps, expected) in [
            (0.2, 12.0, 12, 0.542_959),
            (0.2, 12.0, 52, 0.041_908_6),
            (0.2, 15.0, 12, 0.759_166),
            (0.3, 12.0, 12, 0.876_315),
            (0.8, 8.0, 365, 0.242_758),
        ] {
            let step = market(volatility).breach_probability(multiplier, 1.0 / f64::from(steps)).unwrap();
            let last_digit = if expected < 0.1 { 1e-7 } else { 1e-6 };
            assert_printed(over_steps(step, steps).unwrap(), expected, last_digit);
        }
    }

    #[test]
    fn jump_losses_of_cont_and_tankov_are_met() {
        let jumps = MertonJumps { rate: 25.0, mean: -0.03, deviation: 0.06 };
        for (multiplier, expected, last_digit) in [
            (4.0, 2.186_371e-4, 1e-10),
            (5.0, 0.015_947_95, 1e-8),
            (6.0, 0.129_845_4, 1e-7),
            (8.0, 0.651_952_1, 1e-7),
        ] {
            assert_printed(jumps.loss_probability(multiplier, 1.0).unwrap(), expected, last_digit);
        }
    }

    #[test]
    fn a_multiplier_of_one_cannot_breach_and_certainty_stays_certain() {
        let calm = Market { drift: 0.0, rate: 0.0, volatility: 0.0 };
        assert_eq!(calm.breach_probability(1.0, 1.0), Ok(0.0));
        assert_eq!(calm.breach_probability(5.0, 1.0), Ok(0.0));
        assert_eq!(Market { drift: -1.0, ..calm }.breach_probability(5.0, 1.0), Ok(1.0));
        let jumps = MertonJumps { rate: 25.0, mean: -0.5, deviation: 0.0 };
        assert_eq!(jumps.loss_probability(1.0, 1.0), Ok(0.0));
        assert_close(jumps.loss_probability(4.0, 1.0).unwrap(), 1.0 - libm::exp(-25.0), 1e-15);
        assert_eq!((over_steps(1.0, 3), over_steps(0.3, 0), over_steps(1.0, 0)), (Ok(1.0), Ok(0.0), Ok(0.0)));
        assert!(matches!(over_steps(1.5, 2), Err(ModelError::OutOfDomain { .. })));
    }

    #[test]
    fn the_put_has_its_known_value_and_its_limits() {
        // At the money: S·(2Φ(σ√T/2) − 1).
        assert_close(put(100.0, 100.0, 0.2, 1.0).unwrap(), 7.965_567_455_405_804, 1e-13);
        // By numerical integration of the payoff.
        assert_close(put(100.0, 120.0, 0.3, 0.5).unwrap(), 22.503_775_208_732, 1e-12);
        assert_eq!(put(100.0, 120.0, 0.0, 0.5), Ok(20.0));
        assert_eq!(put(100.0, 120.0, 0.3, 0.0), Ok(20.0));
        assert_eq!(put(0.0, 120.0, 0.3, 1.0), Ok(120.0));
        assert_eq!(put(100.0, 0.0, 0.3, 1.0), Ok(0.0));
        assert_eq!(put(1.0, 1.0, 1e9, 1e9), Ok(1.0));
    }

    #[test]
    fn the_expected_shortfall_is_the_mean_of_simulated_losses() {
        let (exposure, cushion) = (60_000.0, 2_000.0);
        let risk = GapRisk { interval: 1.0 / 365.0, ..DEFAULT };
        let (mut random, mut jumps, mut diffusion) = (Xorshift(7), 0.0, 0.0);
        let deviation = risk.volatility * libm::sqrt(risk.interval);
        let count = 400_000_u32;
        for _ in 0..count {
            let jump = -risk.jump_mean * libm::log(random.uniform());
            jumps += (exposure * jump - cushion).max(0.0);
            let price = libm::exp(deviation * random.normal() - 0.5 * deviation * deviation);
            diffusion += (exposure * (1.0 - price) - cushion).max(0.0);
        }
        let simulated = (risk.jump_rate * jumps + diffusion / risk.interval) / f64::from(count);
        assert_close(simulated, risk.shortfall_rate(exposure, cushion).unwrap(), 0.01);
    }

    #[test]
    fn the_shortfall_has_its_limits() {
        assert_eq!(DEFAULT.shortfall_rate(0.0, 10.0), Ok(0.0));
        assert_eq!(DEFAULT.shortfall_rate(0.0, -10.0), Ok(0.0));
        let covered = DEFAULT.shortfall_rate(50.0, 50.0).unwrap();
        assert_close(covered, 4.0 * 50.0 * 0.08 * libm::exp(-1.0 / 0.08), 1e-14);
        let none_left = DEFAULT.shortfall_rate(50.0, 0.0).unwrap();
        assert_eq!(DEFAULT.shortfall_rate(50.0, -20.0), Ok(none_left));
        let at_the_money = put(1.0, 1.0, 0.8, DEFAULT.interval).unwrap();
        assert_close(none_left, 50.0 * (4.0 * 0.08 + at_the_money / DEFAULT.interval), 1e-14);
        let no_jumps = GapRisk { jump_mean: 0.0, ..DEFAULT };
        assert_eq!(no_jumps.shortfall_rate(50.0, 50.0), Ok(0.0));
        assert!(matches!(
            GapRisk { interval: 0.0, ..DEFAULT }.shortfall_rate(1.0, 1.0),
            Err(ModelError::OutOfDomain { .. })
        ));
    }

    #[test]
    fn the_floor_adds_to_the_penalty_on_the_risky_side_alone() {
        assert_close(penalty_with_floor(2.0, 5.0, 30.0, 10.0, 4.0).unwrap(), 2.0 + 5.0 * 20.0 / 16.0, 1e-15);
        assert_eq!(penalty_with_floor(2.0, 5.0, 30.0, 10.0, -4.0), Ok(2.0));
        assert_eq!(penalty_with_floor(2.0, 5.0, 30.0, 10.0, 0.0), Ok(2.0));
        assert_eq!(penalty_with_floor(2.0, 5.0, 10.0, 30.0, 4.0), Ok(2.0));
        assert_eq!(penalty_with_floor(2.0, 0.0, 30.0, 10.0, 4.0), Ok(2.0));
        assert_eq!(penalty_with_floor(2.0, 5.0, 30.0, 10.0, 1e-200), Ok(f64::MAX));
    }

    #[test]
    fn no_input_whatever_panics_or_gives_a_number_that_is_not_finite() {
        let probability = |p: f64| (0.0..=1.0).contains(&p);
        for input in nasty_tuples(4) {
            let [a, b, c, d] = input[..] else { unreachable!() };
            if let Ok(value) = put(a, b, c, d) {
                assert!(value >= 0.0 && value <= b, "put {value} from {input:?}");
            }
            let risk = GapRisk { jump_rate: 4.0, jump_mean: a, volatility: 0.8, interval: b };
            let swept = GapRisk { jump_rate: a, jump_mean: 0.08, volatility: b, interval: 0.01 };
            for result in [risk.shortfall_rate(c, d), swept.shortfall_rate(c, d)] {
                assert!(result.map_or(true, |v| v.is_finite() && v >= 0.0), "{result:?} from {input:?}");
            }
            for result in [penalty_with_floor(a, b, c, 1.0, d), penalty_with_floor(a, b, c, 1.0, 1e-3)] {
                assert!(
                    result.map_or(true, |v| v.is_finite() && v >= a),
                    "penalty {result:?} from {input:?}"
                );
            }
            let breach = Market { drift: a, rate: 0.05, volatility: b }.breach_probability(c, d);
            let loss = MertonJumps { rate: 25.0, mean: a, deviation: b }.loss_probability(c, d);
            for result in [breach, loss, over_steps(a, 1_000_000)] {
                assert!(result.is_err() || result.is_ok_and(probability), "{result:?} from {input:?}");
            }
        }
    }

    proptest! {
        #![proptest_config(fixed_seed())]

        #[test]
        fn the_shortfall_rises_with_exposure_and_falls_with_the_cushion(
            exposure in 0.0..1e6_f64, cushion in -1e5..1e6_f64, more in 0.0..1e5_f64, volatility in 0.05..3.0_f64,
        ) {
            let risk = GapRisk { volatility, ..DEFAULT };
            let rate = risk.shortfall_rate(exposure, cushion).unwrap();
            let slack = 1e-9 * (1.0 + rate);
            prop_assert!(risk.shortfall_rate(exposure + more, cushion).unwrap() >= rate - slack);
            prop_assert!(risk.shortfall_rate(exposure, cushion + more).unwrap() <= rate + slack);
        }

        #[test]
        fn call_and_put_keep_their_parity(
            spot in 0.1..1e5_f64, ratio in 0.2..5.0_f64, volatility in 0.01..3.0_f64, years in 0.001..5.0_f64,
        ) {
            // A call is a put with spot and strike exchanged.
            let strike = spot * ratio;
            let (put_value, call) = (put(spot, strike, volatility, years), put(strike, spot, volatility, years));
            let difference = put_value.unwrap() - call.unwrap();
            prop_assert!((difference - (strike - spot)).abs() < 1e-12 * (spot + strike));
        }
    }
}
