//! One vault on the stage and who keeps it: the keeper itself, or a simpler rule expressed as another policy.

use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use alloy::primitives::{Address, U256, keccak256};
use alloy::signers::local::PrivateKeySigner;
use eyre::{Result, WrapErr};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use crate::chain::pool::Pool;
use crate::chain::{Endpoint, Header};
use crate::domain::decision::{Appraisal, Verdict};
use crate::domain::policy::{GapPolicy, Policy, PublishedPolicy, TradeTo, Trigger, VenuePolicy};
use crate::domain::snapshot::Snapshot;
use crate::domain::units::{Ratio, from_raw, to_real};
use crate::execution::{
    ClassPolicy, Engine, FeeCaps, Finality, Inclusion, KeeperKey, Outcome as Sent, Patience, SendingConfig,
};
use crate::journal::Journal;
use crate::keeper::{Cycle, Dispatch, Hand, Keeper};
use crate::protocols::vaults::rebalancing_vault;
use crate::report::course::{Outcome, Trade, VaultPoint};
use crate::stage::Stage;
use crate::stage::deploy::vault::default_parameters;

/// The default policy, as published.
const DEFAULT_POLICY: &str = include_str!("../../examples/policies/cppi.toml");

/// Native balance of each keeper's key, whole coins.
const KEY_BALANCE: u64 = 1_000;

/// Who keeps a vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// The default policy.
    Keeper,
    /// Buys the default policy's first target, whatever it costs, and nothing after it.
    Hold,
    /// Back to the target whenever it is 5 % of net asset value away, whatever it costs.
    Threshold,
    /// Back to the target every day.
    Daily,
}

/// A vault, its keeper and its course so far.
#[derive(Debug)]
pub(super) struct Contestant {
    pub(super) style: Style,
    pub(super) points: Vec<VaultPoint>,
    pub(super) trades: Vec<Trade>,
    keeper: Keeper,
    engine: Arc<Engine>,
    vault: Address,
    sent: Option<Trade>,
    reverted: usize,
    last: Option<Snapshot>,
    /// Whether nobody trades for this vault any more: what was read last is what it holds.
    rests: bool,
}

impl Style {
    pub(super) const ALL: [Self; 4] = [Self::Keeper, Self::Hold, Self::Threshold, Self::Daily];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Keeper => "keeper",
            Self::Hold => "hold",
            Self::Threshold => "threshold 5 %",
            Self::Daily => "daily",
        }
    }

    /// The policy on this stage. The simpler bots have the same target and limits, but neither price the gap nor know
    /// a bound on the multiplier.
    fn policy(self, stage: &Stage) -> Result<Policy> {
        let mut policy: Policy = toml::from_str(DEFAULT_POLICY).wrap_err("the default policy")?;
        policy.chain_id = stage.chain.chain_id();
        policy.feeds.risky_usd.address = stage.venue.risky_usd.proxy;
        policy.feeds.asset_usd.address = stage.venue.stable_usd.proxy;
        policy.venues = vec![VenuePolicy::UniswapV3 { pool: stage.venue.pool.address, tick_words: 2 }];
        if matches!(self, Self::Threshold | Self::Daily) {
            let zero = Ratio::ZERO;
            policy.gap = GapPolicy { quantile: zero, jump: zero, floor_weight: zero, ..policy.gap };
        }
        policy.trigger = match self {
            Self::Keeper => policy.trigger,
            Self::Hold | Self::Threshold => {
                Trigger::Threshold { fraction: Ratio::from_bps(500), to: TradeTo::Target }
            }
            Self::Daily => Trigger::Interval { seconds: 86_400 },
        };
        policy.name = format!("{} on the stage", self.name());
        Ok(policy)
    }

    fn key(self) -> Result<PrivateKeySigner> {
        PrivateKeySigner::from_bytes(&keccak256(self.name())).wrap_err("a key for the stage")
    }
}

