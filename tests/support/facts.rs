//! Realistic facts to decide on: a vault of a million dollars beside a deep pool, under the default policy.
#![allow(dead_code, unreachable_pub, reason = "each program that includes this file uses its own part of it")]

use std::sync::LazyLock;

use alloy::primitives::{Address, B256, I256, U256, U512, address, b256};
use rust_decimal::Decimal;
use vault_keeper::domain::decision::{Decision, Trade, Verdict, decide, decision_hash};
use vault_keeper::domain::policy::{ImpliedPolicy, Policy, PublishedPolicy, StrategyPolicy};
use vault_keeper::domain::snapshot::{
    AllowedPool, Block, Feed, Feeds, Guards, History, OptionBook, OptionKind, OptionLeg, Pool, Round,
    Snapshot, Token, Twap, Vault,
};
use vault_keeper::domain::units::{Ratio, Units, to_raw, to_raw_up};
use vault_keeper::domain::venues::uniswap_v3::{self, Tick, Window, sqrt_price_at_tick};

/// The vault's asset; its address is below that of [`WETH_HIGH`] and above that of [`WETH_LOW`].
pub const USDC: Address = address!("A0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48");
/// The risky asset where it is token1.
pub const WETH_HIGH: Address = address!("C02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2");
/// The risky asset where it is token0.
pub const WETH_LOW: Address = address!("4200000000000000000000000000000000000006");
/// The adapter of the pool.
pub const VENUE: Address = address!("00000000000000000000000000000000000Adab1");
/// The vault's option book, where it has one.
pub const BOOK: Address = address!("00000000000000000000000000000000000B00c5");
/// Time of the block.
pub const NOW: u64 = 1_700_000_000;
/// One gwei in wei.
pub const GWEI: u64 = 1_000_000_000;
/// The price of the risky asset by the feeds, in dollars.
pub const PRICE: u64 = 2_000;

/// The default policy as published, and the one of the fixtures.
pub const DEFAULT_POLICY: &str = include_str!("../fixtures/policy.toml");

static POLICY: LazyLock<Policy> =
    LazyLock::new(|| toml::from_str(DEFAULT_POLICY).expect("the default policy is valid"));

/// A snapshot and a policy that fit each other.
#[derive(Debug, Clone)]
pub struct Facts {
    pub snapshot: Snapshot,
    pub policy: Policy,
}

impl Facts {
    /// A million USDC and nothing else, ether at 2,000 dollars, USDC at one.
    pub fn all_stable() -> Self {
        let policy = POLICY.clone();
        let pool = Liquidity::default().pool(price_of(PRICE), false);
        let snapshot = Snapshot {
            block: block(),
            vault: vault(&policy, &pool),
            feeds: Feeds {
                risky_usd: risky_feed(policy.feeds.risky_usd.address),
                asset_usd: plain_feed(policy.feeds.asset_usd.address, 100_000_000),
                native_usd: None,
                sequencer: None,
            },
            pools: vec![Pool::UniswapV3 {
                twap: Some(Twap { window_seconds: 600, mean_tick: pool.tick }),
                observations: None,
                state: pool,
            }],
            options: None,
            rollup: None,
        };
        Self { snapshot, policy }
    }

    /// The same vault with `risky` ether and `cash` USDC.
    pub fn holding(risky: &str, cash: &str) -> Self {
        let mut facts = Self::all_stable();
        facts.hold(risky, cash);
        facts
    }

    /// Puts `risky` ether and `cash` USDC into the vault.
    pub fn hold(&mut self, risky: &str, cash: &str) {
        let amount =
            |text: &str, places| to_raw(text.parse().expect("a decimal"), places).expect("an amount");
        self.snapshot.vault.risky_holdings = amount(risky, 18);
        self.snapshot.vault.asset_holdings = amount(cash, 6);
    }

    /// Changes whatever `change` changes.
    pub fn with(mut self, change: impl FnOnce(&mut Snapshot, &mut Policy)) -> Self {
        change(&mut self.snapshot, &mut self.policy);
        self
    }

    /// Moves pool and feed to `price` dollars, with the given liquidity and token order.
    pub fn market(mut self, price: Decimal, liquidity: &Liquidity, risky_is_token0: bool) -> Self {
        let pool = liquidity.pool(price, risky_is_token0);
        let vault = &mut self.snapshot.vault;
        vault.risky.address = if risky_is_token0 { pool.token0 } else { pool.token1 };
        let raw = to_raw(price, 8).expect("a price");
        self.snapshot.feeds.risky_usd = risky_feed_at(self.policy.feeds.risky_usd.address, raw);
        let twap = Twap { window_seconds: 600, mean_tick: pool.tick };
        self.snapshot.pools = vec![Pool::UniswapV3 { state: pool, twap: Some(twap), observations: None }];
        self
    }

