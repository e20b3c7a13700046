//! The rules of the vault's contract that move between its decisions: floor and cash-lock per share, turnover, cooldown.
//!
//! As `FloorLedger.sol` and `Turnover.sol` have them; a vault that is made up has no virtual shares. Somebody is taken to poke the
//! vault at every step, as its keeper's operator would.
//!
//! A vault as it stands tells its floor and what is left of its turnover, and not how they came about. What follows from that is in
//! [`Floor::standing`] and [`Turnover::standing`].

use alloy::primitives::U256;

use crate::backtest::BacktestError;
use crate::domain::models::YEAR_SECONDS;
use crate::domain::policy::FloorPolicy;
use crate::domain::snapshot::Vault;
use crate::domain::units::{Ratio, to_raw};

/// Ten to the eighteenth.
const WAD: U256 = U256::from_limbs([1_000_000_000_000_000_000, 0, 0, 0]);
/// Places of a WAD.
const WAD_PLACES: u8 = 18;
/// Basis points in one.
const WHOLE_BPS: u64 = 10_000;
const DAY: u64 = 86_400;

/// How shares are counted, and what values per share are parts of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shares {
    /// Shares that count as existing, and raw units of the asset that they hold.
    virtual_shares: u64,
    virtual_assets: u64,
    /// Value per share of one raw unit of the asset for each share.
    one: U256,
}

impl Shares {
    /// Those of a vault that is made up: a share is worth one unit of the asset at the beginning.
    pub(super) const MADE_UP: Self = Self { virtual_shares: 0, virtual_assets: 0, one: WAD };
    /// Those of the contract: a unit of the asset is a million shares at the beginning.
    pub(super) const CONTRACT: Self = Self {
        virtual_shares: 1_000_000,
        virtual_assets: 1,
        one: U256::from_limbs([2_003_764_205_206_896_640, 54_210, 0, 0]),
    };

    /// Net asset value per share.
    fn value(self, nav: U256, supply: U256) -> Option<U256> {
        let nav = nav.checked_add(U256::from(self.virtual_assets))?;
        scaled(nav, self.one, self.all(supply)?)
    }

    /// What shares at a value of so much each are worth, raw units of the asset, rounded up.
    fn worth(self, per_share: U256, supply: U256) -> Option<U256> {
        scaled_up(per_share, self.all(supply)?, self.one)
    }

    /// The largest value per share at which they are worth that; rounded up again it is the same raw unit.
    fn of_worth(self, worth: U256, supply: U256) -> Option<U256> {
        scaled(worth, self.one, self.all(supply)?)
    }

    fn all(self, supply: U256) -> Option<U256> {
        supply.checked_add(U256::from(self.virtual_shares))
    }
}

/// Floor, peak and cash-lock of a vault, per share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Floor {
    policy: FloorPolicy,
    shares: Shares,
    /// Seconds between two sights of a peak.
    poke_interval: u64,
    stored: U256,
    /// Where accrual counts from, and since when.
    anchor: (U256, u64),
    peak: U256,
    /// Net asset value per share that waits for its second sight, and since when.
    candidate: (U256, u64),
    pub(super) locked: bool,
}

impl Floor {
    /// Begins at a first net asset value per share of one, at `time`.
    ///
    /// # Errors
    /// [`BacktestError::Number`] for a share that is none.
    pub(super) fn begin(policy: FloorPolicy, poke_interval: u64, time: u64) -> Result<Self, BacktestError> {
        let share = match policy {
            FloorPolicy::Fixed { share }
            | FloorPolicy::Accruing { share, .. }
            | FloorPolicy::Ratchet { share, .. } => share,
        };
        let stored = wad(share)?;
        Ok(Self {
            policy,
            shares: Shares::MADE_UP,
            poke_interval,
            stored,
            anchor: (stored, time),
            peak: WAD,
            candidate: (WAD, time),
            locked: false,
        })
    }

