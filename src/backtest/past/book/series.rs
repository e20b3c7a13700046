//! A new series: strikes, sizes and premiums at the market's price.

use alloy::primitives::U256;
use rust_decimal::Decimal;

use super::mark::{model, value};
use super::{Book, Position, Valued, WAD_PLACES, signed};
use crate::backtest::BacktestError;
use crate::backtest::past::rolls::Roll;
use crate::backtest::past::setting::options::{self, OptionKind, Options, Side, Size};
use crate::backtest::past::unopened::{Lack, NoTerms, Unopened};
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
    /// The next series at the market's price, or the first of its positions that has no terms, with what that lacks.
    ///
    /// # Errors
    /// [`BacktestError::Number`] out of range, or a model's.
    pub(in crate::backtest::past) fn series(
        &mut self,
        snapshot: &Snapshot,
        market: Decimal,
    ) -> Result<Result<Series, Unopened>, BacktestError> {
        let Some(terms) = self.terms else { return Ok(Ok(Series::new())) };
        let (spot, estimate) = (self.spot(market), self.estimate(snapshot));
        let desk = Desk { snapshot, book: self, terms, market, spot, estimate };
        let mut series = Series::with_capacity(terms.positions.len());
        for (number, (place, asked)) in (self.next..).zip(terms.positions.iter().enumerate()) {
            match desk.position((number, place), asked) {
                Ok(position) => series.push(position),
                Err(NoTerms::Lack(lack)) => return Ok(Err(Unopened::Terms { position: place, lack })),
                Err(NoTerms::Error(error)) => return Err(error),
            }
        }
        Ok(Ok(series))
    }
}