    /// Moves the feed alone to `price` dollars.
    pub fn oracle(mut self, price: &str) -> Self {
        let raw = to_raw(price.parse().expect("a decimal"), 8).expect("a price");
        let round = self.snapshot.feeds.risky_usd.latest.as_mut().expect("a round");
        round.answer = I256::try_from(raw).expect("an answer");
        self
    }

    /// Sets a multiplier and a cap.
    pub fn cppi(mut self, multiplier: &str, cap: &str) -> Self {
        let ratio = |text: &str| text.parse().expect("a ratio");
        self.policy.strategy = StrategyPolicy::Cppi { multiplier: ratio(multiplier), cap: ratio(cap) };
        self
    }

    /// Hedges `legs` to a delta of 0 at the policy's own volatility, over a floor of 20 %.
    pub fn hedging(mut self, legs: Vec<OptionLeg>) -> Self {
        let vault = &mut self.snapshot.vault;
        (vault.option_book, vault.epoch_open) = (Some(BOOK), !legs.is_empty());
        vault.floor = U256::from(200_000_000_000_u64);
        self.snapshot.options = Some(OptionBook { address: BOOK, legs });
        self.policy.strategy = StrategyPolicy::DeltaHedge {
            book: BOOK,
            target_delta: Units::ZERO,
            rate: Ratio::ZERO,
            carry: Ratio::ZERO,
            implied: ImpliedPolicy::Estimate,
            bounds: None,
        };
        self
    }

    /// The vault's owner approves the policy as it is.
    pub fn published(&self) -> (Snapshot, PublishedPolicy) {
        let published = PublishedPolicy::new(self.policy.clone()).expect("a canonical form");
        let mut snapshot = self.snapshot.clone();
        snapshot.vault.policy_hash = published.hash();
        snapshot.vault.floor_policy = self.policy.floor;
        (snapshot, published)
    }

    /// Decides on the published facts.
    pub fn decide(&self) -> Decision {
        let (snapshot, published) = self.published();
        decide(&snapshot, &published)
    }

    /// The hash of that decision.
    pub fn decision_hash(&self) -> B256 {
        let (snapshot, published) = self.published();
        decision_hash(&snapshot, &published, &decide(&snapshot, &published)).expect("a canonical form")
    }

    /// The code of the reason decided for.
    pub fn code(&self) -> String {
        self.decide().verdict.reason().code()
    }

    /// The trade decided for.
    pub fn trade(&self) -> Trade {
        match self.decide().verdict {
            Verdict::Rebalance { trade, .. } => trade,
            other @ (Verdict::Hold { .. } | Verdict::Refuse { .. }) => panic!("no trade: {other:?}"),
        }
    }

    /// The pool.
    pub fn pool(&self) -> &uniswap_v3::Pool {
        let Some(Pool::UniswapV3 { state, .. }) = self.snapshot.pools.first() else { panic!("no pool") };
        state
    }

    /// The pool, to change.
    pub fn pool_mut(&mut self) -> &mut uniswap_v3::Pool {
        let Some(Pool::UniswapV3 { state, .. }) = self.snapshot.pools.first_mut() else { panic!("no pool") };
        state
    }

    /// The same vault a block later, `trade` executed exactly as quoted and everything else as it was.
    pub fn after(&self, trade: &Trade) -> Self {
        let mut next = self.clone();
        let vault = &mut next.snapshot.vault;
        let (given, received) = if trade.sell_risky {
            (&mut vault.risky_holdings, &mut vault.asset_holdings)
        } else {
            (&mut vault.asset_holdings, &mut vault.risky_holdings)
        };
        *given = given.checked_sub(trade.amount_in).expect("the vault holds what it gives");
        *received = received.checked_add(trade.quoted_out).expect("it fits");
        vault.next_nonce = vault.next_nonce.saturating_add(1);
        vault.last_rebalance = next.snapshot.block.timestamp;
        let risky = self.snapshot.vault.risky.address;
        for swap in &trade.swaps {
            let pool = next.snapshot.pools.iter_mut().find(|pool| pool.address() == swap.pool);
            let out = match pool.expect("a pool of the snapshot") {
                Pool::UniswapV3 { state, .. } => {
                    let zero_for_one = trade.sell_risky == (state.token0 == risky);
                    let quote = state.quote_exact_in(zero_for_one, swap.amount_in).expect("as quoted");
                    state.sqrt_price_x96 = quote.sqrt_price_after;
                    state.tick = quote.tick_after();
                    state.liquidity = quote.liquidity_after;
                    quote.amount_out
                }
                Pool::UniswapV2 { state } => {
                    let zero_for_one = trade.sell_risky == (state.token0 == risky);
                    let quoter = state.quoter().expect("a pair");
                    let quote = quoter.quote_exact_in(zero_for_one, swap.amount_in).expect("as quoted");
                    (state.reserve0, state.reserve1) = (quote.reserve0_after, quote.reserve1_after);
                    quote.amount_out
                }
            };
            assert_eq!(out, swap.quoted_out, "the plan's quote is the pool's");
        }
        next.pass(next.snapshot.vault.guards.cooldown.max(12));
        next
    }

