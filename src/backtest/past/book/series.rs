//! A new series: strikes, sizes and premiums at the market's price.

use alloy::primitives::U256;
use rust_decimal::Decimal;

use super::mark::{model, value};
use super::{Book, Position, Valued, WAD_PLACES, signed};
use crate::backtest::BacktestError;
use crate::backtest::past::setting::options::{self, OptionKind, Options, Side, Size};
use crate::domain::models::hedge::Spot;
use crate::domain::models::{normal, years};
use crate::domain::snapshot::{ImpliedVolatility, OptionLeg, Snapshot};
use crate::domain::units::{Real, from_real, to_raw, to_raw_up, to_real};

/// Seconds of a day.
const DAY: u64 = 86_400;
/// Places of a strike that is made from a delta.
const STRIKE_PLACES: u32 = 8;
/// Least volatility of a premium, whatever its spread.
const LEAST: f64 = 1e-4;
/// A strike by its delta moves the volatility of a smile, which moves the strike: so often it is looked for.
const TRIALS: u32 = 64;

/// Positions that are ready to be opened, with the volatility of each premium at its strike.
pub(in crate::backtest::past) type Series = Vec<(Position, f64)>;

/// What a series is made from.
struct Desk<'a> {
    snapshot: &'a Snapshot,
    book: &'a Book<'a>,
    terms: &'a Options,
    market: Decimal,
    spot: Spot,
    estimate: Option<Real>,
}

impl Book<'_> {
    /// The next series at the market's price. `None` where the policy's model has no volatility for it, or a size is none.
    ///
    /// # Errors
    /// [`BacktestError::Number`] out of range, or a model's.
    pub(in crate::backtest::past) fn series(
        &mut self,
        snapshot: &Snapshot,
        market: Decimal,
    ) -> Result<Option<Series>, BacktestError> {
        let Some(terms) = self.terms else { return Ok(None) };
        let (spot, estimate) = (self.spot(market), self.estimate(snapshot));
        let desk = Desk { snapshot, book: self, terms, market, spot, estimate };
        let numbered = (self.next..).zip(&terms.positions);
        numbered.map(|(number, position)| desk.position(number, position)).collect()
    }
}

