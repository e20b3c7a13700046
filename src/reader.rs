//! From a chain and the contracts on it to a [`Snapshot`]: every fact of one decision, at one block hash, through one
//! endpoint, in one round trip (two where the provider takes no code overrides).

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use alloy::primitives::Address;

use crate::chain::{ChainError, Endpoint, Header};
use crate::domain::policy::{ChainKind, FeedPolicy, Policy, Source, VenuePolicy};
use crate::domain::snapshot::{self, Block, Feeds, Snapshot};
use crate::domain::venues::uniswap_v3::Pool;
use crate::protocols::oracles::chainlink::{self, KnownRounds, RoundCache};
use crate::protocols::rollups;
use crate::protocols::vaults::rebalancing_vault;
use crate::protocols::venues::{uniswap_v2, uniswap_v3};
use crate::protocols::{
    Answer, Ask, FeedAsk, Grid, OptionsAsk, PoolAsk, ReadError, batch_reader, options, snapshot_reader,
};

/// How to read.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// One call with a code override, from the first refusal on two calls of Multicall3.
    #[default]
    Auto,
    /// One call with a code override or nothing.
    Override,
    /// Multicall3 or nothing.
    Multicall,
}

/// Reads snapshots. Keeps what cannot change between two of them: settled rounds, and whether overrides work.
#[derive(Debug, Default)]
pub struct Reader {
    mode: Mode,
    refused: AtomicBool,
    rounds: Mutex<RoundCache>,
}

/// Why an answer is no snapshot.
enum Unfit {
    NotAVault,
    OtherKind(ChainKind),
    Impossible(&'static str),
}

impl Reader {
    /// A reader that knows nothing yet.
    #[must_use]
    pub fn new(mode: Mode) -> Self {
        Self { mode, ..Self::default() }
    }

    /// Reads every fact that `policy` needs of `vault` on the state of the block of `header`.
    ///
    /// # Errors
    /// [`ReadError`]; then there is no snapshot.
    pub async fn snapshot(
        &self,
        endpoint: &Endpoint,
        header: &Header,
        vault: Address,
        policy: &Policy,
    ) -> Result<Snapshot, ReadError> {
        let (chain, kind) = (endpoint.kind(), policy.gas.chain);
        if chain != kind {
            return Err(ReadError::OtherKind { chain, policy: kind });
        }
        let block = block(endpoint, header, kind)?;
        let known = self.known(policy, block.timestamp);
        let ask = ask(vault, policy, &known);
        let answer = self.answer(endpoint, header, &ask).await?;
        self.assemble(block, (vault, policy), (&answer, &known)).map_err(|error| match error {
            Unfit::NotAVault => ReadError::NotAVault(vault),
            Unfit::OtherKind(chain) => ReadError::OtherKind { chain, policy: kind },
            Unfit::Impossible(reason) => impossible(endpoint, reason),
        })
    }

    async fn answer(&self, endpoint: &Endpoint, header: &Header, ask: &Ask) -> Result<Answer, ReadError> {
        let refused = self.refused.load(Ordering::Relaxed);
        if self.mode == Mode::Multicall || (self.mode == Mode::Auto && refused) {
            return batch_reader::read(endpoint, header.hash, ask).await;
        }
        match snapshot_reader::read(endpoint, header.hash, ask).await {
            Err(ReadError::Chain(ChainError::OverridesRefused { message, .. }))
                if self.mode == Mode::Auto =>
            {
                tracing::info!(endpoint = endpoint.name(), %message, "no code overrides: reading by Multicall3");
                self.refused.store(true, Ordering::Relaxed);
                batch_reader::read(endpoint, header.hash, ask).await
            }
            other => other,
        }
    }

    /// The rounds that need not be read of the feed of `policy` at block time `now`.
    fn known(&self, policy: &Policy, now: u64) -> KnownRounds {
        let feed = policy.feeds.risky_usd.address;
        self.rounds.lock().map(|cache| cache.known(feed, history(policy), now)).unwrap_or_default()
    }