    /// Lets `seconds` pass; the feeds report the same prices again.
    pub fn pass(&mut self, seconds: u64) {
        let block = &mut self.snapshot.block;
        block.number = block.number.saturating_add(1);
        block.timestamp = block.timestamp.saturating_add(seconds);
        let feeds = &mut self.snapshot.feeds;
        for feed in [&mut feeds.risky_usd, &mut feeds.asset_usd] {
            if let Some(round) = &mut feed.latest {
                round.updated_at = round.updated_at.saturating_add(seconds);
            }
        }
    }
}

/// A leg on `size` ether, negative where it is written, that expires in `days`.
pub fn leg(id: u64, kind: OptionKind, strike: u64, days: u64, size: &str) -> OptionLeg {
    let size: Decimal = size.parse().expect("a decimal");
    let raw = I256::try_from(to_raw(size.abs(), 18).expect("an amount")).expect("it fits");
    OptionLeg {
        id,
        kind,
        strike: to_raw(Decimal::from(strike), 18).expect("a strike"),
        expiry: NOW + days * 86_400,
        size: if size.is_sign_negative() { -raw } else { raw },
        implied: None,
    }
}

/// Liquidity in ranges around the price, each as ticks on both sides and the liquidity there, times `depth`.
#[derive(Debug, Clone)]
pub struct Liquidity {
    /// Half width in ticks (hundredths of a percent) and liquidity of each range.
    pub ranges: Vec<(i32, u128)>,
    /// Factor on all of them, in percent.
    pub depth_percent: u32,
    /// Fee in hundredths of a basis point.
    pub fee: u32,
    /// Tick spacing.
    pub spacing: i32,
}

impl Default for Liquidity {
    /// About 4.5 million dollars within one percent of the price, as a busy 0.05 % pool has.
    fn default() -> Self {
        let ranges = vec![
            (100, 12_000_000_000_000_000_000),
            (500, 6_000_000_000_000_000_000),
            (4_000, 2_000_000_000_000_000_000),
        ];
        Self { ranges, depth_percent: 100, fee: 500, spacing: 10 }
    }
}

impl Liquidity {
    /// The default ranges, `percent` as deep.
    pub fn of_depth(percent: u32) -> Self {
        Self { depth_percent: percent, ..Self::default() }
    }

    /// A pool at `price` dollars per ether with these ranges and two bitmap words known on each side.
    pub fn pool(&self, price: Decimal, risky_is_token0: bool) -> uniswap_v3::Pool {
        let sqrt_price_x96 = sqrt_price(price, risky_is_token0);
        let tick = tick_of(sqrt_price_x96);
        let word_width = 256 * self.spacing;
        let word = tick.div_euclid(word_width);
        let window = Window { lower: (word - 2) * word_width, upper: (word + 3) * word_width - 1 };
        let mut edges: Vec<(i32, i128, u128)> = Vec::new();
        let mut liquidity = 0_u128;
        for (half_width, depth) in &self.ranges {
            let depth = depth / 100 * u128::from(self.depth_percent);
            let signed = i128::try_from(depth).expect("it fits");
            let edge = |offset: i32| (tick + offset).div_euclid(self.spacing) * self.spacing;
            liquidity += depth;
            edges.push((edge(-half_width), signed, depth));
            edges.push((edge(*half_width) + self.spacing, -signed, depth));
        }
        edges.sort_unstable();
        let ticks = edges.into_iter().map(|(index, liquidity_net, liquidity_gross)| Tick {
            index,
            liquidity_net,
            liquidity_gross,
        });
        let risky = if risky_is_token0 { WETH_LOW } else { WETH_HIGH };
        let (token0, token1) = if risky_is_token0 { (risky, USDC) } else { (USDC, risky) };
        uniswap_v3::Pool {
            address: pool_address(),
            token0,
            token1,
            fee: self.fee,
            tick_spacing: self.spacing,
            sqrt_price_x96,
            tick,
            liquidity,
            window,
            ticks: ticks.filter(|t| (window.lower..=window.upper).contains(&t.index)).collect(),
        }
    }
}