impl Contestant {
    /// Deploys a vault of `capital` whole tokens and the keeper for it; its journal goes into `directory`.
    ///
    /// # Errors
    /// Where the stage or the journal fails.
    pub(super) async fn enter(
        style: Style,
        stage: &Stage,
        endpoint: &Arc<Endpoint>,
        capital: Decimal,
        directory: &Path,
    ) -> Result<Self> {
        let published = PublishedPolicy::new(style.policy(stage)?)?;
        let key = style.key()?;
        let vault = stage.vault(&stage.vault_plan(published.hash()), capital).await?.address;
        stage.appoint(vault, key.address()).await?;
        stage.chain.endow(key.address(), KEY_BALANCE).await?;
        let file = directory.join(format!("{}.db", style.name().replace(' ', "-")));
        let journal = Arc::new(Journal::open(&file).await?);
        let sending = sending();
        let engine = Engine::new(
            Arc::new(Pool::of_one(endpoint.clone())),
            journal.clone(),
            KeeperKey::from(key),
            sending.clone(),
        );
        let engine = Arc::new(engine);
        let hand = Hand::Send(engine.clone(), sending);
        let facts = (vault, vec![published]);
        let keeper = Keeper::new(style.name().to_owned(), facts, endpoint.clone(), journal, hand);
        Ok(Self {
            style,
            points: Vec::new(),
            trades: Vec::new(),
            keeper,
            engine,
            vault,
            sent: None,
            reverted: 0,
            last: None,
            rests: false,
        })
    }

    /// One block: what was sent is looked up, then a cycle. `price` is the market's, in USD. Says whether it sent.
    ///
    /// # Errors
    /// Where the keeper fails; the stage has no passing faults.
    pub(super) async fn step(&mut self, header: &Header, price: Decimal) -> Result<bool> {
        self.settle(price).await?;
        if let Some(held) = self.last.as_ref().filter(|_| self.rests) {
            self.points.push(VaultPoint { time: header.timestamp, ..self::held(held, price)? });
            return Ok(false);
        }
        let cycle = self.keeper.cycle(header).await.wrap_err_with(|| self.style.name())?;
        self.observe(&cycle.snapshot, cycle.decision.appraisal.as_ref(), price)?;
        self.dispatched(&cycle, price);
        let bought = !cycle.snapshot.vault.risky_holdings.is_zero();
        self.rests =
            self.style == Style::Hold && bought && matches!(cycle.decision.verdict, Verdict::Hold { .. });
        Ok(matches!(cycle.dispatch, Dispatch::Sent { .. }))
    }

    /// Looks up what was sent.
    ///
    /// # Errors
    /// Where the node or the journal fails.
    pub(super) async fn settle(&mut self, price: Decimal) -> Result<()> {
        for (_, outcome) in self.engine.resolve().await? {
            self.account(&outcome, price);
        }
        Ok(())
    }

    /// How it went.
    pub(super) fn result(&self) -> Outcome {
        let start = self.points.first().map_or(0.0, |p| p.nav);
        let last = self.points.last();
        Outcome {
            start,
            end: last.map_or(0.0, |p| p.nav),
            floor: last.map_or(0.0, |p| p.floor),
            lowest_cushion: self.points.iter().map(|p| p.nav - p.floor).fold(f64::INFINITY, f64::min),
            rebalances: self.trades.len(),
            gas: total(self.trades.iter().map(|t| t.gas)),
            nav_lost: total(self.trades.iter().map(|t| t.nav_lost)),
            reverted: self.reverted,
        }
    }

    /// Remembers what was sent. A plan that preflight refuses, because another contestant just moved the pool, is
    /// decided anew at the next step.
    fn dispatched(&mut self, cycle: &Cycle, price: Decimal) {
        let (Verdict::Rebalance { reason, trade }, Dispatch::Sent { .. }) =
            (&cycle.decision.verdict, &cycle.dispatch)
        else {
            return;
        };
        self.sent = Some(Trade {
            time: cycle.snapshot.block.timestamp,
            price: to_real(price),
            sell: trade.sell_risky,
            value: trade.value.real(),
            reason: reason.code(),
            gas: 0.0,
            nav_lost: 0.0,
        });
    }

