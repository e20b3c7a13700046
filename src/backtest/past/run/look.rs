//! What is seen of a decision: all of it, or what it comes to.

use crate::domain::decision::{Decider, Decision, Glance, Quiet};
use crate::domain::snapshot::Snapshot;

/// What a policy aims at, USD at the feed's price.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Aim {
    /// Exposure.
    pub target: f64,
    /// Drift at which a trade pays, either side of it; absent where that was not asked for.
    pub band: Option<f64>,
    /// Price by the feed.
    pub price: f64,
}

/// A decision as it was looked at.
#[derive(Debug)]
pub(super) enum Look {
    /// What it surely comes to, at a glance.
    Glanced(Quiet),
    /// All of it, and what a glance tells without an exact target.
    Decided(Box<Decision>, Option<Quiet>),
}

impl Look {
    /// A look in `full`, or at a glance.
    pub(super) fn of(decider: &mut Decider<'_>, snapshot: &Snapshot, full: bool) -> Self {
        if full {
            let (decision, quiet) = decider.decide_at_a_glance(snapshot);
            return Self::Decided(Box::new(decision), quiet);
        }
        match decider.glance(snapshot) {
            Glance::Quiet(quiet) => Self::Glanced(quiet),
            Glance::Decided(decision) => Self::Decided(decision, None),
        }
    }

    /// The decision, where it was looked at in full.
    pub(super) fn decision(&self) -> Option<&Decision> {
        match self {
            Self::Glanced(_) => None,
            Self::Decided(decision, _) => Some(decision),
        }
    }

    /// What is aimed at. Where a glance tells the target it is that one, so that no figure depends on what was looked at in full.
    pub(super) fn aim(&self) -> Option<Aim> {
        let (quiet, appraisal) = match self {
            Self::Glanced(quiet) => (Some(quiet), None),
            Self::Decided(decision, quiet) => (quiet.as_ref(), decision.appraisal.as_ref()),
        };
        let (price, target) = match quiet {
            Some(quiet) => (quiet.price.real(), quiet.target.get()),
            None => appraisal.map(|known| (known.price.real(), known.target.real()))?,
        };
        let band = appraisal.map(|known| known.economics.outer.get() * price);
        Some(Aim { target: target * price, band, price })
    }
}
