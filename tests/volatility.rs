//! Volatility of recorded Chainlink rounds and of a recorded pool, beside that of prices watched at regular times.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_precision_loss,
    clippy::print_stdout,
    reason = "a test fails where it stands and shows its figures"
)]

use std::path::Path;

use alloy::primitives::I256;
use vault_keeper::domain::policy::{Estimator, GarchPolicy, Policy, Source, VolatilityPolicy};
use vault_keeper::domain::reason::{HistoryFault, Reason};
use vault_keeper::domain::snapshot::{Observations, Pool, Round, Snapshot};
use vault_keeper::domain::units::Ratio;
use vault_keeper::domain::volatility::estimate;

#[path = "support/data.rs"]
mod data;
#[path = "support/facts.rs"]
mod facts;

use data::data;
use facts::Facts;

const HOUR: u64 = 3_600;
const WEEK: u64 = 7 * 24 * HOUR;
const YEAR_HOURS: f64 = 8_760.0;

/// The rounds of April to September 2023, one for each of 6,000 consecutive ids.
fn rounds(path: &Path) -> Vec<Round> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let columns = reader.headers().unwrap().clone();
    let column = |name: &str| columns.iter().position(|column| column == name).unwrap();
    let (id, answer, updated) = (column("round"), column("answer"), column("update"));
    let round = |row: csv::StringRecord| Round {
        id: row[id].parse().unwrap(),
        answer: row[answer].parse::<I256>().unwrap(),
        updated_at: row[updated].parse().unwrap(),
    };
    reader.records().map(|row| round(row.unwrap())).collect()
}

/// Closes by the time of the close, seconds since 1970.
fn closes(path: &Path) -> Vec<(u64, f64)> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let columns = reader.headers().unwrap().clone();
    let column = |name: &str| columns.iter().position(|column| column == name).unwrap();
    let (time, close) = (column("ts"), column("close"));
    let rows = reader.records().map(Result::unwrap).filter(|row| row[time].starts_with("2023-"));
    rows.map(|row| (seconds(&row[time]) + HOUR, row[close].parse().unwrap())).collect()
}