    fn account(&mut self, outcome: &Sent, price: Decimal) {
        match outcome {
            Sent::Executed(inclusion) => {
                if let Some(mut trade) = self.sent.take() {
                    trade.gas = gas(inclusion, price);
                    trade.nav_lost = self.nav_lost(inclusion);
                    self.trades.push(trade);
                }
            }
            Sent::Reverted(_) => {
                self.sent = None;
                self.reverted = self.reverted.saturating_add(1);
            }
            // The market has left the plan behind.
            Sent::Cancelled(_) | Sent::Superseded(_) => self.sent = None,
            Sent::Pending { .. } | Sent::Parked { .. } | Sent::Refused(_) => {}
        }
    }

    /// Net asset value lost in the trade by the oracle's price, as the vault's event says, whole units of the asset.
    fn nav_lost(&self, inclusion: &Inclusion) -> f64 {
        let Some(event) = rebalancing_vault::rebalanced(self.vault, &inclusion.logs) else { return 0.0 };
        let decimals = self.last.as_ref().map_or(0, |s| s.vault.asset.decimals);
        let usd = |amount| from_raw(amount, decimals).map(to_real).unwrap_or_default();
        usd(event.navBefore) - usd(event.navAfter)
    }

    fn observe(&mut self, snapshot: &Snapshot, appraisal: Option<&Appraisal>, price: Decimal) -> Result<()> {
        let mut point = held(snapshot, price)?;
        if let Some(appraisal) = appraisal {
            let price = appraisal.price.real();
            point.target = Some(appraisal.target.real() * price);
            point.band = Some(appraisal.economics.outer.get() * price);
        }
        self.points.push(point);
        self.last = Some(snapshot.clone());
        Ok(())
    }
}

/// The sum, which for nothing is zero: the sum of no floats has the sign of a loss.
fn total(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, |sum, value| sum + value)
}

/// The prices of the risky asset that vault and feed both believe, USD.
///
/// # Errors
/// A bound is no decimal, or the default policy cannot be read.
pub fn believed_prices() -> Result<RangeInclusive<Decimal>> {
    let policy: Policy = toml::from_str(DEFAULT_POLICY).wrap_err("the default policy")?;
    let (amounts, feed) = (default_parameters().amounts, policy.feeds.risky_usd);
    let wad = |amount| from_raw(U256::from(amount), 18);
    let (lowest, highest) = (wad(amounts.minPrice)?, wad(amounts.maxPrice)?);
    Ok(lowest.max(feed.min.get()).normalize()..=highest.min(feed.max.get()).normalize())
}

/// The vault's books at the market's price.
fn held(snapshot: &Snapshot, price: Decimal) -> Result<VaultPoint> {
    let vault = &snapshot.vault;
    let cash = to_real(from_raw(vault.asset_holdings, vault.asset.decimals)?);
    let exposure = to_real(from_raw(vault.risky_holdings, vault.risky.decimals)?) * to_real(price);
    let floor = to_real(from_raw(vault.floor, vault.asset.decimals)?);
    Ok(VaultPoint {
        time: snapshot.block.timestamp,
        past: None,
        nav: cash + exposure,
        floor,
        exposure,
        target: None,
        band: None,
    })
}

fn gas(inclusion: &Inclusion, price: Decimal) -> f64 {
    let coins = from_raw(inclusion.fee, 18).ok().and_then(|coins| coins.checked_mul(price));
    coins.and_then(|usd| usd.to_f64()).unwrap_or_default()
}

/// Limits wide enough for a gas spike; blocks on the stage are final one block later.
fn sending() -> SendingConfig {
    const GWEI: u128 = 1_000_000_000;
    SendingConfig {
        fees: FeeCaps {
            max_fee_per_gas: 5_000_u128.saturating_mul(GWEI),
            min_tip: GWEI,
            max_tip: GWEI.saturating_mul(2),
            max_per_transaction: U256::from(10).saturating_mul(U256::from(10).saturating_pow(U256::from(18))),
            max_per_day: U256::MAX,
            max_cancel_fee_per_gas: 10_000_000_000_000,
        },
        gas_margin_bps: 2_500,
        max_gas_limit: 5_000_000,
        data_fee_margin_bps: 2_500,
        finality: Finality::Depth(0),
        patience: Patience::default(),
        class: ClassPolicy::Public,
        runway: 0,
        poll_interval: Duration::ZERO,
        max_polls: 1,
    }
}
