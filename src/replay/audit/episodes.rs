//! From what the policy wanted at each block, and what was done, to what was late and what was missed. Pure: one block after the
//! other.

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
    /// What the drift costs that the trade would take away, by its risk alone, USD per year.
    pub waiting: f64,
    /// What the exposure that the trade would take away adds to the expected shortfall below the floor, USD per year.
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

/// What the keeper did in a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Done {
    /// Nothing.
    Nothing,
    /// What its policy did not want.
    Otherwise,
    /// What its policy wanted at the block that it decided on, which may be a while ago.
    AsWanted {
        /// Whether the risky asset was sold.
        sell: bool,
    },
}

/// One block of the vault.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Its height.
    pub number: u64,
    /// Its time, seconds since the Unix epoch.
    pub timestamp: u64,
    /// What it holds of the keeper: the state is that after it.
    pub done: Done,
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
    /// The keeper did what the policy did not want, and after that it wanted nothing.
    ActedOtherwise,
    /// The policy did not want it any more.
    Passed,
    /// Another policy came into force.
    PolicyChanged,
    /// The audit ended.
    Open,
}

/// What being late cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Price {
    /// By the risk of the drift alone, USD.
    pub waiting_usd: f64,
    /// What was added to the expected shortfall below the floor, USD.
    pub shortfall_usd: f64,
    /// What the first trade wanted would have brought more, or less where negative, at the price of the first block that could
    /// hold it than at the price at the end, in units of the asset: what is known only afterwards.
    pub hindsight: f64,
}

impl Price {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            waiting_usd: self.waiting_usd + other.waiting_usd,
            shortfall_usd: self.shortfall_usd + other.shortfall_usd,
            hindsight: self.hindsight + other.hindsight,
        }
    }
}

/// A time in which the policy wanted a trade.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Episode {
    /// The first block at which it did.
    pub from: u64,
    /// The last one.
    pub to: u64,
    /// Whether it did at the first block of the range already: it may have begun before, and all that follows is the least.
    pub cut: bool,
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
    /// What it cost from the first block on that could hold the action.
    #[serde(flatten)]
    pub price: Price,
}

/// Follows one vault.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Episodes {
    begun: bool,
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
        let first = !std::mem::replace(&mut self.begun, true);
        // An old decision to sell does not do what a newer one to buy wants.
        let done = match (step.done, &self.open) {
            (Done::AsWanted { sell }, Some(running)) if sell != running.last.0.sell => Done::Otherwise,
            (done, _) => done,
        };
        let ended = match (self.open.as_mut(), done, step.state) {
            (None, ..) => None,
            (Some(running), Done::AsWanted { .. }, _) => Some(running.ended(step, End::Acted)),
            (Some(running), _, State::Unknown) => Some(running.ended(step, End::PolicyChanged)),
            (Some(running), Done::Otherwise, State::Holds) => Some(running.ended(step, End::ActedOtherwise)),
            (Some(running), Done::Nothing, State::Holds) => Some(running.ended(step, End::Passed)),
            (Some(running), Done::Nothing | Done::Otherwise, State::Wants(want)) => {
                running.goes_on(step, want);
                return None;
            }
        };
        self.open = match step.state {
            State::Wants(want) => Some(Running::begun(step, want, first)),
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
}

impl Running {
    fn begun(step: &Step, want: Want, cut: bool) -> Self {
        let episode = Episode {
            from: step.number,
            to: step.number,
            cut,
            blocks_late: 0,
            end: End::Open,
            want,
            mandatory: want.mandatory,
            seconds: 0,
            price: Price::default(),
        };
        Self { episode, since: step.timestamp, last: (want, step.timestamp) }
    }

    /// What is decided at a block can be in the next one.
    const fn earliest(&self) -> u64 {
        self.episode.from.saturating_add(1)
    }

    /// Lets the time since the last block pass.
    fn pass(&mut self, step: &Step) {
        let (want, at) = self.last;
        let late = step.number > self.earliest();
        let episode = &mut self.episode;
        episode.seconds = step.timestamp.saturating_sub(self.since);
        if !late {
            return;
        }
        let passed = years(step.timestamp.saturating_sub(at));
        episode.price.waiting_usd += want.waiting * passed;
        episode.price.shortfall_usd += want.shortfall * passed;
        let moved = step.price.unwrap_or(want.price) - want.price;
        let against = if episode.want.sell { -moved } else { moved };
        episode.price.hindsight += episode.want.units * against;
    }

    fn goes_on(&mut self, step: &Step, want: Want) {
        self.pass(step);
        self.episode.to = step.number;
        self.episode.mandatory |= want.mandatory;
        self.last = (want, step.timestamp);
    }

