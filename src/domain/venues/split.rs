//! One trade over several pools at once, so that together they pay the most.
//!
//! Each pool pays less for every further unit, so the most is paid where all pools in use end at one marginal price,
//! fees included (equal marginal price; Angeris, Evans, Chitra, Boyd, "Optimal Routing for Constant Function Market
//! Makers", 2022, §2). Between two ticks what a pool takes is linear in its level (see [`Stretch`]), so that price is
//! found without search: the trade is poured into the pools like water, from one tick to the next. The pouring is
//! floating point; an error in it of a part `ε` costs only `ε²`, since at the optimum a unit moved from one pool to
//! another changes nothing. What is given and paid is then quoted in each pool's exact integers.

use alloy::primitives::U256;
use libm::floor;

use super::curve::{Curve, QuoteError, Stretches, Swap};
use super::stretch::Stretch;

/// Most pools that one trade is split over.
pub const MAX_POOLS: usize = 8;
/// A single pool that is estimated to pay less than the split by more than this part is not quoted in vain.
const CLEARLY: f64 = 1e-9;
/// Raw units that rounding may cost, many times over: below this distance only exact quotes can tell.
const ROUNDING: f64 = 64.0;

/// A trade over several pools.
///
/// Rules it keeps: the amounts in add up to the amount split; every part pays something; it pays at least as much as
/// any single pool would, further swaps paid for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// The swaps, in the order of the pools; one for each pool in use.
    pub parts: Vec<Part>,
    /// Raw units out of all parts.
    pub amount_out: U256,
}

/// One pool's part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Position of the pool among those given.
    pub pool: usize,
    /// Its swap.
    pub swap: Swap,
}

/// Splits exactly `amount_in` over `curves`, which all trade the same two tokens, so that the most is paid out.
///
/// `per_swap`: what each swap after the first costs, raw units of the token out; a pool that brings less is not used,
/// and neither is one that brings less than one unit.
///
/// # Errors
/// [`QuoteError::NoLiquidity`] where all pools together cannot take the amount within what is known of them.
pub fn split_exact_in(
    curves: &[Curve<'_>],
    zero_for_one: bool,
    amount_in: U256,
    per_swap: U256,
) -> Result<Split, QuoteError> {
    if let [curve] = curves {
        return Ok(Split::single(0, curve.quote_exact_in(zero_for_one, amount_in)?));
    }
    if amount_in.is_zero() {
        let first = curves.first().ok_or(QuoteError::NoPool)?;
        return Ok(Split::single(0, first.quote_exact_in(zero_for_one, amount_in)?));
    }
    let router = Router { curves, zero_for_one, per_swap: f64::from(per_swap).max(1.0) };
    let poured = router.pour_worth(Goal::In(f64::from(amount_in)));
    let split = router.quote(&poured, amount_in);
    let floor = match &split {
        Ok(_) => poured.worth - poured.worth * CLEARLY - ROUNDING * (1.0 + poured.rate()),
        Err(_) => f64::NEG_INFINITY,
    };
    (0..curves.len().min(MAX_POOLS)).fold(split, |best, at| match router.single(at, amount_in, floor) {
        Some(single) if best.as_ref().map_or(true, |best| router.beats(&single, best)) => Ok(single),
        Some(_) | None => best,
    })
}

/// Least that [`split_exact_in`] has to be given so that about `amount_out` is paid, to a few units. `per_swap` in raw
/// units of the token in.
///
/// # Errors
/// As [`split_exact_in`].
pub fn amount_in_for(
    curves: &[Curve<'_>],
    zero_for_one: bool,
    amount_out: U256,
    per_swap: U256,
) -> Result<U256, QuoteError> {
    if let [curve] = curves {
        return Ok(curve.quote_exact_out(zero_for_one, amount_out)?.amount_in);
    }
    let router = Router { curves, zero_for_one, per_swap: f64::from(per_swap).max(1.0) };
    let poured = router.pour_worth(Goal::Out(f64::from(amount_out)));
    router.quote_out(&poured, amount_out)
}

/// What all of `curves` take together within what is known of them, raw units; `None` where that is nothing.
#[must_use]
pub fn most_in(curves: &[Curve<'_>], zero_for_one: bool) -> Option<U256> {
    let each = curves.iter().filter_map(|curve| curve.most_in(zero_for_one));
    each.reduce(U256::saturating_add)
}

impl Split {
    fn single(pool: usize, swap: Swap) -> Self {
        Self { parts: vec![Part { pool, swap }], amount_out: swap.amount_out }
    }
}

struct Router<'a> {
    curves: &'a [Curve<'a>],
    zero_for_one: bool,
    per_swap: f64,
}

/// What is to be poured, raw units.
#[derive(Clone, Copy)]
enum Goal {
    In(f64),
    Out(f64),
}

/// A pool while it is poured into.
struct Lane<'a> {
    pool: usize,
    rest: Stretches<'a>,
    stretch: Option<Stretch>,
    given: f64,
    received: f64,
}