    /// That of a vault as it stands, worth `nav` raw units.
    ///
    /// What it does not tell is taken as follows. A floor that accrues goes on from where it stands, so that it grows faster by
    /// the part that it has grown by since it was anchored. The peak is the highest that the floor allows, above which alone a
    /// peak moves it. Net asset value of now is seen for the first time now.
    ///
    /// # Errors
    /// [`BacktestError::Number`] out of range.
    pub(super) fn standing(
        vault: &Vault,
        nav: U256,
        poke_interval: u64,
        time: u64,
    ) -> Result<Self, BacktestError> {
        let (policy, supply, shares) = (vault.floor_policy, vault.total_supply, Shares::CONTRACT);
        let out = || BacktestError::Number("the floor");
        let stored = shares.of_worth(vault.floor, supply).ok_or_else(out)?;
        let per_share = shares.value(nav, supply).ok_or_else(out)?;
        let peak = match policy {
            FloorPolicy::Fixed { .. } | FloorPolicy::Accruing { .. } => per_share,
            FloorPolicy::Ratchet { peak_share, .. } => {
                let peak = stored.checked_mul(WAD).and_then(|peak| peak.checked_div(wad(peak_share).ok()?));
                peak.ok_or_else(out)?
            }
        };
        let (anchor, candidate, locked) = ((stored, time), (per_share, time), vault.cash_lock);
        Ok(Self { policy, shares, poke_interval, stored, anchor, peak, candidate, locked })
    }

    /// The floor of `supply` shares at `time`, raw units of the asset, rounded up.
    pub(super) fn of(&self, supply: U256, time: u64) -> Result<U256, BacktestError> {
        self.shares.worth(self.per_share(time)?, supply).ok_or(BacktestError::Number("the floor"))
    }

    fn per_share(&self, time: u64) -> Result<U256, BacktestError> {
        let floor = match self.policy {
            FloorPolicy::Fixed { .. } => None,
            FloorPolicy::Accruing { rate, .. } => {
                let (anchor, since) = self.anchor;
                let passed = U256::from(if self.locked { 0 } else { time.saturating_sub(since) });
                let growth =
                    wad(rate)?.checked_mul(passed).and_then(|grown| grown.checked_div(U256::from(year())));
                growth.and_then(|growth| anchor.checked_mul(growth)?.checked_div(WAD)?.checked_add(anchor))
            }
            FloorPolicy::Ratchet { peak_share, .. } => {
                self.peak.checked_mul(wad(peak_share)?).and_then(|floor| floor.checked_div(WAD))
            }
        };
        Ok(floor.map_or(self.stored, |floor| self.stored.max(floor)))
    }

    /// Somebody pokes the vault, whose shares are worth `nav` raw units in all: a peak is seen, and a floor that is reached locks.
    ///
    /// # Errors
    /// [`BacktestError::Number`] out of range.
    pub(super) fn poke(&mut self, (nav, supply): (U256, U256), time: u64) -> Result<(), BacktestError> {
        let per_share = self.shares.value(nav, supply);
        let per_share = per_share.ok_or(BacktestError::Number("net asset value per share"))?;
        if time >= self.candidate.1.saturating_add(self.poke_interval) {
            self.peak = self.peak.max(per_share.min(self.candidate.0));
            self.candidate = (per_share, time);
        }
        let floor = self.per_share(time)?;
        self.stored = floor;
        self.locked |= per_share <= floor;
        Ok(())
    }

