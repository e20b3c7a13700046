//! The same facts without code overrides: two rounds of Multicall3 at one block.
//!
//! The first reads the vault, the newest rounds, the pools' prices and the pairs; the second, knowing those, the earlier rounds
//! and every tick that the window can hold.

use alloy::primitives::{
    Address, B256, Bytes, U256,
    aliases::{I24, U112},
};
use alloy::sol_types::SolCall;

use super::abi::{AggregatorV3, ISnapshotReader, RebalancingVault, UniswapV2Pair, UniswapV3Pool};
use super::multicall::{Call, aggregate, call, decoded};
use super::snapshot_reader::round_id;
use super::{Answer, Ask, FeedAsk, PoolAsk, ReadError};
use crate::chain::Endpoint;

/// Tick spacings in one word of the bitmap.
const WORD_BITS: i32 = 256;
const MIN_TICK: i32 = -887_272;
const MAX_TICK: i32 = 887_272;

/// Reads all of `ask` on the state of the block `hash`.
///
/// # Errors
/// The failure of a call.
pub async fn read(endpoint: &Endpoint, hash: B256, ask: &Ask) -> Result<Answer, ReadError> {
    let mut first = Answers(aggregate(endpoint, hash, first_calls(ask)).await?.into_iter());
    let vault = first.next::<RebalancingVault::stateCall>();
    let sequencer = ask.sequencer.map(|feed| newest(&mut first, feed));
    let mut feeds: Vec<_> = ask.feeds.iter().map(|ask| newest(&mut first, ask.feed)).collect();
    let mut pools: Vec<_> = ask.pools.iter().map(|ask| price(&mut first, ask)).collect();
    let pairs = ask.pairs.iter().map(|ask| pair(&mut first, *ask)).collect();
    let results = ask.calls.iter().map(|_| first.0.next().flatten()).collect();

    let mut calls = Vec::new();
    for (feed, ask) in feeds.iter().zip(&ask.feeds) {
        calls.extend(earlier_rounds(feed, ask).map(|id| round_call(ask.feed, id)));
    }
    for pool in &pools {
        calls.extend(tick_calls(pool));
    }
    let mut second = Answers(aggregate(endpoint, hash, calls).await?.into_iter());
    for (feed, ask) in feeds.iter_mut().zip(&ask.feeds) {
        feed.previous = earlier_rounds(feed, ask).map(|id| earlier_round(&mut second, id)).collect();
    }
    for pool in &mut pools {
        ticks(&mut second, pool);
    }
    Ok(Answer { vault, feeds, sequencer, pools, pairs, results })
}

/// The answers of a batch in the order of its calls.
struct Answers(std::vec::IntoIter<Option<Bytes>>);

impl Answers {
    fn next<C: SolCall>(&mut self) -> Option<C::Return> {
        decoded::<C>(self.0.next().flatten().as_ref())
    }
}

fn first_calls(ask: &Ask) -> Vec<Call> {
    let mut calls = vec![call(ask.vault.unwrap_or_default(), &RebalancingVault::stateCall {})];
    for feed in ask.sequencer.iter().chain(ask.feeds.iter().map(|f| &f.feed)) {
        calls.push(call(*feed, &AggregatorV3::decimalsCall {}));
        calls.push(call(*feed, &AggregatorV3::latestRoundDataCall {}));
    }
    for PoolAsk { pool, twap_window, grid, .. } in &ask.pools {
        calls.push(call(*pool, &UniswapV3Pool::token0Call {}));
        calls.push(call(*pool, &UniswapV3Pool::token1Call {}));
        calls.push(call(*pool, &UniswapV3Pool::feeCall {}));
        calls.push(call(*pool, &UniswapV3Pool::tickSpacingCall {}));
        calls.push(call(*pool, &UniswapV3Pool::liquidityCall {}));
        calls.push(call(*pool, &UniswapV3Pool::slot0Call {}));
        calls.push(call(*pool, &UniswapV3Pool::observeCall { secondsAgos: vec![*twap_window, 0] }));
        if let Some(grid) = grid {
            calls.push(call(*pool, &UniswapV3Pool::observeCall { secondsAgos: grid.seconds_ago() }));
        }
    }
    for pair in &ask.pairs {
        calls.push(call(*pair, &UniswapV2Pair::token0Call {}));
        calls.push(call(*pair, &UniswapV2Pair::token1Call {}));
        calls.push(call(*pair, &UniswapV2Pair::getReservesCall {}));
    }
    calls.extend(ask.calls.iter().cloned());
    calls
}