/// Where the pouring ended.
struct Poured<'a> {
    lanes: Vec<Lane<'a>>,
    level: f64,
    /// What the pools had no room for, raw units.
    left: f64,
    /// Estimated worth, raw units: paid out less what further swaps cost, or what is paid in and they cost, negative.
    worth: f64,
}

impl<'a> Router<'a> {
    /// Pours into all pools, then leaves out, one by one, those that are not worth their swap.
    fn pour_worth(&self, goal: Goal) -> Poured<'a> {
        let all = (0..self.curves.len().min(MAX_POOLS)).fold(0_u8, |set, at| set | bit(at));
        let mut best = self.pour(all, goal);
        loop {
            let used: Vec<usize> = best.used().map(|lane| lane.pool).collect();
            if used.len() < 2 {
                return best;
            }
            let set = used.iter().fold(0, |set, at| set | bit(*at));
            let without = used.iter().map(|at| self.pour(set & !bit(*at), goal));
            let better = without.filter(|poured| poured.left <= best.left && poured.worth > best.worth);
            match better.max_by(|one, other| one.worth.total_cmp(&other.worth)) {
                Some(better) => best = better,
                None => return best,
            }
        }
    }

    fn pour(&self, set: u8, goal: Goal) -> Poured<'a> {
        let chosen = self.curves.iter().enumerate().filter(|(at, _)| set & bit(*at) != 0);
        let mut lanes: Vec<_> =
            chosen.map(|(pool, curve)| Lane::new(pool, curve.stretches(self.zero_for_one))).collect();
        let (mut left, mut level) = (goal.amount(), 0.0);
        while left > 0.0
            && let Some(event) = lanes.iter().filter_map(|lane| lane.event(level)).min_by(f64::total_cmp)
        {
            let depth: f64 = lanes.iter().map(|lane| lane.depth(level)).sum();
            // A rise of the level is a figure of its own: beside the level it would lose its digits.
            let wanted = goal.rise(level, left, depth);
            let last = wanted <= event - level;
            let rise = if last { wanted } else { event - level };
            left = if last { 0.0 } else { left - goal.poured(level, rise, depth) };
            let to = if last { level + rise } else { event };
            lanes.iter_mut().for_each(|lane| lane.rise(level, rise, to));
            level = to;
        }
        let mut poured = Poured { lanes, level, left, worth: 0.0 };
        poured.worth = self.worth(&poured, goal);
        poured
    }

    fn worth(&self, poured: &Poured<'_>, goal: Goal) -> f64 {
        let (swaps, worth) = poured.used().fold((0.0, 0.0), |(swaps, worth), lane| match goal {
            Goal::In(_) => (swaps + 1.0, worth + lane.received),
            Goal::Out(_) => (swaps + 1.0, worth - lane.given),
        });
        worth - self.per_swap * (swaps - 1.0_f64).max(0.0)
    }

    /// The exact swaps of what was poured: each pool its whole units, what is left over to the deepest.
    fn quote(&self, poured: &Poured<'_>, amount_in: U256) -> Result<Split, QuoteError> {
        let amounts = self.amounts(poured, amount_in)?;
        let mut split = Split { parts: Vec::with_capacity(amounts.len()), amount_out: U256::ZERO };
        for (pool, amount) in amounts {
            let Some(curve) = self.curves.get(pool) else { continue };
            let swap = curve.quote_exact_in(self.zero_for_one, amount)?;
            split.amount_out = split.amount_out.saturating_add(swap.amount_out);
            split.parts.push(Part { pool, swap });
        }
        Ok(split)
    }

    fn amounts(&self, poured: &Poured<'_>, total: U256) -> Result<Vec<(usize, U256)>, QuoteError> {
        let used: Vec<_> = poured.used().collect();
        let mut amounts: Vec<_> = used.iter().map(|lane| (lane.pool, self.taken(lane))).collect();
        let sum = amounts.iter().fold(U256::ZERO, |sum, (_, amount)| sum.saturating_add(*amount));
        let rest = total.saturating_sub(sum);
        let mut over = sum.saturating_sub(total);
        if !rest.is_zero() {
            let open = |lane: &Lane<'_>| if lane.stretch.is_some() { lane.depth(poured.level) } else { -1.0 };
            let deepest = used.iter().enumerate().max_by(|(_, a), (_, b)| open(a).total_cmp(&open(b)));
            let (at, _) = deepest.filter(|(_, lane)| lane.stretch.is_some()).ok_or_else(|| self.dry())?;
            if let Some((_, amount)) = amounts.get_mut(at) {
                *amount = amount.saturating_add(rest);
            }
        }
        while !over.is_zero() {
            let Some((_, largest)) = amounts.iter_mut().max_by_key(|(_, amount)| *amount) else { break };
            let cut = over.min(*largest);
            if cut.is_zero() {
                break;
            }
            (*largest, over) = (largest.saturating_sub(cut), over.saturating_sub(cut));
        }
        amounts.retain(|(_, amount)| !amount.is_zero());
        Ok(amounts)
    }

    /// What a pool takes: of one poured to its end exactly the most that is known, of any other whole units.
    fn taken(&self, lane: &Lane<'_>) -> U256 {
        let known = || self.curves.get(lane.pool).and_then(|curve| curve.most_in(self.zero_for_one));
        if lane.stretch.is_none() { known().unwrap_or_default() } else { whole_units(lane.given) }
    }

    /// What the pools take for what was poured out of them, each in its exact integers.
    fn quote_out(&self, poured: &Poured<'_>, amount_out: U256) -> Result<U256, QuoteError> {
        let (mut paid, mut left) = (U256::ZERO, amount_out);
        let mut lanes: Vec<_> = poured.used().collect();
        // The deepest pool still open comes last and pays what the others' whole units leave.
        let key = |lane: &Lane<'_>| if lane.stretch.is_some() { lane.depth(poured.level) } else { -1.0 };
        lanes.sort_by(|a, b| key(a).total_cmp(&key(b)));
        let (last, others) = lanes.split_last().ok_or_else(|| self.dry())?;
        for lane in others {
            let Some(curve) = self.curves.get(lane.pool) else { continue };
            let wanted = whole_units(lane.received).min(left);
            // Walks through all that is known, so only where that is asked for.
            let most = if lane.stretch.is_none() { curve.most_in(self.zero_for_one) } else { None };
            let swap = match most {
                Some(most) => curve.quote_exact_in(self.zero_for_one, most)?,
                None if wanted.is_zero() => continue,
                None => curve.quote_exact_out(self.zero_for_one, wanted)?,
            };
            paid = paid.saturating_add(swap.amount_in);
            left = left.saturating_sub(swap.amount_out);
        }
        let curve = self.curves.get(last.pool).ok_or_else(|| self.dry())?;
        if left.is_zero() {
            return Ok(paid);
        }
        Ok(paid.saturating_add(curve.quote_exact_out(self.zero_for_one, left)?.amount_in))
    }

    /// All of it through one pool, where that may pay as much as `floor`.
    fn single(&self, at: usize, amount_in: U256, floor: f64) -> Option<Split> {
        let total = f64::from(amount_in);
        let poured = self.pour(bit(at), Goal::In(total));
        let may = poured.left <= total * CLEARLY && (poured.left > 0.0 || poured.worth >= floor);
        let swap = may.then(|| self.curves.get(at)?.quote_exact_in(self.zero_for_one, amount_in).ok());
        swap.flatten().map(|swap| Split::single(at, swap))
    }

    /// Whether `single` is worth more than `best`, in exact units but for the price of a swap.
    fn beats(&self, single: &Split, best: &Split) -> bool {
        let further = u32::try_from(best.parts.len().saturating_sub(1)).unwrap_or(u32::MAX);
        let cost = whole_units(floor(self.per_swap * f64::from(further)));
        let pays_nothing = best.parts.iter().any(|part| part.swap.amount_out.is_zero());
        pays_nothing || single.amount_out > best.amount_out.saturating_sub(cost)
    }

    fn dry(&self) -> QuoteError {
        match self.curves.first() {
            Some(curve) => QuoteError::NoLiquidity { pool: curve.address() },
            None => QuoteError::NoPool,
        }
    }
}

