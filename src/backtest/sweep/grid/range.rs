//! Values at equal distances or in equal proportions between two ends.

use rust_decimal::Decimal;
use rust_decimal::prelude::FromPrimitive;

use crate::domain::units::to_real;

/// Most values of a range.
pub(super) const MOST_STEPS: i64 = 1_000;
/// Significant digits of a value between the ends.
const DIGITS: u32 = 6;

/// How a range goes from one end to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    /// By equal distances.
    Linear,
    /// By equal proportions.
    Log,
}

/// So many values from the first to the last, both of them exactly; those between have six significant digits, or are `whole`.
///
/// # Errors
/// What is wrong: two values are equal, or the ends are not above zero on a scale of proportions.
pub(super) fn values(
    (from, to): (Decimal, Decimal),
    steps: u32,
    scale: Scale,
    whole: bool,
) -> Result<Vec<Decimal>, String> {
    if scale == Scale::Log && (from <= Decimal::ZERO || to <= Decimal::ZERO) {
        return Err("a log scale goes from above 0 to above 0".into());
    }
    let last = steps.saturating_sub(1);
    let between = |step: u32| {
        let exact = if step == 0 { Some(from) } else { (step == last).then_some(to) };
        exact.or_else(|| rounded(at((from, to), (step, last), scale)?, whole))
    };
    let values: Option<Vec<Decimal>> = (0..steps).map(between).collect();
    let values = values.ok_or("the ends are too far apart")?;
    if values.windows(2).any(|two| matches!(two, [one, other] if one == other)) {
        let hint = if whole { ": write the ends in quotes for values that are not whole" } else { "" };
        return Err(format!("two of its {steps} values are equal{hint}"));
    }
    Ok(values)
}

fn at((from, to): (Decimal, Decimal), (step, last): (u32, u32), scale: Scale) -> Option<Decimal> {
    match scale {
        Scale::Linear => {
            let way = to.checked_sub(from)?.checked_mul(step.into())?.checked_div(last.into())?;
            from.checked_add(way)
        }
        Scale::Log => {
            let part = f64::from(step) / f64::from(last);
            let (from, to) = (libm::log(to_real(from)), libm::log(to_real(to)));
            Decimal::from_f64(libm::exp(from + part * (to - from)))
        }
    }
}

fn rounded(value: Decimal, whole: bool) -> Option<Decimal> {
    if whole { Some(value.round()) } else { value.round_sf(DIGITS).map(|value| value.normalize()) }
}
