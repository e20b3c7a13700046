//! Where constant proportion portfolio insurance stands, in doubles, and how far that may be off.
//!
//! A decision works cushion and target out in decimals from an exact quote of the exit. From the proceeds of the exit in closed form they
//! are the same but for roundings.

use super::super::cppi::{Cppi, Holding, largest_safe_multiplier};
use super::{Leeway, Response, Stand};

/// A vault by its books, USD unless it says otherwise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Insured {
    /// `m`, before the gap bounds it.
    pub multiplier: f64,
    /// Largest exposure over net asset value.
    pub cap: f64,
    /// What is held, at which price and volatility.
    pub holding: Holding,
    /// `V`.
    pub nav: f64,
    /// `E`, as the vault counts it.
    pub exposure: f64,
    /// Floor of all shares.
    pub floor: f64,
    /// What selling all of the holding brings, and how far an exact quote may be off that.
    pub proceeds: (f64, f64),
    /// How far the market may leave the feed, as a part of the price.
    pub deviation: f64,
    /// Gas of the exit.
    pub exit_gas: f64,
    /// The gap that the cushion has to survive; absent where none is assumed.
    pub gap: Option<GapBound>,
}

/// A gap, and how much of the largest multiplier that survives it is used; see [`largest_safe_multiplier`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GapBound {
    /// Standard deviations of the move.
    pub deviations: f64,
    /// Time that it takes, years.
    pub interval: f64,
    /// A jump, as a part of the price.
    pub jump: f64,
    /// Part of the largest multiplier.
    pub safety: f64,
}

/// Part of any number here that its roundings, and those of its decimal, surely take less of.
const ROUNDED: f64 = 4e-12;
/// Amounts below it fit a decimal, and so do their products with any multiplier.
const FITS: f64 = 1e20;
/// Half of the last of the 18 places of a target, and more.
const LAST_PLACE: f64 = 1e-18;

impl Insured {
    /// Where it stands within a leeway; `None` where a sale may be mandatory, or the numbers are too small or too large to say.
    #[must_use]
    pub fn stand(&self) -> Option<(Stand, Leeway)> {
        let Self { cap, holding, nav, exposure, floor, proceeds: (proceeds, off), .. } = *self;
        let reserve = (exposure - proceeds).max(0.0) + exposure * self.deviation + self.exit_gas;
        let protected = floor + reserve;
        let (cushion, off) = (nav - protected, off + ROUNDED * (nav + reserve));
        let multiplier = self.allowed(cushion, off)?;
        let target = (multiplier * cushion).min(cap * nav) / holding.price;
        let units = target.max(holding.units);
        let sure = cushion > 2.0 * off && nav < FITS && units < FITS;
        let moved = (multiplier + 2.0) * off / holding.price + ROUNDED * units + LAST_PLACE;
        let response = Response::Cppi(Cppi { multiplier, cap, cushion, protected });
        sure.then_some((
            Stand { response, cushion, holding, target, nav },
            Leeway { cushion: off, target: moved },
        ))
    }

    /// The multiplier within what the gap allows; `None` where that may not allow the exposure.
    fn allowed(&self, cushion: f64, off: f64) -> Option<f64> {
        let Some(gap) = self.gap else { return Some(self.multiplier) };
        let volatility = self.holding.volatility;
        let largest = largest_safe_multiplier(gap.deviations, volatility, gap.interval, gap.jump).ok()?;
        let survives = self.exposure < largest * (1.0 - ROUNDED) * (cushion - off);
        survives.then(|| self.multiplier.min(largest * gap.safety))
    }
}
