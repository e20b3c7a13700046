//! What a decision finds before it solves for a band: books, market, cushion, volatility, options, and the target.

use super::super::cost::{Costing, Priced};
use super::super::cushion::Cushion;
use super::super::market::Market;
use super::super::models::tracking::Leeway;
use super::super::options::{self, Book};
use super::super::policy::{Policy, PublishedPolicy, Trigger};
use super::super::reason::Reason;
use super::super::snapshot::Snapshot;
use super::super::strategies::{self, Position, Strategy, Target};
use super::super::triggers::{Clock, ask};
use super::super::units::{Real, Units};
use super::super::valuation::{Valuation, value};
use super::super::volatility::{Memory, estimate_remembering};
use super::glance::Quiet;
use super::{Appraisal, Case, Decision, Verdict, refused, side};

/// What is seen without a look at what the exit costs.
pub(super) struct Seen<'a> {
    pub(super) snapshot: &'a Snapshot,
    published: &'a PublishedPolicy,
    pub(super) books: Valuation,
    pub(super) market: Market<'a>,
    /// The estimate, or the policy's floor with the reason why there is none.
    pub(super) volatility: Result<(Real, Option<Reason>), Reason>,
}

impl<'a> Seen<'a> {
    /// # Errors
    /// What makes a decision impossible whatever the rest.
    pub(super) fn of(
        snapshot: &'a Snapshot,
        published: &'a PublishedPolicy,
        memory: &mut Memory,
    ) -> Result<Self, Reason> {
        let policy = published.policy();
        let books = value(snapshot, published)?;
        let market = Market::open(snapshot, policy, &books)?;
        let volatility = known_volatility(snapshot, policy, memory);
        Ok(Self { snapshot, published, books, market, volatility })
    }

    pub(super) fn policy(&self) -> &'a Policy {
        self.published.policy()
    }

    /// # Errors
    /// What makes a decision impossible.
    pub(super) fn find(self, strategy: &dyn Strategy) -> Result<Found<'a>, Reason> {
        let Self { snapshot, published, books, market, volatility } = self;
        let policy = published.policy();
        let (cushion, unquoted) = Cushion::measure(&books, &market, policy)?;
        let (volatility, unestimated) = volatility?;
        let (options, unvalued) = known_options(snapshot, published, &books, volatility);
        let (cash_lock, book) = (snapshot.vault.cash_lock, options.as_ref());
        let position = Position { books: &books, cushion: &cushion, cash_lock, volatility, options: book };
        let target = strategies::target(&position, policy, strategy)?;
        // What is missing was taken at its best: a sale that even so is mandatory is certain, anything else is not.
        if let Some(missing) = unquoted.or(unestimated).or(unvalued).filter(|_| target.mandate.is_none()) {
            return Err(missing);
        }
        Ok(Found { snapshot, policy, books, market, cushion, volatility, options, target })
    }
}

/// What is found.
pub(super) struct Found<'a> {
    snapshot: &'a Snapshot,
    policy: &'a Policy,
    books: Valuation,
    market: Market<'a>,
    cushion: Cushion,
    volatility: Real,
    options: Option<Book>,
    target: Target,
}

impl<'a> Found<'a> {
    fn position(&self) -> Position<'_> {
        let (books, cushion, options) = (&self.books, &self.cushion, self.options.as_ref());
        Position {
            books,
            cushion,
            cash_lock: self.snapshot.vault.cash_lock,
            volatility: self.volatility,
            options,
        }
    }

    /// What is sure to hold, where the policy asks for nothing but that a trade pays.
    pub(super) fn quiet(&self) -> Option<Quiet> {
        let asks = matches!(self.policy.trigger, Trigger::Economic) && self.target.mandate.is_none();
        let odd = self.options.is_some() || self.target.units < Units::ZERO;
        if !asks || odd {
            return None;
        }
        let priced = Priced::of(&self.position(), &self.target, &self.market, self.policy).ok()?;
        let target = Real::new(self.target.units.real()).ok()?;
        let leeway = Leeway::of_decimals(self.books.held.real(), target.get());
        let surely = priced.surely(&leeway, &self.market)?;
        Some(Quiet { surely, price: self.books.price, target })
    }

    pub(super) fn decided(self) -> Decision {
        match self.case() {
            Err(reason) => refused(reason),
            Ok(case) => {
                let verdict = case.verdict().unwrap_or_else(|reason| Verdict::Refuse { reason });
                Decision { verdict, appraisal: Some(case.appraisal) }
            }
        }
    }

    fn case(self) -> Result<Case<'a>, Reason> {
        let costing = Costing::of(
            &Priced::of(&self.position(), &self.target, &self.market, self.policy)?,
            &self.market,
        )?;
        let Self { snapshot, policy, ref books, ref market, ref target, .. } = self;
        let clock = Clock { now: snapshot.block.timestamp, last_rebalance: snapshot.vault.last_rebalance };
        let ask = ask(&self.position(), target, &costing.economics, &policy.trigger, clock)?;
        let appraisal = Appraisal {
            price: books.price,
            pool_price: market.mid(side(books, target)),
            left_out: market.left_out().to_vec(),
            nav: books.nav,
            exposure: books.exposure,
            floor: books.floor,
            cushion: self.cushion,
            volatility: self.volatility,
            multiplier: target.multiplier,
            held: books.held,
            target: target.units,
            drift: books.held.minus(target.units)?,
            gas_price: market.sending().price,
            economics: costing.economics,
            options: self.options,
        };
        let Self { books, market, target, .. } = self;
        Ok(Case { snapshot, policy, books, market, target, costing, ask, appraisal })
    }
}

/// The estimate, or the policy's floor with the reason why there is none.
fn known_volatility(
    snapshot: &Snapshot,
    policy: &Policy,
    memory: &mut Memory,
) -> Result<(Real, Option<Reason>), Reason> {
    match estimate_remembering(snapshot, &policy.volatility, memory) {
        Ok(volatility) => Ok((volatility, None)),
        Err(missing @ Reason::NoVolatility { .. }) => {
            Ok((Real::new(policy.volatility.floor.real())?, Some(missing)))
        }
        Err(reason) => Err(reason),
    }
}

/// The option book, or the reason why there is none.
fn known_options(
    snapshot: &Snapshot,
    published: &PublishedPolicy,
    books: &Valuation,
    volatility: Real,
) -> (Option<Book>, Option<Reason>) {
    match options::value(snapshot, published, books, volatility) {
        Ok(book) => (book, None),
        Err(missing) => (None, Some(missing)),
    }
}