impl Desk<'_> {
    fn position(
        &self,
        number: u64,
        asked: &options::Position,
    ) -> Result<Option<(Position, f64)>, BacktestError> {
        let size = self.size(asked.size)?;
        let Some(strike) = self.strike(asked)? else { return Ok(None) };
        if size.is_zero() || strike.is_zero() {
            return Ok(None);
        }
        let written = asked.side == Side::Written;
        let size = signed(size, written).ok_or(BacktestError::Number("the size of an option"))?;
        let leg = OptionLeg { id: number.saturating_mul(2), size, ..self.leg(asked.kind, strike)? };
        let limit = to_raw(self.times(asked.limit.unwrap_or_default())?, WAD_PLACES)?;
        let beyond = (!limit.is_zero()).then(|| OptionLeg {
            id: leg.id.saturating_add(1),
            strike: limit,
            size: leg.size.wrapping_neg(),
            ..leg
        });
        // Where a delta has put the strike beyond its limit, there is nothing between them.
        let reversed = beyond.is_some_and(|beyond| !super::is_beyond(&leg, &beyond));
        let Some((premium, volatility)) = self.premium(&leg, beyond.as_ref())?.filter(|_| !reversed) else {
            return Ok(None);
        };
        let (leg, beyond) = (Valued::new(leg), beyond.map(Valued::new));
        let held = self.snapshot.feeds.risky_usd.latest;
        let mut position = Position { number, leg, beyond, collateral: U256::ZERO, premium: None, held };
        position.collateral =
            position.most(self.book.scale).ok_or(BacktestError::Number("the collateral of an option"))?;
        position.premium = Some(premium.min(position.collateral));
        Ok(Some((position, volatility)))
    }

    /// One unit long.
    fn leg(&self, kind: OptionKind, strike: U256) -> Result<OptionLeg, BacktestError> {
        let (time, vault) = (self.snapshot.block.timestamp, &self.snapshot.vault);
        let expiry = time.saturating_add(u64::from(self.terms.tenor_days).saturating_mul(DAY));
        let one = to_raw(Decimal::ONE, vault.risky.decimals)?;
        let size = signed(one, false).ok_or(BacktestError::Number("the size of an option"))?;
        let fed = self.book.published.policy().volatility_feed().and(self.terms.volatility);
        let annual = fed.map(|annual| to_raw(annual, WAD_PLACES)).transpose()?;
        let implied = annual.map(|annual| ImpliedVolatility { annual, updated_at: time });
        Ok(OptionLeg { id: 0, kind, strike, expiry, size, implied })
    }

    /// Raw risky units, rounded down.
    fn size(&self, size: Size) -> Result<U256, BacktestError> {
        let vault = &self.snapshot.vault;
        let (asset, risky) = (vault.asset.decimals, vault.risky.decimals);
        let whole = crate::domain::units::from_raw;
        let held = whole(vault.risky_holdings, risky)?;
        let units = match size {
            Size::Units(units) => Some(units),
            Size::Held(part) => held.checked_mul(part),
            Size::Nav(part) => {
                let nav = held
                    .checked_mul(self.market)
                    .and_then(|value| value.checked_add(whole(vault.asset_holdings, asset).ok()?));
                nav.and_then(|nav| nav.checked_mul(part)?.checked_div(self.market))
            }
        };
        Ok(to_raw(units.ok_or(BacktestError::Number("the size of an option"))?, risky)?)
    }

    /// This part of the market's price.
    fn times(&self, part: Decimal) -> Result<Decimal, BacktestError> {
        self.market.checked_mul(part).ok_or(BacktestError::Number("a strike"))
    }

    fn strike(&self, asked: &options::Position) -> Result<Option<U256>, BacktestError> {
        let strike = match (asked.strike, asked.delta) {
            (Some(strike), _) => Some(self.times(strike)?),
            (None, Some(delta)) => self.strike_of(asked.kind, to_real(delta))?,
            (None, None) => None,
        };
        Ok(strike.map(|strike| to_raw(strike, WAD_PLACES)).transpose()?)
    }

    /// The strike of this delta: `K = S·exp((r − q)·T + σ²T/2 − d₁·σ√T)` with `d₁ = θ·Φ⁻¹(|Δ|·e^(qT))`.
    fn strike_of(&self, kind: OptionKind, delta: f64) -> Result<Option<Decimal>, BacktestError> {
        let Spot { price, rate, carry } = self.spot;
        let time = years(u64::from(self.terms.tenor_days).saturating_mul(DAY));
        let probability = delta * libm::exp(carry * time);
        if probability >= 1.0 {
            return Ok(None);
        }
        let sign = f64::from(kind as i8);
        let d1 = sign * normal::quantile(probability);
        let mut strike = self.market.round_dp(STRIKE_PLACES);
        for _ in 0..TRIALS {
            let leg = self.leg(kind, to_raw(strike, WAD_PLACES)?)?;
            let Some(volatility) = self.volatility(&leg) else { return Ok(None) };
            let deviation = volatility * libm::sqrt(time);
            let growth = (rate - carry) * time + deviation * deviation / 2.0 - d1 * deviation;
            let next = from_real(price * libm::exp(growth), STRIKE_PLACES)?;
            if next == strike {
                break;
            }
            strike = next;
        }
        Ok(Some(strike))
    }

    /// What premiums are made with before the spread.
    fn volatility(&self, leg: &OptionLeg) -> Option<f64> {
        let stated = self.terms.volatility.map(to_real);
        stated.or_else(|| model(self.snapshot, self.book.published, leg, (&self.spot, self.estimate)))
    }

    /// What the long side pays, raw, rounded against the vault, and the volatility at the strike; `None` without one.
    fn premium(
        &self,
        leg: &OptionLeg,
        beyond: Option<&OptionLeg>,
    ) -> Result<Option<(U256, f64)>, BacktestError> {
        let written = leg.size.is_negative();
        let spread = to_real(self.terms.spread);
        let quoted =
            |volatility: f64| (if written { volatility - spread } else { volatility + spread }).max(LEAST);
        let Some(at_strike) = self.volatility(leg).map(quoted) else { return Ok(None) };
        let mut worth = value(self.snapshot, leg, &self.spot, at_strike)?;
        if let Some(beyond) = beyond {
            let Some(volatility) = self.volatility(beyond).map(quoted) else { return Ok(None) };
            worth += value(self.snapshot, beyond, &self.spot, volatility)?;
        }
        let owed = (if written { -worth } else { worth }).max(0.0);
        let premium = from_real(owed, u32::from(WAD_PLACES).min(PREMIUM_PLACES))?;
        let places = self.snapshot.vault.asset.decimals;
        let premium = if written { to_raw(premium, places)? } else { to_raw_up(premium, places)? };
        Ok(Some((premium, at_strike)))
    }
}

/// Places that a premium is reckoned with before it is rounded to the asset's.
const PREMIUM_PLACES: u32 = 12;
