//! What is to be known of a price file that makes bars.

use std::{fmt, ops::RangeInclusive};

use super::fault::Place;
use crate::stage::path::time::utc;

/// What was set right, or is to be known of the bars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// Rows did not stand in the order of time, and were brought into it.
    Sorted {
        /// Rows that are earlier than the one before them.
        rows: usize,
        /// The first of them.
        first: Place,
    },
    /// A row says the same as another, and was left out.
    Repeated {
        /// Its time, unix seconds.
        opened: u64,
        /// The row left out.
        place: Place,
        /// The row kept.
        kept: Place,
    },
    /// Bars are missing.
    Gap {
        /// When the first missing bar would open, unix seconds.
        from: u64,
        /// When the next bar opens, unix seconds.
        to: u64,
        /// Steps without a bar, the last of which may be a part of one.
        missing: u64,
        /// The next bar.
        before: Place,
    },
    /// A bar opens before the one before it is over.
    Early {
        /// When, unix seconds.
        opened: u64,
        /// Seconds after the one before, less than the step.
        after: u64,
        /// The bar.
        place: Place,
    },
}

impl Note {
    /// Whether it tells of bars that open in `part`, unix seconds: of both sides of a gap.
    pub(super) fn is_within(&self, part: &RangeInclusive<u64>) -> bool {
        match self {
            Self::Sorted { .. } => true,
            Self::Repeated { opened, .. } => part.contains(opened),
            Self::Gap { from, to, .. } => from > part.start() && to <= part.end(),
            Self::Early { opened, .. } => opened > part.start() && opened <= part.end(),
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sorted { rows, first } => {
                write!(
                    formatter,
                    "{rows} rows are earlier than the one before them, the first at {first}: sorted by time"
                )
            }
            Self::Repeated { place, kept, .. } => {
                write!(formatter, "{place} says the same as {kept}: left out")
            }
            Self::Gap { from, to, missing, before } => {
                write!(
                    formatter,
                    "{missing} bars are missing from {} to {} UTC, before {before}",
                    utc(*from),
                    utc(*to)
                )
            }
            Self::Early { opened, after, place } => {
                write!(
                    formatter,
                    "{place} opens at {} UTC, {after} s after the bar before it, which is less than a step",
                    utc(*opened)
                )
            }
        }
    }
}
