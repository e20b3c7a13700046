//! Reading on real contracts: both readers give the same facts, and quotes equal what the contracts do to the wei.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails where it stands"
)]

#[path = "support/proxy.rs"]
mod proxy;

use std::sync::Arc;
use std::time::Duration;

use alloy::primitives::aliases::U24;
use alloy::primitives::{Address, I256, U256};
use proxy::{Act, Calls, Overrides, Proxy};
use rust_decimal::Decimal;
use tokio::sync::Semaphore;
use vault_keeper::chain::{Endpoint, Header, SecretUrl, Timeouts};
use vault_keeper::domain::canonical;
use vault_keeper::domain::policy::{
    Estimator, ImpliedPolicy, Policy, PublishedPolicy, Source, StrategyPolicy, VenuePolicy, VolatilityPolicy,
};
use vault_keeper::domain::snapshot::{ImpliedVolatility, OptionBook, OptionKind, OptionLeg, Pool, Snapshot};
use vault_keeper::domain::venues::uniswap_v3;
use vault_keeper::domain::volatility::estimate;
use vault_keeper::reader::{Mode, Reader};
use vault_keeper::stage::account::Actor;
use vault_keeper::stage::artifacts::Artifacts;
use vault_keeper::stage::deploy::options;
use vault_keeper::stage::deploy::uniswap::{PoolPlan, ladder, pool};
use vault_keeper::stage::deploy::uniswap_v2::pair;
use vault_keeper::stage::interfaces::IQuoterV2;
use vault_keeper::stage::market::Market;
use vault_keeper::stage::path::Tick;
use vault_keeper::stage::{Stage, StagePlan};

const START: u64 = 1_700_000_000;
/// Of the options, Unix seconds.
const EXPIRY: u64 = START + 30 * 86_400;

alloy::sol! {
    interface VolatilityFeed {
        function set(uint256 strike, uint64 expiry, uint256 annual, uint256 updatedAt) external;
    }

    interface CrowdedBook {
        function set(uint256 count, uint8 mood) external;
    }
}

struct Scene {
    stage: Stage,
    endpoint: Endpoint,
    vault: Address,
    policy: Policy,
}

async fn scene(stable_is_token0: bool) -> Scene {
    let plan = StagePlan { stable_is_token0, ..StagePlan::new(START, Decimal::from(3_000)) };
    let stage = Stage::set(Artifacts::new(env!("CARGO_MANIFEST_DIR")), &plan).await.unwrap();
    let mut policy: Policy = toml::from_str(include_str!("../examples/policies/cppi.toml")).unwrap();
    policy.chain_id = stage.chain.chain_id();
    policy.feeds.risky_usd.address = stage.venue.risky_usd.proxy;
    policy.feeds.asset_usd.address = stage.venue.stable_usd.proxy;
    policy.venues = vec![VenuePolicy::UniswapV3 { pool: stage.venue.pool.address, tick_words: 2 }];
    let hash = PublishedPolicy::new(policy.clone()).unwrap().hash();
    let vault = stage.vault(&stage.vault_plan(hash), Decimal::from(1_000_000)).await.unwrap().address;
    let endpoint = connect(&stage.chain.endpoint(), stage.chain.chain_id()).await;
    Scene { stage, endpoint, vault, policy }
}

async fn connect(url: &str, chain_id: u64) -> Endpoint {
    let timeouts = Timeouts { connect: Duration::from_secs(10), request: Duration::from_secs(30) };
    Endpoint::connect("stage", SecretUrl::parse(url).unwrap(), chain_id, timeouts).await.unwrap()
}

/// Minutes with moving prices, so that the feeds have rounds and the pool has observations.
async fn some_market(market: &mut Market<'_>, minutes: u64) {
    for minute in 0..minutes {
        let price = Decimal::from(3_000) + Decimal::from(minute * 37 % 101) - Decimal::from(50);
        let tick = Tick { timestamp: START + 60 * minute, price, base_fee: 20_000_000_000 };
        market.step(tick).await.unwrap();
    }
}