impl Goal {
    const fn amount(self) -> f64 {
        match self {
            Self::In(amount) | Self::Out(amount) => amount,
        }
    }

    /// By how much `left` raises the level of pools of this `depth` together.
    fn rise(self, from: f64, left: f64, depth: f64) -> f64 {
        if depth <= 0.0 {
            return f64::INFINITY;
        }
        let part = left / depth;
        match self {
            Self::In(_) => part,
            Self::Out(_) if from * part < 1.0 => from * from * part / (1.0 - from * part),
            Self::Out(_) => f64::INFINITY,
        }
    }

    fn poured(self, from: f64, rise: f64, depth: f64) -> f64 {
        if depth <= 0.0 {
            return 0.0;
        }
        match self {
            Self::In(_) => depth * rise,
            Self::Out(_) => depth * rise / (from * (from + rise)),
        }
    }
}

impl<'a> Lane<'a> {
    fn new(pool: usize, mut rest: Stretches<'a>) -> Self {
        let stretch = rest.next();
        Self { pool, rest, stretch, given: 0.0, received: 0.0 }
    }

    /// The next level above at which the pool begins or changes; `None` at the end of what is known.
    fn event(&self, level: f64) -> Option<f64> {
        self.stretch.map(|stretch| if stretch.from > level { stretch.from } else { stretch.to })
    }