    fn ended(&mut self, step: &Step, end: End) -> Episode {
        self.pass(step);
        Episode { blocks_late: step.number.saturating_sub(self.earliest()), end, ..self.episode }
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "heights of a few blocks")]
mod tests {
    use super::*;

    const WANT: Want =
        Want { sell: true, mandatory: false, units: 2.0, price: 100.0, waiting: 365.0, shortfall: 36.5 };

    fn step(number: u64, done: Done, state: State) -> Step {
        Step { number, timestamp: 1_000 + number * 86_400, done, price: None, state }
    }

    fn along(steps: &[Step]) -> (Vec<Episode>, Option<Episode>) {
        let mut episodes = Episodes::default();
        let ended = steps.iter().filter_map(|step| episodes.step(step)).collect();
        (ended, episodes.rest())
    }

    #[test]
    fn waiting_is_priced_from_the_first_block_on_that_could_hold_the_action() {
        let wants = |number, price| {
            let want = State::Wants(Want { price, ..WANT });
            Step { price: Some(price), ..step(number, Done::Nothing, want) }
        };
        let acted = Step { price: Some(90.0), ..step(5, Done::AsWanted { sell: true }, State::Holds) };
        let (ended, rest) = along(&[
            step(1, Done::Nothing, State::Holds),
            wants(2, 100.0),
            wants(3, 98.0),
            wants(4, 95.0),
            acted,
        ]);
        let [episode] = ended[..] else { unreachable!("{ended:?}") };
        assert_eq!((episode.from, episode.to, episode.blocks_late, episode.end), (2, 4, 2, End::Acted));
        assert_eq!((episode.cut, episode.seconds, rest), (false, 3 * 86_400, None));
        // Decided at block 2 it could be in block 3: two days of 365 and 36.5 USD a year, and eight less for each of two units.
        assert!((episode.price.waiting_usd - 2.0).abs() < 1e-12, "{episode:?}");
        assert!((episode.price.shortfall_usd - 0.2).abs() < 1e-12, "{episode:?}");
        assert!((episode.price.hindsight - 16.0).abs() < 1e-12, "{episode:?}");
    }

    #[test]
    fn an_action_in_the_next_block_is_in_time_and_costs_nothing() {
        let wants = step(2, Done::Nothing, State::Wants(WANT));
        let acted = Step { price: Some(90.0), ..step(3, Done::AsWanted { sell: true }, State::Holds) };
        let (ended, _) = along(&[step(1, Done::Nothing, State::Holds), wants, acted]);
        let [episode] = ended[..] else { unreachable!("{ended:?}") };
        assert_eq!((episode.blocks_late, episode.price), (0, Price::default()));
    }

    #[test]
    fn what_the_policy_did_not_want_does_not_end_what_it_wants() {
        let wants = State::Wants(WANT);
        let begins = [step(1, Done::Nothing, State::Holds), step(2, Done::Nothing, wants)];
        let (ended, rest) =
            along(&[begins[0], begins[1], step(3, Done::Otherwise, wants), step(4, Done::Nothing, wants)]);
        assert_eq!(
            (ended.len(), rest.map(|rest| (rest.from, rest.to, rest.blocks_late))),
            (0, Some((2, 4, 2)))
        );
        let (ended, rest) = along(&[begins[0], begins[1], step(3, Done::Otherwise, State::Holds)]);
        assert_eq!((ended[0].end, rest), (End::ActedOtherwise, None));
        let (ended, rest) = along(&[begins[0], begins[1], step(3, Done::Otherwise, State::Unknown)]);
        assert_eq!((ended[0].end, rest), (End::PolicyChanged, None));
        // A purchase that was decided before, where a sale is wanted now.
        let bought = step(3, Done::AsWanted { sell: false }, wants);
        let (ended, rest) = along(&[begins[0], begins[1], bought, step(4, Done::Nothing, wants)]);
        assert_eq!((ended.len(), rest.map(|rest| (rest.from, rest.blocks_late))), (0, Some((2, 2))));
    }

    #[test]
    fn a_range_that_begins_or_ends_in_the_midst_of_it_says_so() {
        let wants = |number| step(number, Done::Nothing, State::Wants(WANT));
        let (ended, rest) = along(&[wants(1), wants(2), step(3, Done::Nothing, State::Holds), wants(4)]);
        assert_eq!((ended[0].cut, ended[0].end, ended[0].blocks_late), (true, End::Passed, 1));
        let rest = rest.map(|rest| (rest.cut, rest.end, rest.from, rest.blocks_late));
        assert_eq!(rest, Some((false, End::Open, 4, 0)));
    }
}