impl Scene {
    async fn head(&self) -> Header {
        self.endpoint.latest_header().await.unwrap()
    }

    async fn read(&self, reader: &Reader, header: &Header) -> Snapshot {
        reader.snapshot(&self.endpoint, header, self.vault, &self.policy).await.unwrap()
    }
}

async fn assert_readers_agree(stable_is_token0: bool) {
    let scene = scene(stable_is_token0).await;
    let mut market = scene.stage.market().await.unwrap();
    some_market(&mut market, 40).await;
    let header = scene.head().await;
    let packed = scene.read(&Reader::new(Mode::Override), &header).await;
    let batched = scene.read(&Reader::new(Mode::Multicall), &header).await;
    assert_eq!(packed, batched);
    assert_eq!(canonical::hash(&packed).unwrap(), canonical::hash(&batched).unwrap());

    // And they read what is there.
    assert_eq!((packed.block.hash, packed.block.timestamp), (header.hash, START + 39 * 60));
    let feed = &packed.feeds.risky_usd;
    assert!(feed.history.len() > 10, "{}", feed.history.len());
    assert!(feed.history.windows(2).all(|pair| pair[0].id + 1 == pair[1].id));
    assert_eq!(feed.history.last().unwrap().id + 1, feed.latest.unwrap().id);
    let Pool::UniswapV3 { state, twap, .. } = &packed.pools[0] else { panic!("{:?}", packed.pools) };
    state.validate().unwrap();
    assert!(state.ticks.len() > 4, "{}", state.ticks.len());
    assert_eq!(twap.unwrap().window_seconds, 600);

    // A snapshot survives its canonical text.
    let text = canonical::json(&packed).unwrap();
    assert_eq!(serde_json::from_str::<Snapshot>(&text).unwrap(), packed);
}

/// Another fee tier and a pair beside the pool of the stage: the policy names all three, and one that is none.
async fn several_pools(scene: &mut Scene) -> (Address, Address) {
    let mut provider = scene.stage.act_as(Actor::LiquidityProvider).await.unwrap();
    let (tokens, price) = (scene.stage.venue.tokens, Decimal::from(3_000));
    let plan =
        PoolPlan { fee: 3_000, price, ranges: ladder(price, Decimal::from(4_000_000)), observations: 50 };
    let tier = pool(&mut provider, &scene.stage.venue.uniswap, &tokens, &plan).await.unwrap().address;
    let pair = pair(&mut provider, &tokens, price, Decimal::from(5_000)).await.unwrap().address;
    let nothing = Address::repeat_byte(0x99);
    scene.policy.venues = vec![
        VenuePolicy::UniswapV2 { pair },
        VenuePolicy::UniswapV3 { pool: tier, tick_words: 1 },
        VenuePolicy::UniswapV2 { pair: nothing },
        VenuePolicy::UniswapV3 { pool: nothing, tick_words: 1 },
        VenuePolicy::UniswapV3 { pool: scene.stage.venue.pool.address, tick_words: 2 },
    ];
    (pair, tier)
}

#[tokio::test]
async fn pools_of_both_kinds_are_read_together_in_the_policys_order() {
    for stable_is_token0 in [true, false] {
        let mut scene = scene(stable_is_token0).await;
        let (pair, tier) = several_pools(&mut scene).await;
        let proxy = Proxy::start(scene.stage.chain.endpoint()).await;
        scene.endpoint = connect(proxy.url(), scene.stage.chain.chain_id()).await;
        let header = scene.head().await;
        let mut facts = Vec::new();
        for (mode, calls) in [(Mode::Override, 1), (Mode::Multicall, 2)] {
            proxy.forget();
            facts.push(scene.read(&Reader::new(mode), &header).await);
            assert_eq!(proxy.methods(), vec!["eth_call"; calls]);
        }
        assert_eq!(facts[0], facts[1]);
        let read: Vec<_> = facts[0].pools.iter().map(Pool::address).collect();
        assert_eq!(read, [pair, tier, scene.stage.venue.pool.address]);
        let Pool::UniswapV2 { state } = &facts[0].pools[0] else { panic!("{read:?}") };
        let (weth, stable) = (5_000 * 10_u128.pow(18), 15_000_000 * 10_u128.pow(6));
        let reserves = if stable_is_token0 { (stable, weth) } else { (weth, stable) };
        assert_eq!((state.reserve0, state.reserve1), reserves);
        let text = canonical::json(&facts[0]).unwrap();
        assert_eq!(serde_json::from_str::<Snapshot>(&text).unwrap(), facts[0]);
    }
}

