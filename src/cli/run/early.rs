//! A head that is told of before its state is there.

use std::time::Duration;

use crate::chain::{HeadTimes, Header};
use crate::keeper::{Cycle, CycleError, Keeper};
use crate::protocols::ReadError;

/// Looks for the state of one head, for all vaults together.
const LOOKS: u32 = 10;
/// Shortest and longest pause between two looks.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(500));

/// How long the state of a head is still waited for.
pub(super) struct Early {
    looks: u32,
    pause: Duration,
}

impl Early {
    /// At a new head of a chain that is looked at so often.
    pub(super) fn at(times: HeadTimes) -> Self {
        Self { looks: LOOKS, pause: times.poll.clamp(PAUSES.0, PAUSES.1) }
    }

    /// One cycle at the block of `header`, once the state of that is there.
    ///
    /// # Errors
    /// As [`Keeper::cycle`]; [`ReadError::NoStateYet`] where it was waited for long enough.
    pub(super) async fn cycle(&mut self, keeper: &mut Keeper, header: &Header) -> Result<Cycle, CycleError> {
        loop {
            match (keeper.cycle(header).await, self.looks.checked_sub(1)) {
                (Err(CycleError::Read(error @ ReadError::NoStateYet { .. })), Some(left)) => {
                    tracing::warn!(vault = %keeper.name, %error, "looking again");
                    self.looks = left;
                    tokio::time::sleep(self.pause).await;
                }
                (ended, _) => return ended,
            }
        }
    }
}