    /// What users brought lifts the floor in the proportion in which it lifts net asset value per share; that which falls moves
    /// nothing. Each side is net asset value and shares.
    ///
    /// # Errors
    /// [`BacktestError::Number`] out of range.
    pub(super) fn follow(&mut self, before: (U256, U256), after: (U256, U256)) -> Result<(), BacktestError> {
        let out = || BacktestError::Number("net asset value per share");
        let assets = |nav: U256| nav.checked_add(U256::from(self.shares.virtual_assets));
        let times = |nav, supply| assets(nav)?.checked_mul(self.shares.all(supply)?);
        let up = times(after.0, before.1).ok_or_else(out)?;
        let down = times(before.0, after.1).ok_or_else(out)?;
        if up <= down {
            return Ok(());
        }
        // Parts of a WAD, rounded up.
        let lift = up.checked_mul(WAD).ok_or_else(out)?.div_ceil(down);
        for value in [&mut self.stored, &mut self.anchor.0, &mut self.peak, &mut self.candidate.0] {
            *value = value.checked_mul(lift).ok_or_else(out)?.div_ceil(WAD);
        }
        Ok(())
    }
}

/// How much was traded, as a bucket that leaks: part of net asset value, WAD.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turnover {
    cap_bps: u64,
    level: U256,
    at: u64,
}

impl Turnover {
    pub(super) const fn new(cap_bps: u64, at: u64) -> Self {
        Self { cap_bps, level: U256::ZERO, at }
    }

    /// That of a vault as it stands, worth `nav` raw units: as full as `left` says, of `cap_bps`, or of the least cap that leaves
    /// so much. Where nothing is left it is taken to be just full, though a sale over the bound may have filled it further.
    pub(super) fn standing(left: U256, nav: U256, cap_bps: u64, at: u64) -> Self {
        let needed =
            left.saturating_mul(U256::from(WHOLE_BPS.saturating_mul(2))).div_ceil(nav.max(U256::ONE));
        let cap_bps = cap_bps.max(needed.saturating_to());
        let empty = Self { cap_bps, level: U256::ZERO, at };
        let filled = empty.capacity(nav).saturating_sub(left);
        let level = filled.saturating_mul(WAD).checked_div(nav).unwrap_or_default();
        Self { level, ..empty }
    }

    fn capacity(&self, nav: U256) -> U256 {
        let two = U256::from(WHOLE_BPS.saturating_mul(2));
        scaled(nav, U256::from(self.cap_bps), two).unwrap_or(U256::MAX)
    }

    fn level_at(&self, time: u64) -> U256 {
        let seconds = U256::from(time.saturating_sub(self.at));
        let leaked = scaled(self.capacity(WAD), seconds, U256::from(DAY)).unwrap_or(U256::MAX);
        self.level.saturating_sub(leaked)
    }

    /// What is left of it at `time`, raw units of the asset.
    pub(super) fn left(&self, nav: U256, time: u64) -> U256 {
        let level = scaled_up(self.level_at(time), nav, WAD).unwrap_or(U256::MAX);
        self.capacity(nav).saturating_sub(level)
    }

    /// Adds a trade of `value` raw units.
    pub(super) fn add(&mut self, value: U256, nav: U256, time: u64) {
        let part = if nav.is_zero() { U256::ZERO } else { value.saturating_mul(WAD).div_ceil(nav) };
        (self.level, self.at) = (self.level_at(time).saturating_add(part), time);
    }
}

/// `a·b/by`, rounded down; `None` where the product does not fit, or for nothing to divide by.
fn scaled(a: U256, b: U256, by: U256) -> Option<U256> {
    match short(a, b, by) {
        Some((quotient, _)) => Some(U256::from(quotient)),
        None => a.checked_mul(b)?.checked_div(by),
    }
}

/// The same, rounded up.
fn scaled_up(a: U256, b: U256, by: U256) -> Option<U256> {
    match short(a, b, by) {
        Some((quotient, exact)) => Some(U256::from(quotient.saturating_add(u128::from(!exact)))),
        None => a.checked_mul(b).filter(|_| !by.is_zero()).map(|product| product.div_ceil(by)),
    }
}

/// The quotient and whether it is exact, where each number fits 64 bits, as nearly all do.
fn short(a: U256, b: U256, by: U256) -> Option<(u128, bool)> {
    let short = |number: U256| u64::try_from(number).ok().map(u128::from);
    let (product, by) = (short(a)?.wrapping_mul(short(b)?), short(by)?);
    let quotient = product.checked_div(by)?;
    Some((quotient, quotient.wrapping_mul(by) == product))
}