    fn assemble(
        &self,
        block: Block,
        (vault, policy): (Address, &Policy),
        (answer, known): (&Answer, &KnownRounds),
    ) -> Result<Snapshot, Unfit> {
        if let Some(kind) = rollups::taken_for_ethereum(policy, &answer.results) {
            return Err(Unfit::OtherKind(kind));
        }
        let state = answer.vault.as_ref().ok_or(Unfit::NotAVault)?;
        let vault = rebalancing_vault::facts(vault, state)
            .ok_or(Unfit::Impossible("the vault's parameters are out of range"))?;
        let [risky, asset, rest @ ..] = answer.feeds.as_slice() else {
            return Err(Unfit::Impossible("it left out a feed"));
        };
        let count = history(policy);
        let risky_usd = known.complete(risky, count);
        let mut cache =
            self.rounds.lock().map_err(|_| Unfit::Impossible("the cache of rounds is broken; restart"))?;
        cache.keep(&risky_usd, count, block.timestamp);
        drop(cache);
        let feeds = Feeds {
            risky_usd,
            asset_usd: chainlink::newest(asset),
            native_usd: rest.first().map(chainlink::newest),
            sequencer: answer.sequencer.as_ref().map(chainlink::sequencer),
        };
        let rollup = rollups::facts(policy, &answer.results);
        let options = answer.options.as_ref().and_then(options::facts);
        Ok(Snapshot { block, vault, feeds, pools: pools(policy, answer), options, rollup })
    }
}

/// What `policy` needs of `vault`, without the rounds that are known.
fn ask(vault: Address, policy: &Policy, known: &KnownRounds) -> Ask {
    let feeds = &policy.feeds;
    let twap_window = policy.limits.twap.as_ref().map_or(0, |t| t.window_seconds);
    let plain = |feed: &FeedPolicy| FeedAsk { feed: feed.address, rounds: 0, known: None };
    let risky = FeedAsk { feed: feeds.risky_usd.address, rounds: history(policy), known: known.ends() };
    let (mut pools, mut pairs, mut grids) = (Vec::new(), Vec::new(), grids(policy));
    for venue in &policy.venues {
        match venue {
            VenuePolicy::UniswapV3 { pool, tick_words } => {
                let grid = grids.next().flatten();
                pools.push(PoolAsk { pool: *pool, words: *tick_words, twap_window, grid });
            }
            VenuePolicy::UniswapV2 { pair } => pairs.push(*pair),
        }
    }
    Ask {
        vault: Some(vault),
        feeds: [risky, plain(&feeds.asset_usd)]
            .into_iter()
            .chain(feeds.native_usd.as_ref().map(plain))
            .collect(),
        sequencer: feeds.sequencer.as_ref().map(|s| s.address),
        pools,
        pairs,
        calls: rollups::calls(policy),
        options: policy
            .option_book()
            .map(|book| OptionsAsk { book, volatility_feed: policy.volatility_feed() }),
    }
}

/// Reads one Uniswap v3 pool alone: its address, and how many words of the tick bitmap on each side of the price.
///
/// # Errors
/// [`ReadError::NotAPool`], or the failure of the call.
pub async fn pool(
    endpoint: &Endpoint,
    header: &Header,
    (pool, words): (Address, u16),
    mode: Mode,
) -> Result<Pool, ReadError> {
    let pools = vec![PoolAsk { pool, words, twap_window: 0, grid: None }];
    let ask = Ask { pools, ..Ask::default() };
    let answer = Reader::new(mode).answer(endpoint, header, &ask).await?;
    let facts = answer.pools.first().and_then(|pool| uniswap_v3::facts(pool, None, None));
    match facts {
        Some(snapshot::Pool::UniswapV3 { state, .. }) => Ok(state),
        Some(snapshot::Pool::UniswapV2 { .. }) | None => Err(ReadError::NotAPool(pool)),
    }
}

/// The pools that answered, in the policy's order.
fn pools(policy: &Policy, answer: &Answer) -> Vec<snapshot::Pool> {
    let window = policy.limits.twap.as_ref().map(|t| t.window_seconds);
    let (mut pools, mut pairs) = (answer.pools.iter().zip(grids(policy)), answer.pairs.iter());
    let facts = policy.venues.iter().map(|venue| match venue {
        VenuePolicy::UniswapV3 { .. } => {
            pools.next().and_then(|(pool, grid)| uniswap_v3::facts(pool, window, grid))
        }
        VenuePolicy::UniswapV2 { .. } => pairs.next().and_then(uniswap_v2::facts),
    });
    facts.flatten().collect()
}

/// Rounds before the newest that the policy's estimator wants of the feed.
fn history(policy: &Policy) -> u16 {
    let rounds = match policy.volatility.source {
        Source::Feed => policy.volatility.estimator.history().map_or(0, |history| history.rounds),
        Source::Pool { .. } => 0,
    };
    u16::try_from(rounds.saturating_sub(1)).unwrap_or(u16::MAX)
}

/// What the policy's estimator wants of each pool: observations of the first, if of any.
fn grids(policy: &Policy) -> impl Iterator<Item = Option<Grid>> + use<> {
    let first = match policy.volatility.source {
        Source::Feed => None,
        Source::Pool { step_seconds } => policy.volatility.estimator.history().map(|history| {
            let steps = u16::try_from(history.rounds).unwrap_or(u16::MAX);
            Grid { step_seconds, steps }
        }),
    };
    std::iter::once(first).chain(std::iter::repeat(None))
}

fn block(endpoint: &Endpoint, header: &Header, kind: ChainKind) -> Result<Block, ReadError> {
    let unknown = || impossible(endpoint, &header.base_fee_fault(kind).unwrap_or_default());
    Ok(Block {
        chain_id: endpoint.chain_id(),
        number: header.number,
        hash: header.hash,
        timestamp: header.timestamp,
        next_base_fee: header.next_base_fee(kind).ok_or_else(unknown)?,
    })
}

fn impossible(endpoint: &Endpoint, reason: &str) -> ReadError {
    ReadError::Impossible { endpoint: endpoint.name().to_owned(), reason: reason.to_owned() }
}