/// `2023-04-05 22:00:00+00:00` in seconds since 1970.
fn seconds(text: &str) -> u64 {
    const DAYS_BEFORE: [u64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    const YEAR_BEGAN: u64 = 1_672_531_200;
    let number = |from: usize| text[from..from + 2].parse::<u64>().unwrap();
    let month = usize::try_from(number(5)).unwrap();
    YEAR_BEGAN + ((DAYS_BEFORE[month - 1] + number(8) - 1) * 24 + number(11)) * HOUR
}

fn squared(from: f64, to: f64) -> f64 {
    (to / from).ln().powi(2)
}

/// The feed as a reader at block time `now` would have found it, a thousand rounds back.
fn snapshot_at(rounds: &[Round], now: u64) -> Snapshot {
    let past: Vec<Round> = rounds.iter().copied().filter(|round| round.updated_at <= now).collect();
    let (latest, history) = past[past.len().saturating_sub(1_000)..].split_last().unwrap();
    let facts = Facts::all_stable().with(|snapshot, _: &mut Policy| {
        snapshot.block.timestamp = now;
        snapshot.feeds.risky_usd.latest = Some(*latest);
        snapshot.feeds.risky_usd.history = history.to_vec().into();
    });
    facts.snapshot
}

fn annual(snapshot: &Snapshot, estimator: Estimator) -> Result<f64, Reason> {
    estimate(snapshot, &VolatilityPolicy { floor: Ratio::ZERO, source: Source::Feed, estimator })
        .map(|found| found.get())
}

fn realised(window_hours: u32, max_gap_seconds: Option<u64>) -> Estimator {
    Estimator::Realised { window_hours, rounds: 1_000, min_rounds: 24, max_gap_seconds, fallback: None }
}

/// An average of squared returns per round, taken for hourly ones because that is the feed's heartbeat.
fn naive(rounds: &[Round], from: u64, to: u64) -> f64 {
    let inside: Vec<_> = rounds.iter().filter(|round| (from..=to).contains(&round.updated_at)).collect();
    let price = |round: &Round| round.answer.to_string().parse::<f64>().unwrap();
    let returns = inside.windows(2).map(|pair| squared(price(pair[0]), price(pair[1])));
    (returns.sum::<f64>() / (inside.len() - 1) as f64 * YEAR_HOURS).sqrt()
}

/// Mean, least and most.
fn range(ratios: &[f64]) -> (f64, f64, f64) {
    let mean = ratios.iter().sum::<f64>() / ratios.len() as f64;
    let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    (mean, least, ratios.iter().copied().fold(0.0, f64::max))
}

#[test]
fn realised_volatility_of_rounds_is_that_of_hourly_closes_and_an_average_per_round_is_not() {
    let (Some(rounds_path), Some(closes_path)) =
        (data("oracle/chainlink_eth_usd_rounds_2023.csv"), data("prices/eth_usdt_1h_2019_2023.csv"))
    else {
        return;
    };
    let (rounds, closes) = (rounds(&rounds_path), closes(&closes_path));
    let (first, last) = (rounds[0].updated_at, rounds[rounds.len() - 1].updated_at);
    assert_eq!(rounds.len(), 6_000);
    let (mut ratios, mut naive_ratios) = (Vec::new(), Vec::new());
    // Whole hours, so that both see the same week.
    let mut from = first.next_multiple_of(HOUR);
    println!("week from    hourly closes  rounds  ratio  per round  ratio");
    while from + WEEK <= last {
        let to = from + WEEK;
        let week: Vec<_> = closes.iter().filter(|(time, _)| (from..=to).contains(time)).collect();
        assert!(week.len() > 160, "{} closes", week.len());
        let variation: f64 = week.windows(2).map(|pair| squared(pair[0].1, pair[1].1)).sum();
        let hours = (week[week.len() - 1].0 - week[0].0) as f64 / HOUR as f64;
        let watched = (variation / hours * YEAR_HOURS).sqrt();
        let found = annual(&snapshot_at(&rounds, to), realised(168, None)).unwrap();
        let mistaken = naive(&rounds, from, to);
        ratios.push(found / watched);
        naive_ratios.push(mistaken / watched);
        let (ratio, naive) = (found / watched, mistaken / watched);
        println!("{from}  {watched:13.4}  {found:6.4}  {ratio:5.3}  {mistaken:9.4}  {naive:5.3}");
        from = to;
    }
    let (mean, least, most) = range(&ratios);
    let (naive_mean, naive_least, naive_most) = range(&naive_ratios);
    println!("{} weeks: mean ratio {mean:.4}, from {least:.3} to {most:.3}", ratios.len());
    println!("an average per round: mean ratio {naive_mean:.4}, from {naive_least:.3} to {naive_most:.3}");
    assert_eq!(ratios.len(), 25);
    assert!((mean - 1.0).abs() < 0.05, "{mean}");
    assert!(least > 0.7 && most < 1.3, "{least} to {most}");
    // The usual mistake is three times over the bound in the mean and far outside in its worst week.
    assert!(naive_mean < 0.86 && naive_least < 0.6, "{naive_mean}, {naive_least}");
}

#[test]
fn every_estimator_speaks_of_the_same_market() {
    let Some(path) = data("oracle/chainlink_eth_usd_rounds_2023.csv") else { return };
    let rounds = rounds(&path);
    let (min_rounds, max_gap_seconds, fallback) = (500, Some(2 * HOUR), None);
    let estimators = [
        (
            "ewma",
            Estimator::Ewma { half_life_hours: 168, rounds: 1_000, min_rounds, max_gap_seconds, fallback },
        ),
        (
            "garch11 fitted",
            Estimator::Garch11 {
                step_seconds: 3_600,
                horizon_steps: 168,
                parameters: GarchPolicy::Fitted,
                rounds: 1_000,
                min_rounds,
                max_gap_seconds,
                fallback,
            },
        ),
        (
            "har of quarter days",
            Estimator::Har {
                period_seconds: 21_600,
                medium: 4,
                long: 28,
                rounds: 1_000,
                min_rounds,
                max_gap_seconds,
                fallback,
            },
        ),
    ];
    let last = rounds[rounds.len() - 1].updated_at;
    for (name, estimator) in estimators {
        // A forecast is compared with the week after it, once a thousand rounds have been seen.
        let mut ratios = Vec::new();
        let mut now = rounds[1_000].updated_at;
        while now + WEEK <= last {
            let forecast = annual(&snapshot_at(&rounds, now), estimator.clone()).unwrap();
            let came = annual(&snapshot_at(&rounds, now + WEEK), realised(168, None)).unwrap();
            ratios.push(forecast / came);
            now += WEEK / 2;
        }
        let (mean, least, most) = range(&ratios);
        println!("{name}: {} forecasts, mean ratio {mean:.3}, from {least:.3} to {most:.3}", ratios.len());
        assert!(ratios.len() > 35 && (0.8..1.25).contains(&mean), "{name}: {mean}");
        // The market itself went from one volatility to three times that within a week of August.
        assert!(least > 0.3 && most < 3.0, "{name}: {least} to {most}");
    }
}

/// Ticks of the pool after each swap of 5 January 2024, with their times.
fn swaps(path: &Path) -> Vec<(u64, i64)> {
    const DAY_BEGAN: u64 = 1_704_412_800;
    let mut reader = csv::Reader::from_path(path).unwrap();
    let columns = reader.headers().unwrap().clone();
    let column = |name: &str| columns.iter().position(|column| column == name).unwrap();
    let (time, kind, tick) = (column("block_timestamp"), column("tx_type"), column("current_tick"));
    let swap = |row: &csv::StringRecord| {
        let [hours, minutes, seconds] = [11, 14, 17].map(|at| row[time][at..at + 2].parse::<u64>().unwrap());
        let tick = row[tick].split('.').next().unwrap().parse().unwrap();
        (DAY_BEGAN + hours * HOUR + minutes * 60 + seconds, tick)
    };
    reader.records().map(Result::unwrap).filter(|row| &row[kind] == "SWAP").map(|row| swap(&row)).collect()
}

#[test]
fn a_pools_means_are_as_volatile_as_its_price_once_they_are_stretched() {
    let Some(path) = data("uniswap_v3/usdc_weth_500_2024-01-05.events.csv") else { return };
    let swaps = swaps(&path);
    let (first, now) = (swaps[0].0, swaps[swaps.len() - 1].0);
    let tick_at = |time: u64| swaps[swaps.partition_point(|(at, _)| *at <= time) - 1].1;
    let mut ratios = Vec::new();
    for step_seconds in [120_u32, 240, 300, 600, 900] {
        let steps = (now - first) / u64::from(step_seconds);
        let begin = now - steps * u64::from(step_seconds);
        // As the pool accumulates them: the tick of every second.
        let mut tick_cumulatives = vec![0];
        let mut sampled = 0.0;
        for step in 0..steps {
            let from = begin + step * u64::from(step_seconds);
            let sum: i64 = (from..from + u64::from(step_seconds)).map(tick_at).sum();
            tick_cumulatives.push(tick_cumulatives[tick_cumulatives.len() - 1] + sum);
            let moved = tick_at(from + u64::from(step_seconds)) - tick_at(from);
            sampled += (moved as f64 * 1.0001_f64.ln()).powi(2);
        }
        let sampled = (sampled / (now - begin) as f64 * YEAR_HOURS * HOUR as f64).sqrt();
        let facts = Facts::all_stable().with(|snapshot, _| {
            snapshot.block.timestamp = now;
            let Some(Pool::UniswapV3 { observations, .. }) = snapshot.pools.first_mut() else { panic!() };
            *observations = Some(Observations { step_seconds, tick_cumulatives });
        });
        let policy = VolatilityPolicy {
            floor: Ratio::ZERO,
            source: Source::Pool { step_seconds },
            estimator: realised(24, None),
        };
        let found = estimate(&facts.snapshot, &policy).unwrap().get();
        let (ratio, plain) = (found / sampled, found / sampled / 1.5_f64.sqrt());
        println!(
            "{step_seconds} s: {sampled:.4} sampled, {found:.4} of means, ratio {ratio:.3}, not stretched {plain:.3}"
        );
        ratios.push(ratio);
    }
    let (mean, least, most) = range(&ratios);
    println!("mean ratio {mean:.4}, from {least:.3} to {most:.3}");
    assert!((mean - 1.0).abs() < 0.1 && least > 0.85 && most < 1.15, "{mean}, {least} to {most}");
}

#[test]
fn the_longest_silence_of_the_feed_is_refused_by_a_second_and_no_more() {
    let Some(path) = data("oracle/chainlink_eth_usd_rounds_2023.csv") else { return };
    let rounds = rounds(&path);
    let now = rounds[999].updated_at;
    let snapshot = snapshot_at(&rounds, now);
    let pairs = rounds[..1_000].windows(2).map(|pair| pair[1].updated_at.saturating_sub(pair[0].updated_at));
    let longest = pairs.max().unwrap();
    // The window reaches over all of them.
    assert!(annual(&snapshot, realised(8_760, Some(longest))).is_ok());
    let refused = annual(&snapshot, realised(8_760, Some(longest - 1))).unwrap_err();
    let Reason::NoVolatility { fault: Some(fault), .. } = refused else { panic!("{refused:?}") };
    assert_eq!(fault, HistoryFault::Gap { seconds: longest, limit: longest - 1 });
}
