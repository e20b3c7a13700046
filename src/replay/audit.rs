//! Whether a keeper did what its policy says, at every block and without its word.
//!
//! The decision of every block of a range is taken again; what the vault's events say was done is held against it. What the
//! policy wanted and nobody did in time is missed; what was done and the policy did not want is unexplained.

mod action;
mod causes;
mod counterfactual;
mod episodes;
mod other;
mod range;
mod walk;
mod want;
mod watch;

use alloy::primitives::{Address, B256};
use eyre::Result;
use serde::{Deserialize, Serialize};

pub(in crate::replay) use action::asked_otherwise;
pub use action::{Action, Class};
pub use causes::{Cause, Caused, causes};
pub use counterfactual::{
    Alike, Beside, ByLikeness, Comparison, Counterfactual, Divergence, Likeness, Sum, Wish,
};
pub use episodes::{Done, End, Episode, Episodes, Price, State, Step, Want};
pub use range::{Audit, Progress};
pub use walk::Reading;

use crate::journal::Journal;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// First block.
    pub from: u64,
    /// Last block.
    pub to: u64,
    /// Blocks that an action may come late: what is decided at one block can be in the next.
    pub grace: u64,
    /// Which blocks are read.
    pub reading: Reading,
}

/// Something to be told of a vault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "finding", rename_all = "snake_case")]
pub enum Finding {
    /// The keeper acted.
    Action {
        /// What it did.
        #[serde(flatten)]
        action: Action,
        /// What that is.
        #[serde(flatten)]
        class: Class,
    },
    /// The policy wanted a trade, and nobody made it within the grace.
    Missed {
        /// When, and what it cost.
        #[serde(flatten)]
        episode: Episode,
        /// Why, by the keeper's own journal, where one is given.
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        causes: Vec<Caused>,
    },
    /// Another policy came into force.
    PolicyChanged {
        /// The first block at which it was.
        block: u64,
        /// Its hash.
        policy_hash: B256,
        /// Whether it is among those given: otherwise what the keeper does under it cannot be judged.
        known: bool,
    },
    /// Anyone made the vault sell down to its bound, as its contract allows when nobody else did.
    Deleveraged {
        /// Height of its block.
        block: u64,
        /// Its transaction.
        transaction: B256,
    },
}

impl Finding {
    /// Height of the block that it is about, or of the first one.
    #[must_use]
    pub const fn block(&self) -> u64 {
        match self {
            Self::Action { action, .. } => action.block,
            Self::Missed { episode, .. } => episode.from,
            Self::PolicyChanged { block, .. } | Self::Deleveraged { block, .. } => *block,
        }
    }
}

/// What was found of one vault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// What the vault is called here.
    pub name: String,
    /// Its contract.
    pub vault: Address,
    /// Blocks at which the policy held or refused, and nothing was done or an earlier decision carried out.
    pub held_as_policy: u64,
    /// Blocks at which it wanted a trade.
    pub wanted: u64,
    /// Blocks at which the policy in force is not known.
    pub unknown: u64,
    /// Blocks before the vault was deployed: there is nothing to judge.
    pub not_deployed: u64,
    /// What was late, and not missed.
    pub within_grace: WithinGrace,
    /// A time that the beginning of the range cuts, where what is seen of it is within the grace: it may have been missed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cut_at_start: Option<Episode>,
    /// A time that the end of the range cuts, within the grace until there: it may be missed yet.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cut_at_end: Option<Episode>,
    /// Blocks whose facts were read; those of the others follow from them.
    pub reads: u64,
    /// What there is to tell, in the order of the blocks; what was missed by the first at which it was wanted.
    pub findings: Vec<Finding>,
    /// Another policy beside the published one, where one is given.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub counterfactual: Option<Counterfactual>,
}

/// Times in which a trade was wanted, that ended within the grace.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct WithinGrace {
    /// With an action, but not in the first block that could hold it.
    pub late: u64,
    /// Without one.
    pub passed: u64,
    /// What both cost.
    #[serde(flatten)]
    pub price: Price,
}

/// What the findings of a vault come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Totals {
    /// Actions that are as the policy says.
    pub acted: u64,
    /// Trades that came late, and within the grace.
    pub late: u64,
    /// Trades that it wanted and nobody made within the grace.
    pub missed: u64,
    /// Actions that it did not want.
    pub unexplained: u64,
    /// Actions under a policy that is not among those given: they cannot be judged.
    pub unknown_policy: u64,
    /// Actions that it wanted, with another hash.
    pub wrong_hash: u64,
    /// What all that was late and missed cost.
    #[serde(flatten)]
    pub price: Price,
}

impl Found {
    /// What the findings come to.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let WithinGrace { late, price, .. } = self.within_grace;
        let mut totals = Totals { late, price, ..Totals::default() };
        let one = |counter: &mut u64| *counter = counter.saturating_add(1);
        for (_, class) in self.actions() {
            match class {
                Class::ActedAsPolicy => one(&mut totals.acted),
                Class::WrongDecisionHash { .. } => one(&mut totals.wrong_hash),
                Class::UnexplainedAction { .. } => one(&mut totals.unexplained),
                Class::UnknownPolicy => one(&mut totals.unknown_policy),
            }
        }
        for episode in self.missed() {
            one(&mut totals.missed);
            totals.price = totals.price.plus(episode.price);
        }
        totals
    }

    /// Whether everything is as the policy says, and every block could be judged.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let clean = |finding: &Finding| match finding {
            Finding::Action { class, .. } => *class == Class::ActedAsPolicy,
            Finding::PolicyChanged { known, .. } => *known,
            Finding::Deleveraged { .. } => true,
            Finding::Missed { .. } => false,
        };
        self.unknown == 0 && self.findings.iter().all(clean)
    }

    /// Looks up in `journal` why what was missed was missed.
    ///
    /// # Errors
    /// A journal that cannot be read.
    pub async fn look_up(&mut self, journal: &Journal, chain_id: u64) -> Result<()> {
        let key = (chain_id, self.vault);
        for finding in &mut self.findings {
            if let Finding::Missed { episode, causes } = finding {
                *causes = causes::causes(journal, key, episode).await?;
            }
        }
        Ok(())
    }

    /// The episodes that were missed.
    pub fn missed(&self) -> impl Iterator<Item = &Episode> {
        self.findings.iter().filter_map(|finding| match finding {
            Finding::Missed { episode, .. } => Some(episode),
            Finding::Action { .. } | Finding::PolicyChanged { .. } | Finding::Deleveraged { .. } => None,
        })
    }

    /// Actions of the keeper with their class.
    pub fn actions(&self) -> impl Iterator<Item = (&Action, &Class)> {
        self.findings.iter().filter_map(|finding| match finding {
            Finding::Action { action, class } => Some((action, class)),
            Finding::Missed { .. } | Finding::PolicyChanged { .. } | Finding::Deleveraged { .. } => None,
        })
    }
}
