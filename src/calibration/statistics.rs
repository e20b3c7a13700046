//! Bias and spread of predictions, and what they suggest.

use std::collections::BTreeMap;

use alloy::primitives::Address;
use serde::{Serialize, Serializer};

use super::{Compared, Comparison, Past, Source, SwapComparison};

/// Mean and standard deviation of `realised − predicted`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// Mean; above zero where it cost more than predicted.
    #[serde(serialize_with = "rounded")]
    pub bias: f64,
    /// Standard deviation of the sample; zero of one.
    #[serde(serialize_with = "rounded")]
    pub spread: f64,
}

/// How gas was predicted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GasErrors {
    /// Rebalances.
    pub count: usize,
    /// Mean units predicted.
    #[serde(serialize_with = "rounded")]
    pub predicted_units: f64,
    /// Mean units used.
    #[serde(serialize_with = "rounded")]
    pub realised_units: f64,
    /// Units used beyond those predicted.
    pub units: Spread,
    /// The same in money, with what a rollup takes beside gas.
    pub usd: Spread,
    /// And in basis points of what changed hands.
    pub bps: Spread,
}

/// How the swaps of one pool were predicted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VenueErrors {
    /// The pool.
    pub pool: Address,
    /// Swaps.
    pub count: usize,
    /// Quoted less received, money.
    pub usd: Spread,
    /// The same in basis points of what was quoted.
    pub bps: Spread,
}

/// Constants of a policy that would have predicted better; absent where nothing was seen that tells.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Suggested {
    /// `gas.rebalance_units`: the 90th percentile of rebalances in one swap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rebalance_units: Option<u64>,
    /// `gas.swap_units`: the 90th percentile of what each further swap used on top of the mean of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swap_units: Option<u64>,
    /// `execution.cost_margin`: all that was paid over all that was predicted, rounded up to hundredths, where that is
    /// above one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_margin: Option<String>,
}

/// What past rebalances say about the predictions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Calibration {
    /// Events seen.
    pub rebalances: usize,
    /// Of them compared with a decision taken again on the chain.
    pub from_chain: usize,
    /// Of them compared with a decision from the journal.
    pub from_journal: usize,
    /// Of them not compared.
    pub unknown: usize,
    /// Gas; absent where nothing was compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gas: Option<GasErrors>,
    /// Pools, by address.
    pub venues: Vec<VenueErrors>,
    /// What to change.
    pub suggested: Suggested,
}

/// Bias, spread and suggestions of `past`.
#[must_use]
pub fn calibrate(past: &[Past]) -> Calibration {
    let known: Vec<&Comparison> = past.iter().filter_map(known).collect();
    let from_chain = known.iter().filter(|one| one.source == Source::Chain).count();
    Calibration {
        rebalances: past.len(),
        from_chain,
        from_journal: known.len().saturating_sub(from_chain),
        unknown: past.len().saturating_sub(known.len()),
        gas: gas(&known),
        venues: venues(&known),
        suggested: suggested(&known),
    }
}

fn known(past: &Past) -> Option<&Comparison> {
    match &past.compared {
        Compared::Known(comparison) => Some(comparison),
        Compared::Unknown { .. } => None,
    }
}

fn gas(known: &[&Comparison]) -> Option<GasErrors> {
    let all = |figure: fn(&Comparison) -> f64| known.iter().map(|one| figure(one)).collect::<Vec<f64>>();
    let predicted = all(|one| count(one.gas_units.predicted));
    let realised = all(|one| count(one.gas_units.realised));
    let excess = |one: &Comparison| one.gas.realised.real() - one.gas.predicted.real();
    let bps: Vec<f64> = known.iter().map(|one| in_bps(excess(one), one.value.real())).collect();
    let usd: Vec<f64> = known.iter().map(|one| excess(one)).collect();
    let units: Vec<f64> =
        realised.iter().zip(&predicted).map(|(realised, predicted)| realised - predicted).collect();
    Some(GasErrors {
        count: known.len(),
        predicted_units: Spread::of(&predicted)?.bias,
        realised_units: Spread::of(&realised)?.bias,
        units: Spread::of(&units)?,
        usd: Spread::of(&usd)?,
        bps: Spread::of(&bps)?,
    })
}

