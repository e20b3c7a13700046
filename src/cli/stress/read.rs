//! The vault as it stands, with its pools known as far as the worst price.

use alloy::primitives::{Address, B256};
use eyre::eyre;
use rust_decimal::Decimal;

use super::super::look_back::Sight;
use super::{Context, Failure, LOWEST};
use crate::backtest::past::opening::Standing;
use crate::backtest::stress::crash::Crash;
use crate::backtest::stress::{Deleverage, Subject};
use crate::domain::policy::{Policy, PublishedPolicy, VenuePolicy};
use crate::domain::snapshot::{Pool, Snapshot};
use crate::domain::units::to_real;
use crate::protocols::vaults::rebalancing_vault::Terms;

/// Everything that was read.
pub(super) struct Read {
    pub(super) snapshot: Snapshot,
    pub(super) published: PublishedPolicy,
    terms: Terms,
}

impl Read {
    pub(super) fn subject(&self) -> Subject<'_> {
        let Terms { turnover_cap_bps, poke_interval, deleverage_grace, deleverage_since } = self.terms;
        Subject {
            standing: Standing { snapshot: &self.snapshot, turnover_cap_bps, poke_interval },
            published: &self.published,
            deleverage: Deleverage { grace_seconds: deleverage_grace, since: deleverage_since },
        }
    }
}

/// Reads one vault at one block, the newest where none is given.
pub(super) async fn read(
    context: &Context,
    sight: &Sight,
    block: Option<u64>,
    ways: Ways<'_>,
) -> Result<Read, Failure> {
    let view = sight.view(context).await?;
    let [subject] = view.subjects.as_slice() else {
        return Err(Failure::usage(eyre!("name one vault with --vault: one at a time is put under stress")));
    };
    let number = match block {
        Some(number) => number,
        None => view.source.height().await?,
    };
    let header = view.source.header(number).await?;
    let (narrow, published) = view.source.facts(&header, subject.vault, &subject.policies).await?;
    follows(&narrow, subject.vault, &subject.policies)?;
    let wide = widened(published, &narrow, ways).map_err(eyre::Report::from)?;
    let (snapshot, _) = view.source.facts(&header, subject.vault, &[wide]).await?;
    let terms = view.source.terms(header.hash, subject.vault).await?;
    Ok(Read { snapshot, published: published.clone(), terms })
}

/// Refuses a vault whose owner approved none of these policies: what its keeper would do is not known.
fn follows(snapshot: &Snapshot, vault: Address, policies: &[PublishedPolicy]) -> Result<(), Failure> {
    let stored = snapshot.vault.policy_hash;
    let hashes: Vec<B256> = policies.iter().map(PublishedPolicy::hash).collect();
    if hashes.contains(&stored) {
        return Ok(());
    }
    let given: Vec<String> = hashes.iter().map(ToString::to_string).collect();
    Err(Failure::usage(eyre!(
        "the owner of vault {vault} approved policy {stored}, and given is {}: name the file of the approved one with --policy",
        given.join(", ")
    )))
}

/// Where the price goes beside the usual shocks: crashes, and the falls of feed and keeper where they are given.
type Ways<'a> = (&'a [Crash], (Option<Decimal>, Option<Decimal>));

/// The deepest fall of the usual shocks, part of the price.
const DEEPEST: f64 = -0.5;
/// What one tick is in the logarithm of the price.
const TICK: f64 = 0.000_1;
/// Most words that are read on one side.
const MOST_WORDS: u16 = 256;

/// The policy with as many words of ticks as every shock and crash may go through, on top of its own.
fn widened(
    published: &PublishedPolicy,
    snapshot: &Snapshot,
    (crashes, (feed, keeper)): Ways<'_>,
) -> Result<PublishedPolicy, crate::domain::canonical::CanonicalError> {
    let falls = [feed, keeper].into_iter().flatten().map(|fall| (fall, Decimal::ZERO));
    let reaches = crashes.iter().map(Crash::reach).chain(falls);
    let (low, high) = reaches.fold((DEEPEST, 0.0_f64), |(low, high), (down, up)| {
        (low.min(to_real(down.max(LOWEST))), high.max(to_real(up)))
    });
    let way = libm::log1p(low).abs().max(libm::log1p(high)) / TICK;
    let mut policy: Policy = published.policy().clone();
    for venue in &mut policy.venues {
        let VenuePolicy::UniswapV3 { pool, tick_words } = venue else { continue };
        let spacing = snapshot.pools.iter().find_map(|read| match read {
            Pool::UniswapV3 { state, .. } => (state.address == *pool).then_some(state.tick_spacing),
            Pool::UniswapV2 { .. } => None,
        });
        let words = words(way / f64::from(spacing.unwrap_or(1).max(1)));
        *tick_words = tick_words.saturating_add(words).min(MOST_WORDS);
    }
    PublishedPolicy::new(policy)
}

/// Words of the tick bitmap over so many spacings.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to what is read at most"
)]
fn words(spacings: f64) -> u16 {
    libm::ceil(spacings / 256.0).clamp(1.0, f64::from(MOST_WORDS)) as u16
}
