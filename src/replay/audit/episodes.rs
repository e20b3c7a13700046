//! From what the policy wanted at each block, and what was done, to what was missed. Pure: one block after the other.

use serde::{Deserialize, Serialize};

use crate::domain::models::years;

/// What the policy wants at a block.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Want {
    /// Whether the risky asset is to be sold.
    pub sell: bool,
    /// Whether the trade is due whatever it costs.
    pub mandatory: bool,
    /// Units to trade.
    pub units: f64,
    /// Price of a unit by the oracle, units of the asset.
    pub price: f64,
    /// What waiting costs beyond the optimum by the policy's own reckoning, USD per year.
    pub waiting: f64,
    /// What the exposure that is too much adds to the expected shortfall below the floor, USD per year.
    pub shortfall: f64,
}

/// What there is to know of a block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum State {
    /// The policy in force wants nothing: it holds, or refuses.
    Holds,
    /// It wants a trade.
    Wants(Want),
    /// The policy in force is not known here.
    Unknown,
}

/// One block of the vault.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Its height.
    pub number: u64,
    /// Its time, seconds since the Unix epoch.
    pub timestamp: u64,
    /// Whether it holds an action of the keeper: the state is that after it.
    pub acted: bool,
    /// Price of a unit by the oracle, units of the asset; that of the last want where there is none.
    pub price: Option<f64>,
    /// The state.
    pub state: State,
}

/// How a time in which the policy wanted a trade came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The keeper acted.
    Acted,
    /// The policy did not want it any more.
    Passed,
    /// Another policy came into force.
    PolicyChanged,
    /// The audit ended.
    Open,
}

/// A time in which the policy wanted a trade.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Episode {
    /// The first block at which it did.
    pub from: u64,
    /// The last one.
    pub to: u64,
    /// Blocks after which the action came at the latest that could hold it, or for which there was none.
    pub blocks_late: u64,
    /// How it ended.
    pub end: End,
    /// What was wanted first.
    pub want: Want,
    /// Whether a trade was mandatory at any of its blocks.
    pub mandatory: bool,
    /// Seconds from its first block to its end.
    pub seconds: u64,
    /// What waiting cost by the policy's own reckoning, USD.
    pub waiting_usd: f64,
    /// What it added to the expected shortfall below the floor, USD.
    pub shortfall_usd: f64,
    /// What the first trade wanted would have brought more, or less where negative, than at the price at the end, in units of
    /// the asset: what is known only afterwards.
    pub hindsight: f64,
}

/// Follows one vault.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Episodes {
    open: Option<Running>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Running {
    episode: Episode,
    since: u64,
    /// The want and the time of the last block.
    last: (Want, u64),
}

impl Episodes {
    /// Takes the next block in; the episode that it ends, if it ends one.
    pub fn step(&mut self, step: &Step) -> Option<Episode> {
        let ended = match (self.open.as_mut(), step.acted, step.state) {
            (None, ..) => None,
            (Some(running), true, _) => Some(running.ended(step, End::Acted)),
            (Some(running), false, State::Holds) => Some(running.ended(step, End::Passed)),
            (Some(running), false, State::Unknown) => Some(running.ended(step, End::PolicyChanged)),
            (Some(running), false, State::Wants(want)) => {
                running.goes_on(step, want);
                return None;
            }
        };
        self.open = match step.state {
            State::Wants(want) => Some(Running::begun(step, want)),
            State::Holds | State::Unknown => None,
        };
        ended
    }

    /// The episode that is open where the audit ends.
    #[must_use]
    pub fn rest(&self) -> Option<Episode> {
        self.open.map(|running| {
            let Running { episode, .. } = running;
            Episode { blocks_late: episode.to.saturating_sub(episode.from), end: End::Open, ..episode }
        })
    }

    /// The episode that is open, so far.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.open.is_some()
    }
}

impl Running {
    const fn begun(step: &Step, want: Want) -> Self {
        let episode = Episode {
            from: step.number,
            to: step.number,
            blocks_late: 0,
            end: End::Open,
            want,
            mandatory: want.mandatory,
            seconds: 0,
            waiting_usd: 0.0,
            shortfall_usd: 0.0,
            hindsight: 0.0,
        };
        Self { episode, since: step.timestamp, last: (want, step.timestamp) }
    }

    /// Lets the time since the last block pass.
    fn pass(&mut self, step: &Step) {
        let (want, at) = self.last;
        let passed = years(step.timestamp.saturating_sub(at));
        let episode = &mut self.episode;
        episode.seconds = step.timestamp.saturating_sub(self.since);
        episode.waiting_usd += want.waiting * passed;
        episode.shortfall_usd += want.shortfall * passed;
        let first = &episode.want;
        let moved = step.price.unwrap_or(want.price) - first.price;
        episode.hindsight = first.units * if first.sell { -moved } else { moved };
    }

    fn goes_on(&mut self, step: &Step, want: Want) {
        self.pass(step);
        self.episode.to = step.number;
        self.episode.mandatory |= want.mandatory;
        self.last = (want, step.timestamp);
    }

    fn ended(&mut self, step: &Step, end: End) -> Episode {
        self.pass(step);
        // What is decided at a block can be in the next one.
        let earliest = self.episode.from.saturating_add(1);
        Episode { blocks_late: step.number.saturating_sub(earliest), end, ..self.episode }
    }
}