fn newest(answers: &mut Answers, feed: Address) -> ISnapshotReader::Feed {
    let decimals = answers.next::<AggregatorV3::decimalsCall>();
    let latest = answers.next::<AggregatorV3::latestRoundDataCall>();
    let (Some(decimals), Some(latest)) = (decimals, latest) else { return unread_feed(feed) };
    let phase = latest.id.to::<u128>() >> 64;
    ISnapshotReader::Feed {
        ok: true,
        feed,
        decimals,
        phaseId: u16::try_from(phase).unwrap_or(u16::MAX),
        latest: ISnapshotReader::Round {
            roundId: latest.id,
            answer: latest.answer,
            startedAt: time(latest.startedAt),
            updatedAt: time(latest.updatedAt),
        },
        previous: Vec::new(),
    }
}

fn unread_feed(feed: Address) -> ISnapshotReader::Feed {
    let latest = missing_round(0);
    ISnapshotReader::Feed { ok: false, feed, decimals: 0, phaseId: 0, latest, previous: Vec::new() }
}

fn missing_round(id: u128) -> ISnapshotReader::Round {
    ISnapshotReader::Round {
        roundId: round_id(id),
        answer: alloy::primitives::I256::ZERO,
        startedAt: 0,
        updatedAt: 0,
    }
}

/// As in the contract: a time that does not fit is the largest, which no block reaches.
fn time(value: U256) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

/// Ids of the rounds before the newest in its phase, newest first, without the known ones.
fn earlier_rounds(feed: &ISnapshotReader::Feed, ask: &FeedAsk) -> impl Iterator<Item = u128> + use<> {
    let latest = feed.latest.roundId.to::<u128>();
    let within_phase = u64::try_from(latest & u128::from(u64::MAX)).unwrap_or_default();
    let count = if feed.ok { u64::from(ask.rounds).min(within_phase.saturating_sub(1)) } else { 0 };
    let known = ask.known.filter(|(from, _)| *from != 0);
    (1..=count)
        .map(move |back| latest.saturating_sub(u128::from(back)))
        .filter(move |id| !known.is_some_and(|(from, to)| (from..=to).contains(id)))
}

fn round_call(feed: Address, id: u128) -> Call {
    call(feed, &AggregatorV3::getRoundDataCall { roundId: round_id(id) })
}

fn earlier_round(answers: &mut Answers, id: u128) -> ISnapshotReader::Round {
    match answers.next::<AggregatorV3::getRoundDataCall>() {
        Some(round) if !round.updatedAt.is_zero() => ISnapshotReader::Round {
            roundId: round_id(id),
            answer: round.answer,
            startedAt: time(round.startedAt),
            updatedAt: time(round.updatedAt),
        },
        _ => missing_round(id),
    }
}

fn price(answers: &mut Answers, ask: &PoolAsk) -> ISnapshotReader::Pool {
    let mut pool = ISnapshotReader::Pool { pool: ask.pool, ..unread_pool() };
    let token0 = answers.next::<UniswapV3Pool::token0Call>();
    let token1 = answers.next::<UniswapV3Pool::token1Call>();
    let fee = answers.next::<UniswapV3Pool::feeCall>();
    let spacing = answers.next::<UniswapV3Pool::tickSpacingCall>().filter(|s| *s > I24::ZERO);
    let liquidity = answers.next::<UniswapV3Pool::liquidityCall>();
    let slot0 = answers.next::<UniswapV3Pool::slot0Call>();
    let observed = answers.next::<UniswapV3Pool::observeCall>();
    let on_grid = ask.grid.and_then(|_| answers.next::<UniswapV3Pool::observeCall>());
    let (Some(token0), Some(token1), Some(fee), Some(spacing), Some(liquidity), Some(slot0)) =
        (token0, token1, fee, spacing, liquidity, slot0)
    else {
        return pool;
    };
    pool.ok = true;
    (pool.token0, pool.token1, pool.fee, pool.tickSpacing, pool.liquidity) =
        (token0, token1, fee, spacing, liquidity);
    (pool.sqrtPriceX96, pool.tick, pool.unlocked) = (slot0.sqrtPriceX96, slot0.tick, slot0.unlocked);
    (pool.observationCardinality, pool.feeProtocol) = (slot0.observationCardinality, slot0.feeProtocol);
    window(&mut pool, ask.words);
    if let (1.., Some([then, now])) =
        (ask.twap_window, observed.as_ref().map(|o| o.tickCumulatives.as_slice()))
    {
        (pool.twapOk, pool.tickCumulativeThen, pool.tickCumulativeNow) = (true, *then, *now);
    }
    pool.gridCumulatives = on_grid.map(|observed| observed.tickCumulatives).unwrap_or_default();
    pool
}

fn pair(answers: &mut Answers, pair: Address) -> ISnapshotReader::Pair {
    let token0 = answers.next::<UniswapV2Pair::token0Call>();
    let token1 = answers.next::<UniswapV2Pair::token1Call>();
    let reserves = answers.next::<UniswapV2Pair::getReservesCall>();
    let unread = ISnapshotReader::Pair {
        ok: false,
        pair,
        token0: Address::ZERO,
        token1: Address::ZERO,
        reserve0: U112::ZERO,
        reserve1: U112::ZERO,
    };
    let (Some(token0), Some(token1), Some(reserves)) = (token0, token1, reserves) else { return unread };
    let (reserve0, reserve1) = (reserves.reserve0, reserves.reserve1);
    ISnapshotReader::Pair { ok: true, pair, token0, token1, reserve0, reserve1 }
}

