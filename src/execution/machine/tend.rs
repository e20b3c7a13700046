//! The loop between what comes next and a world that does it.

use super::{Attempt, Event, Look, Phase, Rank, Rules, Signing, Slot, Step};
use crate::execution::Published;

/// What the machine needs done: the keeper's node, journal and key, or a simulated chain.
///
/// A failure ends the turn and proves nothing: what is durable is taken up with the next look.
#[expect(async_fn_in_trait, reason = "used with static dispatch inside this crate and its tests")]
pub trait World {
    /// Why a turn ended early.
    type Error;

    /// One look at a nonce, from one node at one canonical head; `None` where nothing is known of it now.
    async fn look(&mut self, slot: &Slot) -> Result<Option<Look>, Self::Error>;

    /// Makes an event durable.
    async fn record(&mut self, slot: &Slot, event: &Event) -> Result<(), Self::Error>;

    /// Signs an attempt and makes its bytes durable; `None` where the key cannot sign now. Nothing of it may have left when
    /// this fails.
    async fn sign(
        &mut self,
        slot: &Slot,
        look: &Look,
        signing: Signing,
    ) -> Result<Option<Attempt>, Self::Error>;

    /// Hands the newest bytes of a nonce to every node of their class.
    async fn publish(&mut self, slot: &Slot, look: &Look) -> Published;

    /// Tells people: a bump that no cap allows.
    fn held(&mut self, slot: &Slot);
}

/// How a turn of a nonce ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tended {
    /// Not ended; look again.
    Open,
    /// Ended.
    Ended,
    /// Consumed by someone else: the key must sign nothing more.
    Halted,
}

/// Looks once at a nonce and does what comes of it: records what was seen, and signs and sends at most once.
///
/// # Errors
/// What the world cannot do now.
pub async fn tend<W: World>(
    world: &mut W,
    slot: &mut Slot,
    rules: &Rules,
    rank: Rank,
) -> Result<Tended, W::Error> {
    let Some(look) = world.look(slot).await? else { return Ok(Tended::Open) };
    loop {
        match slot.next(&look, rules, rank) {
            Step::Wait => break,
            Step::Halt => return Ok(Tended::Halted),
            Step::Suspect(head) => {
                slot.suspected = Some(head);
                break;
            }
            Step::Note(event) => note(world, slot, &event).await?,
            Step::Publish { held } => {
                if held {
                    world.held(slot);
                }
                publish(world, slot, &look).await?;
                break;
            }
            Step::Sign(signing) => {
                // Where the key is away the bytes that there are go out again.
                if let Some(attempt) = world.sign(slot, &look, signing).await? {
                    slot.apply(&Event::Signed(attempt));
                }
                publish(world, slot, &look).await?;
                break;
            }
        }
    }
    Ok(if matches!(slot.phase, Phase::Ended(_)) { Tended::Ended } else { Tended::Open })
}

/// Sends the newest bytes and records what that changed.
///
/// # Errors
/// The record.
pub async fn publish<W: World>(world: &mut W, slot: &mut Slot, look: &Look) -> Result<Published, W::Error> {
    let published = world.publish(slot, look).await;
    note(world, slot, &Event::Published(published.clone())).await?;
    Ok(published)
}

async fn note<W: World>(world: &mut W, slot: &mut Slot, event: &Event) -> Result<(), W::Error> {
    world.record(slot, event).await?;
    slot.apply(event);
    Ok(())
}