fn wad(share: Ratio) -> Result<U256, BacktestError> {
    Ok(to_raw(share.get(), WAD_PLACES)?)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "365 days in seconds")]
const fn year() -> u64 {
    YEAR_SECONDS as u64
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "test arithmetic within known bounds")]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_part_is_the_same_whether_it_fits_64_bits_or_not(
            (a, b, by) in any::<(u128, u128, u128)>(), drops in (0_u32..128, 0_u32..128, 0_u32..128),
        ) {
            let (a, b, by) = (U256::from(a >> drops.0), U256::from(b >> drops.1), U256::from(by >> drops.2));
            let product = a * b;
            prop_assert_eq!(scaled(a, b, by), product.checked_div(by));
            prop_assert_eq!(scaled_up(a, b, by), (!by.is_zero()).then(|| product.div_ceil(by)));
        }
    }

    const HOUR: u64 = 3_600;

    fn ratio(text: &str) -> Ratio {
        text.parse().unwrap()
    }

    fn raw(units: u64) -> U256 {
        U256::from(units) * U256::from(1_000_000)
    }

    #[test]
    fn a_floor_that_accrues_grows_like_a_bond_and_stops_in_the_lock() {
        let policy = FloorPolicy::Accruing { share: ratio("0.8"), rate: ratio("0.05") };
        let mut floor = Floor::begin(policy, HOUR, 0).unwrap();
        let half = year() / 2;
        assert_eq!(floor.of(raw(1_000), half).unwrap(), raw(820));
        floor.poke((raw(820), raw(1_000)), half).unwrap();
        assert!(floor.locked);
        assert_eq!(floor.of(raw(1_000), year()).unwrap(), raw(820));
    }

    #[test]
    fn a_peak_needs_two_sights_and_is_the_lower_of_both() {
        let policy = FloorPolicy::Ratchet { share: ratio("0.8"), peak_share: ratio("0.8") };
        let mut floor = Floor::begin(policy, HOUR, 0).unwrap();
        let mut seen = |nav: u64, time| {
            floor.poke((raw(nav), raw(1_000)), time).unwrap();
            floor.of(raw(1_000), time).unwrap()
        };
        assert_eq!(seen(1_500, HOUR), raw(800), "once");
        assert_eq!(seen(1_200, HOUR + 1), raw(800), "too soon");
        assert_eq!(seen(1_200, 2 * HOUR), raw(960), "twice, the lower one");
        assert_eq!(seen(1_000, 3 * HOUR), raw(960), "and it stays");
    }

    #[test]
    fn the_floor_locks_where_it_is_reached_and_follows_what_users_leave() {
        let mut floor = Floor::begin(FloorPolicy::Fixed { share: ratio("0.8") }, HOUR, 0).unwrap();
        // Ten of a thousand leave, and a tenth of what they are worth stays.
        floor.follow((raw(1_000), raw(1_000)), (raw(991), raw(990))).unwrap();
        let lifted = floor.of(raw(990), 0).unwrap();
        assert!(lifted > raw(792) && lifted - raw(792) < raw(1), "{lifted}");
        floor.poke((lifted + U256::ONE, raw(990)), 1).unwrap();
        assert!(!floor.locked);
        floor.poke((lifted - raw(1), raw(990)), 2).unwrap();
        assert!(floor.locked);
    }

    #[test]
    fn turnover_leaks_half_of_the_cap_a_day() {
        let mut turnover = Turnover::new(50_000, 0);
        assert_eq!(turnover.left(raw(1_000), 0), raw(2_500));
        turnover.add(raw(1_500), raw(1_000), 0);
        assert_eq!(turnover.left(raw(1_000), 0), raw(1_000));
        assert_eq!(turnover.left(raw(1_000), DAY / 10), raw(1_250));
        assert_eq!(turnover.left(raw(1_000), DAY), raw(2_500));
    }
}