fn unread_pool() -> ISnapshotReader::Pool {
    use alloy::primitives::{
        U160,
        aliases::{I56, U24},
    };
    ISnapshotReader::Pool {
        ok: false,
        pool: Address::ZERO,
        token0: Address::ZERO,
        token1: Address::ZERO,
        fee: U24::ZERO,
        tickSpacing: I24::ZERO,
        sqrtPriceX96: U160::ZERO,
        tick: I24::ZERO,
        observationCardinality: 0,
        feeProtocol: 0,
        unlocked: false,
        liquidity: 0,
        firstWord: 0,
        bitmap: Vec::new(),
        windowLower: I24::ZERO,
        windowUpper: I24::ZERO,
        ticks: Vec::new(),
        twapOk: false,
        tickCumulativeThen: I56::ZERO,
        tickCumulativeNow: I56::ZERO,
        gridCumulatives: Vec::new(),
    }
}

/// The words to read and the ticks they speak of; as in the contract.
fn window(pool: &mut ISnapshotReader::Pool, words: u16) {
    let (spacing, tick) = (pool.tickSpacing.as_i32(), pool.tick.as_i32());
    let word_of = |tick: i32| tick.div_euclid(spacing).div_euclid(WORD_BITS);
    let words = i32::from(words);
    let first = word_of(tick).saturating_sub(words).max(word_of(MIN_TICK));
    let last = word_of(tick).saturating_add(words).min(word_of(MAX_TICK));
    let edge = |word: i32| word.saturating_mul(WORD_BITS).saturating_mul(spacing);
    pool.firstWord = i16::try_from(first).unwrap_or(i16::MIN);
    pool.bitmap =
        vec![U256::ZERO; usize::try_from(last.saturating_sub(first).saturating_add(1)).unwrap_or(0)];
    pool.windowLower = tick_index(edge(first).max(MIN_TICK));
    pool.windowUpper = tick_index(edge(last.saturating_add(1)).saturating_sub(1).min(MAX_TICK));
}

fn tick_index(tick: i32) -> I24 {
    I24::try_from(tick).unwrap_or(I24::MAX)
}

/// The pool's words, then every tick they could name.
fn tick_calls(pool: &ISnapshotReader::Pool) -> Vec<Call> {
    let words =
        words(pool).map(|word| call(pool.pool, &UniswapV3Pool::tickBitmapCall { wordPosition: word }));
    let ticks = possible_ticks(pool)
        .map(|tick| call(pool.pool, &UniswapV3Pool::ticksCall { tick: tick_index(tick) }));
    words.chain(ticks).collect()
}

fn words(pool: &ISnapshotReader::Pool) -> impl Iterator<Item = i16> + use<> {
    let count = i16::try_from(pool.bitmap.len()).unwrap_or(i16::MAX);
    let first = pool.firstWord;
    (0..count).map(move |i| first.saturating_add(i))
}

fn possible_ticks(pool: &ISnapshotReader::Pool) -> impl Iterator<Item = i32> + use<> {
    let spacing = pool.tickSpacing.as_i32();
    words(pool).flat_map(move |word| {
        let base = i32::from(word).saturating_mul(WORD_BITS);
        (0..WORD_BITS).map(move |bit| base.saturating_add(bit).saturating_mul(spacing))
    })
}

fn ticks(answers: &mut Answers, pool: &mut ISnapshotReader::Pool) {
    let read: Option<Vec<U256>> =
        pool.bitmap.iter().map(|_| answers.next::<UniswapV3Pool::tickBitmapCall>()).collect();
    let known: Vec<_> =
        possible_ticks(pool).map(|index| (index, answers.next::<UniswapV3Pool::ticksCall>())).collect();
    let Some(bitmap) = read else {
        *pool = ISnapshotReader::Pool { pool: pool.pool, ..unread_pool() };
        return;
    };
    let bits = bitmap.iter().flat_map(|word| (0..256).map(|bit| word.bit(bit)));
    pool.ticks = known
        .into_iter()
        .zip(bits)
        .filter(|(_, set)| *set)
        .map(|((index, tick), _)| ISnapshotReader::Tick {
            index: tick_index(index),
            // A tick that does not answer is unknown: gross 0 under a set bit, which the pool's arithmetic refuses.
            liquidityGross: tick.as_ref().map_or(0, |t| t.liquidityGross),
            liquidityNet: tick.as_ref().map_or(0, |t| t.liquidityNet),
        })
        .collect();
    pool.bitmap = bitmap;
}