fn venues(known: &[&Comparison]) -> Vec<VenueErrors> {
    let mut by_pool: BTreeMap<Address, Vec<&SwapComparison>> = BTreeMap::new();
    for swap in known.iter().flat_map(|one| &one.swaps) {
        by_pool.entry(swap.pool).or_default().push(swap);
    }
    let errors = |(pool, swaps): (Address, Vec<&SwapComparison>)| {
        let usd: Vec<f64> = swaps.iter().map(|swap| swap.shortfall.real()).collect();
        let bps: Vec<f64> =
            swaps.iter().map(|swap| in_bps(swap.shortfall.real(), swap.quoted.real())).collect();
        Some(VenueErrors { pool, count: swaps.len(), usd: Spread::of(&usd)?, bps: Spread::of(&bps)? })
    };
    by_pool.into_iter().filter_map(errors).collect()
}

fn suggested(known: &[&Comparison]) -> Suggested {
    let swaps = |one: &Comparison| u64::try_from(one.swaps.len()).unwrap_or(u64::MAX);
    let single: Vec<u64> =
        known.iter().filter(|one| swaps(one) == 1).map(|one| one.gas_units.realised).collect();
    let of_one = mean(&single);
    let further = of_one.map(|of_one| {
        let several = known.iter().filter(|one| swaps(one) > 1);
        let each = several.map(|one| {
            let extra = one.gas_units.realised.saturating_sub(of_one);
            extra.div_ceil(swaps(one).saturating_sub(1).max(1))
        });
        each.collect::<Vec<u64>>()
    });
    Suggested {
        rebalance_units: ninetieth(single),
        swap_units: further.and_then(ninetieth),
        cost_margin: margin(known),
    }
}

fn margin(known: &[&Comparison]) -> Option<String> {
    let sum = |cost: fn(&Comparison) -> f64| known.iter().map(|one| cost(one)).sum::<f64>();
    let predicted = sum(|one| one.gas.predicted.real() + one.venue.predicted.real());
    let realised = sum(|one| one.gas.realised.real() + one.venue.realised.real());
    let ratio = libm::ceil(100.0 * realised / predicted) / 100.0;
    (predicted > 0.0 && ratio > 1.0).then(|| format!("{ratio:.2}"))
}

impl Spread {
    /// Mean and standard deviation of a sample; `None` of an empty one.
    fn of(sample: &[f64]) -> Option<Self> {
        let size = count(u64::try_from(sample.len()).ok()?);
        if sample.is_empty() {
            return None;
        }
        let bias = sample.iter().sum::<f64>() / size;
        let squares: f64 = sample.iter().map(|one| (one - bias) * (one - bias)).sum();
        let spread = if sample.len() > 1 { libm::sqrt(squares / (size - 1.0)) } else { 0.0 };
        Some(Self { bias, spread })
    }
}

fn mean(sample: &[u64]) -> Option<u64> {
    let sum = sample.iter().fold(0_u64, |sum, one| sum.saturating_add(*one));
    sum.checked_div(u64::try_from(sample.len()).ok()?)
}

/// The 90th percentile by nearest rank.
fn ninetieth(mut sample: Vec<u64>) -> Option<u64> {
    sample.sort_unstable();
    let rank = sample.len().saturating_mul(9).div_ceil(10);
    sample.get(rank.checked_sub(1)?).copied()
}

fn in_bps(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { 10_000.0 * part / whole } else { 0.0 }
}

#[expect(clippy::cast_precision_loss, reason = "gas and counts are far below 2^53")]
const fn count(number: u64) -> f64 {
    number as f64
}

/// To a millionth.
fn rounded<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(libm::round(value * 1e6) / 1e6)
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "test arithmetic within known bounds")]
mod tests {
    use alloy::primitives::B256;

    use super::super::{Pair, Unknown};
    use super::*;
    use crate::domain::units::Usd;

    fn usd(text: &str) -> Usd {
        text.parse().unwrap()
    }