/// `price` dollars as a decimal.
pub fn price_of(price: u64) -> Decimal {
    Decimal::from(price)
}

/// Square root price of a pool of ether and USDC at `price` dollars per ether, times 2^96, rounded down.
fn sqrt_price(price: Decimal, risky_is_token0: bool) -> U256 {
    // Raw USDC (6 places) per raw ether (18 places): price·10^6/10^18, or its inverse.
    let (asset, risky) = (U512::from(to_raw_up(price, 18).expect("a price")), U512::from(10_u64.pow(18)));
    let unit = U512::from(10_u64.pow(12));
    let (numerator, denominator) =
        if risky_is_token0 { (asset, risky * unit) } else { (risky * unit, asset) };
    let square: U512 = (numerator << 192) / denominator;
    square.root(2).to()
}

/// The tick in which a square root price stands.
fn tick_of(sqrt_price_x96: U256) -> i32 {
    let (mut low, mut high) = (-887_272, 887_272);
    while high - low > 1 {
        let middle = (low + high) / 2;
        if sqrt_price_at_tick(middle).expect("a tick") <= sqrt_price_x96 {
            low = middle
        } else {
            high = middle
        }
    }
    low
}

fn pool_address() -> Address {
    match POLICY.venues.first() {
        Some(venue) => venue.pool(),
        None => panic!("the default policy names a pool"),
    }
}

const fn block() -> Block {
    Block {
        chain_id: 1,
        number: 18_573_000,
        hash: b256!("d1f3e9a5f8c1b2d3e4f5061728394a5b6c7d8e9fa0b1c2d3e4f5061728394a5b"),
        timestamp: NOW,
        next_base_fee: 20 * GWEI,
    }
}

fn vault(policy: &Policy, pool: &uniswap_v3::Pool) -> Vault {
    Vault {
        address: address!("000000000000000000000000000000000000Fade"),
        asset: Token { address: USDC, decimals: 6 },
        risky: Token { address: pool.token1, decimals: 18 },
        total_supply: U256::from(10_u64.pow(18)),
        asset_holdings: U256::from(10_u64.pow(12)),
        risky_holdings: U256::ZERO,
        floor: U256::from(800_000_000_000_u64),
        floor_policy: policy.floor,
        cash_lock: false,
        policy_hash: B256::ZERO,
        keeper: address!("000000000000000000000000000000000000Beef"),
        next_nonce: 0,
        last_rebalance: 0,
        paused_until: 0,
        option_book: None,
        epoch_open: false,
        risky_feed: policy.feeds.risky_usd.address,
        asset_feed: policy.feeds.asset_usd.address,
        guards: Guards {
            cooldown: 300,
            max_decision_age: 50,
            max_call_bps: 10_000,
            turnover_left: U256::from(2_000_000_000_000_u64),
            slippage_bps: 100,
            nav_loss_bps: 100,
            cap_bps: 10_000,
            bound_bps: 50_000,
            risky_max_age: 3_900,
            asset_max_age: 90_000,
            peg_bps: 200,
            gas_rebate: U256::ZERO,
        },
        allowed_pools: vec![AllowedPool { pool: pool.address, venue: VENUE }],
    }
}

/// Rounds of a feed before the latest.
const HISTORY: u64 = 60;

fn risky_feed(address: Address) -> Feed {
    risky_feed_at(address, U256::from(PRICE * 100_000_000))
}

/// Sixty rounds before one of `latest` (8 places), about an hour and about 0.7 % apart.
fn risky_feed_at(address: Address, latest: U256) -> Feed {
    let phase = 5_u128 << 64;
    let (mut price, mut time, mut state) = (latest, NOW - 240, 0x9E37_79B9_7F4A_7C15_u64);
    let mut rounds = Vec::new();
    for back in 0..=HISTORY {
        let answer = I256::try_from(price).expect("a price");
        rounds.push(Round { id: phase + u128::from(1_000 - back), answer, updated_at: time });
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        // −120 to 120 hundredths of a percent, 40 to 80 minutes.
        let moved = 10_000 + (state % 241) - 120;
        price = price * U256::from(10_000_u64) / U256::from(moved);
        time -= 2_400 + (state >> 32) % 2_400;
    }
    let latest = rounds.remove(0);
    rounds.reverse();
    Feed { address, decimals: 8, latest: Some(latest), history: rounds.into() }
}

fn plain_feed(address: Address, answer: u64) -> Feed {
    let round = Round {
        id: (2_u128 << 64) + 77,
        answer: I256::try_from(answer).expect("fits"),
        updated_at: NOW - 3_000,
    };
    Feed { address, decimals: 8, latest: Some(round), history: History::default() }
}