#[tokio::test]
async fn both_readers_give_the_same_facts_with_the_stable_first() {
    assert_readers_agree(true).await;
}

#[tokio::test]
async fn both_readers_give_the_same_facts_with_the_stable_last() {
    assert_readers_agree(false).await;
}

#[tokio::test]
async fn both_readers_give_the_same_observations_of_a_pool_or_none() {
    let mut scene = scene(true).await;
    let mut market = scene.stage.market().await.unwrap();
    some_market(&mut market, 40).await;
    let header = scene.head().await;
    let estimator = |rounds| {
        let (half_life_hours, min_rounds, max_gap_seconds, fallback) = (1, 8, None, None);
        Estimator::Ewma { half_life_hours, rounds, min_rounds, max_gap_seconds, fallback }
    };
    for (rounds, step_seconds, reaches) in [(30, 60, true), (10, 90, true), (500, 86_400, false)] {
        scene.policy.volatility.estimator = estimator(rounds);
        scene.policy.volatility.source = Source::Pool { step_seconds };
        let packed = scene.read(&Reader::new(Mode::Override), &header).await;
        assert_eq!(packed, scene.read(&Reader::new(Mode::Multicall), &header).await);
        assert!(packed.feeds.risky_usd.history.is_empty(), "the feed's rounds are not asked for");
        let observations = packed.pools[0].observations();
        assert_eq!(observations.is_some(), reaches);
        let volatility = estimate(&packed, &scene.policy.volatility);
        let Some(observations) = observations else {
            assert_eq!(volatility.unwrap_err().code(), "no_volatility");
            continue;
        };
        assert_eq!(observations.tick_cumulatives.len(), usize::try_from(rounds).unwrap() + 1);
        // The last ten minutes are those of the time-weighted price.
        let Pool::UniswapV3 { twap, .. } = &packed.pools[0] else { panic!("{:?}", packed.pools) };
        let ten_minutes = usize::try_from(600 / step_seconds).unwrap();
        let [then, now] = [ten_minutes, 0].map(|back| {
            let sums = &observations.tick_cumulatives;
            sums[sums.len() - 1 - back]
        });
        if 600 % step_seconds == 0 {
            assert_eq!((now - then).div_euclid(600), i64::from(twap.unwrap().mean_tick));
        }
        let volatility = volatility.unwrap().get();
        assert!(volatility > 1.0, "the price moves by a percent every minute: {volatility}");
        let text = canonical::json(&packed).unwrap();
        assert_eq!(serde_json::from_str::<Snapshot>(&text).unwrap(), packed);
    }
}

#[tokio::test]
async fn rounds_known_from_an_earlier_block_change_nothing_in_a_later_snapshot() {
    let scene = scene(true).await;
    let mut market = scene.stage.market().await.unwrap();
    some_market(&mut market, 100).await;
    let seasoned = Reader::new(Mode::Override);
    scene.read(&seasoned, &scene.head().await).await;
    let later = Tick { timestamp: START + 7_000, price: Decimal::from(3_100), base_fee: 20_000_000_000 };
    market.step(later).await.unwrap();
    let header = scene.head().await;
    let fresh = scene.read(&Reader::new(Mode::Override), &header).await;
    assert_eq!(scene.read(&seasoned, &header).await, fresh);
}

