//! One look at a nonce, put together from the answers of one node, so that no answer counts that does not stand on a
//! canonical block.

use alloy::primitives::B256;

use crate::defence::defended;

use super::{Attempt, Consumption, Kind, Look, Market, Mined, Point, Slot};

/// What is asked of a node. A failure ends the look.
#[expect(async_fn_in_trait, reason = "used with static dispatch inside this crate and its tests")]
pub trait Node {
    /// Why there is no answer.
    type Error;

    /// The newest block, with what the next one asks for.
    async fn head(&self) -> Result<(Point, Market), Self::Error>;

    /// The canonical block at this height; `None` above the head.
    async fn block(&self, number: u64) -> Result<Option<Point>, Self::Error>;

    /// The newest block that counts as final at this head; `None` where none does.
    async fn deep(&self, head: &Point) -> Result<Option<Point>, Self::Error>;

    /// Transactions of the key up to the block of this hash.
    async fn transactions(&self, block: B256) -> Result<u64, Self::Error>;

    /// Where an attempt stands by the node's own word; `None` where it knows none.
    async fn receipt(&self, attempt: B256) -> Result<Option<Mined>, Self::Error>;

    /// Hashes of the transactions in the canonical block at this height.
    async fn contents(&self, number: u64) -> Result<Option<Vec<B256>>, Self::Error>;
}

/// Who stands by what a node says.
#[derive(Debug)]
pub enum Witness<'a, N> {
    /// Another node, which has to say the same.
    Node(&'a N),
    /// There is another node, and it does not answer.
    Missing,
    /// There is only one node.
    Needless,
}

impl<N> Witness<'_, N> {
    const fn node(&self) -> Option<&N> {
        match self {
            Self::Node(node) => Some(node),
            Self::Missing | Self::Needless => None,
        }
    }
}

/// Looks at `slot` through `node`. What a `witness` does not confirm is not known. `None` where the chain changed
/// meanwhile, or the two do not agree: then nothing is.
///
/// # Errors
/// The first failed answer.
pub async fn observe<N: Node>(
    node: &N,
    witness: Witness<'_, N>,
    slot: &Slot,
) -> Result<Option<Look>, N::Error> {
    let (witnessed, witness) = (!matches!(witness, Witness::Missing), witness.node());
    let (head, market) = node.head().await?;
    let deep = borne_out(node, witness, node.deep(&head).await?, &head).await?;
    let mined = match sight(node, witness, slot).await? {
        Sight::Mined(mined) => Some(mined),
        Sight::Unseen => None,
        Sight::Unsettled => return Ok(None),
    };
    let consumed = match mined {
        Some(_) => Consumption::Shallow,
        None => consumption(node, witness, slot, (&head, deep.as_ref())).await?,
    };
    // Every answer above is of this head's chain, or the look is of no use.
    let still = node.block(head.number).await?.is_some_and(|block| block.hash == head.hash);
    Ok(still.then_some(Look { head, deep, consumed, mined, market, reverts: false, witnessed }))
}

/// The newest block that counts as final by both: no higher than what the witness says, who may not know it yet.
async fn borne_out<N: Node>(
    node: &N,
    witness: Option<&N>,
    deep: Option<Point>,
    head: &Point,
) -> Result<Option<Point>, N::Error> {
    let (Some(deep), Some(witness)) = (deep, witness) else { return Ok(deep) };
    match witness.deep(head).await {
        Ok(Some(theirs)) if theirs.number < deep.number => node.block(theirs.number).await,
        Ok(Some(_)) => Ok(Some(deep)),
        Ok(None) | Err(_) => Ok(None),
    }
}

enum Sight {
    Mined(Mined),
    Unseen,
    Unsettled,
}

async fn sight<N: Node>(node: &N, witness: Option<&N>, slot: &Slot) -> Result<Sight, N::Error> {
    // Any of them may have won, whichever was sent last.
    let from = if defended(6) { 0 } else { slot.attempts.len().saturating_sub(1) };
    let passed_over = |attempt: &&Attempt| slot.is_cancelling() && attempt.kind != Kind::Cancel;
    for attempt in slot.attempts.iter().skip(from).filter(|attempt| defended(46) || !passed_over(attempt)) {
        let Some(mined) = node.receipt(attempt.hash).await? else { continue };
        let stands = |block: Option<Point>| block.is_some_and(|block| block.hash == mined.block);
        if (mined.attempt != attempt.hash || !stands(node.block(mined.number).await?)) && defended(29) {
            continue;
        }
        let seen = match witness {
            None => true,
            // A witness that cannot answer has seen nothing.
            Some(_) if !defended(27) => true,
            Some(witness) => witness.block(mined.number).await.is_ok_and(stands),
        };
        return Ok(if seen { Sight::Mined(mined) } else { Sight::Unsettled });
    }
    Ok(Sight::Unseen)
}

async fn consumption<N: Node>(
    node: &N,
    witness: Option<&N>,
    slot: &Slot,
    (head, deep): (&Point, Option<&Point>),
) -> Result<Consumption, N::Error> {
    if node.transactions(head.hash).await? <= slot.nonce {
        return Ok(Consumption::No);
    }
    let Some(deep) = deep else { return Ok(Consumption::Shallow) };
    if node.transactions(deep.hash).await? <= slot.nonce {
        return Ok(Consumption::Shallow);
    }
    if slot.suspected.is_none_or(|first| first == head.hash) {
        return Ok(Consumption::Deep { foreign: None });
    }
    let mut foreign = is_foreign(node, slot, deep).await?;
    if let (Some(true), Some(witness)) = (foreign, witness) {
        // Nobody is accused on the word of one node.
        foreign = is_foreign(witness, slot, deep).await?;
    }
    Ok(Consumption::Deep { foreign })
}

/// Whether the block that consumed the nonce holds none of the attempts, by bisection between the head at which the
/// first was signed and `deep`. `None` where the chain does not show that it was consumed between the two.
async fn is_foreign<N: Node>(node: &N, slot: &Slot, deep: &Point) -> Result<Option<bool>, N::Error> {
    let Some(first) = slot.attempts.first() else { return Ok(None) };
    let (mut before, mut after) = (first.signed_at, deep.number);
    if before >= after || is_consumed(node, slot, before).await? != Some(false) {
        return Ok(None);
    }
    while let Some(middle) = middle(before, after) {
        match is_consumed(node, slot, middle).await? {
            Some(true) => after = middle,
            Some(false) => before = middle,
            None => return Ok(None),
        }
    }
    let contents = node.contents(after).await?;
    Ok(contents.map(|hashes| !slot.attempts.iter().any(|attempt| hashes.contains(&attempt.hash))))
}

async fn is_consumed<N: Node>(node: &N, slot: &Slot, number: u64) -> Result<Option<bool>, N::Error> {
    let Some(block) = node.block(number).await? else { return Ok(None) };
    Ok(Some(node.transactions(block.hash).await? > slot.nonce))
}

/// A height strictly between the two, if there is one.
fn middle(before: u64, after: u64) -> Option<u64> {
    let half = after.checked_sub(before)?.checked_div(2)?;
    if half == 0 { None } else { before.checked_add(half) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_strictly_between_or_absent() {
        assert_eq!(middle(10, 20), Some(15));
        assert_eq!(middle(10, 12), Some(11));
        assert_eq!(middle(10, 11), None);
        assert_eq!(middle(10, 10), None);
        assert_eq!(middle(11, 10), None);
    }
}