    fn depth(&self, level: f64) -> f64 {
        self.stretch.filter(|stretch| stretch.from <= level).map_or(0.0, |stretch| stretch.depth)
    }

    fn rise(&mut self, from: f64, rise: f64, to: f64) {
        let depth = self.depth(from);
        if depth > 0.0 {
            self.given += depth * rise;
            self.received += depth * rise / (from * (from + rise));
        }
        while self.stretch.is_some_and(|stretch| stretch.to <= to) {
            self.stretch = self.rest.next();
        }
    }
}

impl<'a> Poured<'a> {
    fn used(&self) -> impl Iterator<Item = &Lane<'a>> {
        self.lanes.iter().filter(|lane| lane.given > 0.0)
    }

    /// Raw units out that one more unit in brings.
    fn rate(&self) -> f64 {
        1.0 / (self.level * self.level)
    }
}

const fn bit(at: usize) -> u8 {
    match at {
        0 => 1,
        1 => 1 << 1,
        2 => 1 << 2,
        3 => 1 << 3,
        4 => 1 << 4,
        5 => 1 << 5,
        6 => 1 << 6,
        7 => 1 << 7,
        _ => 0,
    }
}

/// Whole raw units, rounded down; zero for what is no amount.
fn whole_units(amount: f64) -> U256 {
    U256::try_from(floor(amount)).unwrap_or_default()
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "test arithmetic within known bounds")]
mod tests;