#[tokio::test]
async fn reads_that_overlap_take_no_round_from_one_another() {
    let mut scene = scene(true).await;
    let estimator = |rounds| {
        let (half_life_hours, min_rounds, max_gap_seconds, fallback) = (1, 8, None, None);
        Estimator::Ewma { half_life_hours, rounds, min_rounds, max_gap_seconds, fallback }
    };
    scene.policy.volatility.estimator = estimator(80);
    let mut market = scene.stage.market().await.unwrap();
    some_market(&mut market, 100).await;
    let header = scene.head().await;
    let fresh = scene.read(&Reader::new(Mode::Override), &header).await;
    assert_eq!(fresh.feeds.risky_usd.history.len(), 79);
    let later = Tick { timestamp: START + 6_060, price: Decimal::from(3_100), base_fee: 20_000_000_000 };
    market.step(later).await.unwrap();
    let fewer = Policy {
        volatility: VolatilityPolicy { estimator: estimator(12), ..scene.policy.volatility.clone() },
        ..scene.policy.clone()
    };
    let proxy = Proxy::start(scene.stage.chain.endpoint()).await;
    let slow = connect(proxy.url(), scene.stage.chain.chain_id()).await;
    for policy in [&scene.policy, &fewer] {
        let reader = Reader::new(Mode::Override);
        scene.read(&reader, &header).await;
        // The answer about the block comes once a later one was read.
        let gate = Arc::new(Semaphore::new(0));
        proxy.rule("eth_call", Calls::Nth(0), Act::Delay(gate.clone()));
        let late = reader.snapshot(&slow, &header, scene.vault, &scene.policy);
        let meanwhile = async {
            let newest = scene.head().await;
            reader.snapshot(&scene.endpoint, &newest, scene.vault, policy).await.unwrap();
            gate.add_permits(1);
        };
        let (late, ()) = tokio::join!(late, meanwhile);
        let late = late.unwrap();
        assert_eq!(late.feeds.risky_usd.history.len(), 79);
        assert_eq!(late, fresh);
        proxy.obey();
    }
}

#[tokio::test]
async fn a_snapshot_is_one_request_by_code_override_and_two_by_multicall3() {
    let mut scene = scene(true).await;
    let proxy = Proxy::start(scene.stage.chain.endpoint()).await;
    scene.endpoint = connect(proxy.url(), scene.stage.chain.chain_id()).await;
    let header = scene.head().await;
    let requests = async |reader: &Reader, overrides| {
        proxy.forget();
        proxy.treat(overrides);
        scene.read(reader, &header).await;
        let methods = proxy.methods();
        assert!(methods.iter().all(|method| method == "eth_call"), "{methods:?}");
        methods.len()
    };
    let packed = Reader::new(Mode::Override);
    assert_eq!(requests(&packed, Overrides::Taken).await, 1);
    assert_eq!(requests(&packed, Overrides::Taken).await, 1, "with its rounds known");
    assert_eq!(requests(&Reader::new(Mode::Multicall), Overrides::Taken).await, 2);
    // One in vain; after a refusal another, which tells whether it was the block that the node does not have.
    for (overrides, first) in [(Overrides::Refused, 4), (Overrides::Ignored, 3)] {
        let reader = Reader::default();
        assert_eq!(requests(&reader, overrides).await, first);
        assert_eq!(requests(&reader, overrides).await, 2, "the refusal is remembered");
    }
}

fn wad(whole: u64) -> U256 {
    U256::from(whole) * U256::from(10).pow(U256::from(18))
}