    /// Used so much gas and fell so much short in each of its swaps of 1,000; 100,000 and 25,000 a swap were predicted.
    fn past(source: Source, units: u64, shortfalls: &[&str]) -> Past {
        let further = u64::try_from(shortfalls.len()).unwrap() - 1;
        let swap = |(i, shortfall): (usize, &&str)| SwapComparison {
            pool: Address::with_last_byte(u8::try_from(i).unwrap()),
            quoted: usd("1000"),
            shortfall: usd(shortfall),
        };
        let comparison = Comparison {
            source,
            value: usd("1000"),
            gas_units: Pair { predicted: 100_000 + 25_000 * further, realised: units },
            gas: Pair { predicted: usd("10"), realised: usd("12") },
            venue: Pair { predicted: usd("5"), realised: usd("5") },
            swaps: shortfalls.iter().enumerate().map(swap).collect(),
        };
        of(Compared::Known(Box::new(comparison)))
    }

    fn of(compared: Compared) -> Past {
        let (transaction, decision_hash) = (B256::ZERO, B256::ZERO);
        Past { block: 2, transaction, decision_block: 1, decision_hash, compared }
    }

    #[test]
    fn bias_is_the_mean_of_what_it_cost_more_and_spread_its_deviation() {
        let calibration = calibrate(&[
            past(Source::Chain, 110_000, &["1"]),
            past(Source::Journal, 120_000, &["3"]),
            of(Compared::Unknown { why: Unknown::State }),
        ]);
        let counts = (calibration.rebalances, calibration.from_chain, calibration.from_journal);
        assert_eq!((counts, calibration.unknown), ((3, 1, 1), 1));
        let gas = calibration.gas.unwrap();
        assert_eq!((gas.count, gas.predicted_units, gas.realised_units), (2, 100_000.0, 115_000.0));
        assert_eq!(gas.units.bias, 15_000.0);
        assert!((gas.units.spread - 7_071.067_811_865).abs() < 1e-6, "{gas:?}");
        assert_eq!(gas.usd, Spread { bias: 2.0, spread: 0.0 });
        assert_eq!(gas.bps, Spread { bias: 20.0, spread: 0.0 });
        let [venue] = calibration.venues.as_slice() else { panic!("{:?}", calibration.venues) };
        assert_eq!((venue.count, venue.usd.bias, venue.bps.bias), (2, 2.0, 20.0));
        assert!((venue.usd.spread - 2.0_f64.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn constants_are_suggested_from_what_was_seen() {
        let ones = (1..=10).map(|i| past(Source::Chain, 100_000 + 1_000 * i, &["0"]));
        let more =
            [past(Source::Chain, 145_500, &["0", "0"]), past(Source::Chain, 185_500, &["0", "0", "0"])];
        let suggested = calibrate(&ones.chain(more).collect::<Vec<_>>()).suggested;
        // The ninth of ten; 105,500 on average, then 40,000 for one further swap and 40,000 for each of two.
        assert_eq!((suggested.rebalance_units, suggested.swap_units), (Some(109_000), Some(40_000)));
        // 17 were paid where 15 were predicted.
        assert_eq!(suggested.cost_margin.as_deref(), Some("1.14"));
    }

    #[test]
    fn nothing_is_suggested_from_nothing() {
        let calibration = calibrate(&[]);
        assert_eq!((calibration.rebalances, calibration.gas, calibration.venues.len()), (0, None, 0));
        assert_eq!(calibration.suggested, Suggested::default());
        // Without a rebalance in one swap nothing tells what a further one used.
        let several = calibrate(&[past(Source::Chain, 150_000, &["0", "0"])]).suggested;
        assert_eq!((several.rebalance_units, several.swap_units), (None, None));
    }

    #[test]
    fn one_of_each_has_no_spread() {
        assert_eq!(Spread::of(&[3.0]), Some(Spread { bias: 3.0, spread: 0.0 }));
        assert_eq!(ninetieth(vec![7]), Some(7));
        assert_eq!(ninetieth((1..=20).collect()), Some(18));
    }
}