impl Desk<'_> {
    /// The position of this number in the book, and at this place of its series.
    fn position(
        &self,
        (number, place): (u64, usize),
        asked: &options::Position,
    ) -> Result<(Position, f64), NoTerms> {
        let size = self.size(asked.size, place)?;
        if size.is_zero() {
            return Err(Lack::Size.into());
        }
        let strike = self.strike(asked)?;
        if strike.is_zero() {
            return Err(Lack::Strike.into());
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
        if beyond.is_some_and(|beyond| !super::is_beyond(&leg, &beyond)) {
            return Err(Lack::Limit.into());
        }
        let (premium, volatility) = self.premium(&leg, beyond.as_ref())?;
        let (leg, beyond) = (Valued::new(leg), beyond.map(Valued::new));
        let held = self.snapshot.feeds.risky_usd.latest;
        let mut position = Position { number, leg, beyond, collateral: U256::ZERO, premium: None, held };
        position.collateral =
            position.most(self.book.scale).ok_or(BacktestError::Number("the collateral of an option"))?;
        position.premium = Some(premium.min(position.collateral));
        Ok((position, volatility))
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
    fn size(&self, size: Size, place: usize) -> Result<U256, BacktestError> {
        let vault = &self.snapshot.vault;
        let (asset, risky) = (vault.asset.decimals, vault.risky.decimals);
        let whole = crate::domain::units::from_raw;
        let held = whole(vault.risky_holdings, risky)?;
        let units = match size {
            Size::Units(units) => Some(units),
            Size::Held(part) => match self.book.sized_by {
                Some(rolls) => Some(self.opened_beside(rolls, place)),
                None => held.checked_mul(part),
            },
            Size::Nav(part) => {
                let nav = held
                    .checked_mul(self.market)
                    .and_then(|value| value.checked_add(whole(vault.asset_holdings, asset).ok()?));
                nav.and_then(|nav| nav.checked_mul(part)?.checked_div(self.market))
            }
        };
        Ok(to_raw(units.ok_or(BacktestError::Number("the size of an option"))?, risky)?)
    }

    /// Units of the position at this place of the series that another vault has opened now; none where it has opened none.
    fn opened_beside(&self, rolls: &[Roll], place: usize) -> Decimal {
        let now = self.snapshot.block.timestamp;
        let mut series = rolls.iter().filter(|roll| roll.opened.is_some_and(|opened| opened.at == now));
        series.nth(place).map_or(Decimal::ZERO, |roll| roll.size.abs())
    }

    /// This part of the market's price.
    fn times(&self, part: Decimal) -> Result<Decimal, BacktestError> {
        self.market.checked_mul(part).ok_or(BacktestError::Number("a strike"))
    }

    fn strike(&self, asked: &options::Position) -> Result<U256, NoTerms> {
        let strike = match (asked.strike, asked.delta) {
            (Some(strike), _) => self.times(strike)?,
            (None, Some(delta)) => self.strike_of(asked.kind, to_real(delta))?,
            (None, None) => return Err(Lack::Strike.into()),
        };
        Ok(to_raw(strike, WAD_PLACES)?)
    }

    /// The strike of this delta: `K = S·exp((r − q)·T + σ²T/2 − d₁·σ√T)` with `d₁ = θ·Φ⁻¹(|Δ|·e^(qT))`.
    fn strike_of(&self, kind: OptionKind, delta: f64) -> Result<Decimal, NoTerms> {
        let Spot { price, rate, carry } = self.spot;
        let time = years(u64::from(self.terms.tenor_days).saturating_mul(DAY));
        let probability = delta * libm::exp(carry * time);
        if probability >= 1.0 {
            return Err(Lack::Strike.into());
        }
        let sign = f64::from(kind as i8);
        let d1 = sign * normal::quantile(probability);
        let mut strike = self.market.round_dp(STRIKE_PLACES);
        for _ in 0..TRIALS {
            let leg = self.leg(kind, to_raw(strike, WAD_PLACES)?)?;
            let volatility = self.volatility(&leg)?;
            let deviation = volatility * libm::sqrt(time);
            let growth = (rate - carry) * time + deviation * deviation / 2.0 - d1 * deviation;
            let next = from_real(price * libm::exp(growth), STRIKE_PLACES)?;
            if next == strike {
                break;
            }
            strike = next;
        }
        Ok(strike)
    }

    /// What premiums are made with before the spread.
    fn volatility(&self, leg: &OptionLeg) -> Result<f64, Lack> {
        let stated = self.terms.volatility.map(to_real);
        let model = || model(self.snapshot, self.book.published, leg, (&self.spot, self.estimate));
        stated.or_else(model).ok_or(Lack::Volatility)
    }

    /// The same with the spread, which a model's volatility may be below.
    fn quoted(&self, leg: &OptionLeg, written: bool) -> Result<f64, Lack> {
        let (volatility, spread) = (self.volatility(leg)?, to_real(self.terms.spread));
        let quoted = if written { volatility - spread } else { volatility + spread };
        if quoted > 0.0 { Ok(quoted.max(LEAST)) } else { Err(Lack::Spread) }
    }

    /// What the long side pays, raw, rounded against the vault, and the volatility at the strike.
    fn premium(&self, leg: &OptionLeg, beyond: Option<&OptionLeg>) -> Result<(U256, f64), NoTerms> {
        let written = leg.size.is_negative();
        let at_strike = self.quoted(leg, written)?;
        let mut worth = value(self.snapshot, leg, &self.spot, at_strike)?;
        if let Some(beyond) = beyond {
            worth += value(self.snapshot, beyond, &self.spot, self.quoted(beyond, written)?)?;
        }
        let owed = (if written { -worth } else { worth }).max(0.0);
        let premium = from_real(owed, u32::from(WAD_PLACES).min(PREMIUM_PLACES))?;
        let places = self.snapshot.vault.asset.decimals;
        let premium = if written { to_raw(premium, places)? } else { to_raw_up(premium, places)? };
        Ok((premium, at_strike))
    }
}

/// Places that a premium is reckoned with before it is rounded to the asset's.
const PREMIUM_PLACES: u32 = 12;