/// The scene's vault with a written call from 3,000 up to 4,000 in the reference book, and an answer of the volatility feed
/// for the first strike alone.
async fn with_options(scene: &mut Scene) -> (Address, Address) {
    let stage = &scene.stage;
    let (book, feed) = (options::book(stage).await.unwrap(), options::volatility_feed(stage).await.unwrap());
    options::name_book(stage, scene.vault, book).await.unwrap();
    let size = -I256::from_raw(wad(50));
    let (strike, limit, premium) = (wad(3_000), wad(4_000), U256::from(10_000_000_000_u64));
    let position = options::Position { is_call: true, strike, limit, size, premium, expiry: EXPIRY };
    assert_eq!(options::open(stage, scene.vault, book, &position).await.unwrap(), 1);
    answer(stage, feed, strike, EXPIRY).await;
    hedges(&mut scene.policy, book, Some(feed));
    (book, feed)
}

/// The volatility feed says 62 % from now on.
async fn answer(stage: &Stage, feed: Address, strike: U256, expiry: u64) {
    let updated = U256::from(START - 5);
    let annual = U256::from(620_000_000_000_000_000_u64);
    let call = VolatilityFeed::setCall { strike, expiry, annual, updatedAt: updated };
    stage.act_as(Actor::Stranger).await.unwrap().call(feed, &call).await.unwrap();
}

/// The policy of the scene as a hedge of this book.
fn hedges(policy: &mut Policy, book: Address, feed: Option<Address>) {
    let example: Policy = toml::from_str(include_str!("../examples/policies/delta-hedge.toml")).unwrap();
    policy.strategy = example.strategy;
    let StrategyPolicy::DeltaHedge { book: named, implied, .. } = &mut policy.strategy else { panic!() };
    *named = book;
    *implied = feed
        .map_or(ImpliedPolicy::Estimate, |address| ImpliedPolicy::Feed { address, max_age_seconds: 3_600 });
}

impl Scene {
    /// The options, on which both readers agree, as on everything else.
    async fn options(&self) -> Option<OptionBook> {
        let header = self.head().await;
        let packed = self.read(&Reader::new(Mode::Override), &header).await;
        assert_eq!(packed, self.read(&Reader::new(Mode::Multicall), &header).await);
        let text = canonical::json(&packed).unwrap();
        assert_eq!(serde_json::from_str::<Snapshot>(&text).unwrap(), packed);
        packed.options
    }
}

#[tokio::test]
async fn both_readers_give_the_same_legs_and_what_does_not_answer_is_absent() {
    let mut scene = scene(true).await;
    assert_eq!(scene.options().await, None, "the policy names no book");
    let (book, feed) = with_options(&mut scene).await;
    let leg = |id, strike, size, implied| OptionLeg {
        id,
        kind: OptionKind::Call,
        strike: wad(strike),
        expiry: EXPIRY,
        size,
        implied,
    };
    let coins = I256::from_raw(wad(50));
    let implied = ImpliedVolatility { annual: wad(62) / U256::from(100), updated_at: START - 5 };
    let legs = vec![leg(2, 3_000, -coins, Some(implied)), leg(3, 4_000, coins, None)];
    assert_eq!(scene.options().await, Some(OptionBook { address: book, legs: legs.clone() }));

    hedges(&mut scene.policy, book, None);
    let unasked = vec![OptionLeg { implied: None, ..legs[0] }, legs[1]];
    assert_eq!(scene.options().await, Some(OptionBook { address: book, legs: unasked.clone() }));
    hedges(&mut scene.policy, book, Some(Address::repeat_byte(0x99)));
    assert_eq!(scene.options().await, Some(OptionBook { address: book, legs: unasked }), "no such feed");
    for no_book in [Address::repeat_byte(0x99), feed] {
        hedges(&mut scene.policy, no_book, Some(feed));
        assert_eq!(scene.options().await, None, "{no_book} is no book");
    }
}

#[tokio::test]
async fn a_book_with_too_many_legs_is_counted_or_not_read_at_all() {
    let mut scene = scene(false).await;
    let mut owner = scene.stage.act_as(Actor::Owner).await.unwrap();
    let book = owner.create_ours("TestOptionBook", &[]).await.unwrap();
    let feed = options::volatility_feed(&scene.stage).await.unwrap();
    hedges(&mut scene.policy, book, Some(feed));
    answer(&scene.stage, feed, wad(1), 2_000_000_000).await;
    for (count, mood, read, implied) in [
        (64, 0, Some(64), true),
        (65, 0, Some(65), false),
        (256, 0, Some(256), false),
        (257, 0, None, false),
        (1, 1, None, false),
    ] {
        let call = CrowdedBook::setCall { count: U256::from(count), mood };
        scene.stage.act_as(Actor::Owner).await.unwrap().call(book, &call).await.unwrap();
        let options = scene.options().await;
        assert_eq!(options.as_ref().map(|options| options.legs.len()), read);
        let first = options.and_then(|options| options.legs.first().copied());
        assert_eq!(first.is_some_and(|leg| leg.implied.is_some()), implied, "{count}");
    }
}

async fn quoter(stage: &Stage, zero_for_one: bool, amount: U256) -> (U256, U256, u32) {
    let tokens = stage.venue.tokens;
    let (token0, token1) =
        if tokens.stable < tokens.weth { (tokens.stable, tokens.weth) } else { (tokens.weth, tokens.stable) };
    let (token_in, token_out) = if zero_for_one { (token0, token1) } else { (token1, token0) };
    let params = IQuoterV2::QuoteExactInputSingleParams {
        tokenIn: token_in,
        tokenOut: token_out,
        amountIn: amount,
        fee: U24::from(500),
        sqrtPriceLimitX96: Default::default(),
    };
    let quote = IQuoterV2::quoteExactInputSingleCall { params };
    let quote = stage.chain.read(stage.venue.uniswap.quoter, &quote).await.unwrap();
    (quote.amountOut, U256::from(quote.sqrtPriceX96After), quote.initializedTicksCrossed)
}

#[tokio::test]
async fn quotes_equal_quoter_v2_to_the_wei() {
    for stable_is_token0 in [true, false] {
        let scene = scene(stable_is_token0).await;
        let mut market = scene.stage.market().await.unwrap();
        some_market(&mut market, 3).await;
        let snapshot = scene.read(&Reader::default(), &scene.head().await).await;
        let Pool::UniswapV3 { state, .. } = &snapshot.pools[0] else { panic!("{:?}", snapshot.pools) };
        for zero_for_one in [true, false] {
            assert_quotes_agree(&scene.stage, state, zero_for_one, zero_for_one == stable_is_token0).await;
        }
    }
}

/// From far through the ranges down to one unit, with digits that no rounding hides.
async fn assert_quotes_agree(stage: &Stage, pool: &uniswap_v3::Pool, zero_for_one: bool, stable_in: bool) {
    let largest = if stable_in { 30_000_000_123_457_u128 } else { 9_000_000_000_000_000_123_457 };
    for step in 0..24_u32 {
        let amount = U256::from((largest >> step).max(1));
        let quote = pool.quote_exact_in(zero_for_one, amount).unwrap();
        let (out, sqrt_price_after, crossed) = quoter(stage, zero_for_one, amount).await;
        assert_eq!((quote.amount_out, quote.sqrt_price_after), (out, sqrt_price_after), "{amount}");
        // QuoterV2 also counts a tick on which the swap ends without crossing it.
        assert!(crossed.abs_diff(quote.ticks_crossed) <= 1, "{crossed} {}", quote.ticks_crossed);
        assert_exact_out_is_the_inverse(pool, zero_for_one, &quote);
    }
}

/// Asking for what a quote pays costs at most what it took, and pays it.
fn assert_exact_out_is_the_inverse(pool: &uniswap_v3::Pool, zero_for_one: bool, quote: &uniswap_v3::Quote) {
    if quote.amount_out.is_zero() {
        return;
    }
    let inverse = pool.quote_exact_out(zero_for_one, quote.amount_out).unwrap();
    assert!(inverse.amount_in <= quote.amount_in);
    let again = pool.quote_exact_in(zero_for_one, inverse.amount_in).unwrap();
    assert!(again.amount_out >= quote.amount_out);
}
