//! The rounds of the scene's feed as its contract tells them, and the estimates that have a closed form.
#![allow(dead_code, reason = "each test file uses its own part")]

use alloy::primitives::aliases::U80;
use vault_keeper::domain::models::volatility::Observation;
use vault_keeper::protocols::abi::AggregatorV3;
use vault_keeper::stage::Stage;

/// Seconds of a year.
const YEAR: f64 = 365.0 * 86_400.0;

/// All rounds of the risky asset's feed, oldest first.
pub(crate) async fn rounds(stage: &Stage) -> Vec<Observation> {
    let (chain, feed) = (&stage.chain, stage.venue.risky_usd.proxy);
    let latest = chain.read(feed, &AggregatorV3::latestRoundDataCall {}).await.unwrap().id;
    // A proxy counts rounds of its phase in the lower 64 bits, from 1.
    let count = (latest & U80::from(u64::MAX)).to::<u64>();
    let mut rounds = Vec::new();
    for back in (0..count).rev() {
        let asked = AggregatorV3::getRoundDataCall { roundId: latest - U80::from(back) };
        let round = chain.read(feed, &asked).await.unwrap();
        let price = round.answer.to_string().parse::<f64>().unwrap() / 1e8;
        rounds.push(Observation { time: round.updatedAt.to(), price });
    }
    rounds
}

/// Squared log-returns with the ages at `now` between which they came about, seconds, the smaller first.
fn squares(rounds: &[Observation], now: u64) -> impl Iterator<Item = (f64, f64, f64)> {
    let age = move |of: &Observation| (now - of.time) as f64;
    rounds.windows(2).map(move |pair| {
        let moved = (pair[1].price / pair[0].price).ln();
        (moved * moved, age(&pair[1]), age(&pair[0]))
    })
}

/// Annualised: variance per second of each interval, weighted by the integral of `2^(−age/half-life)` over it.
pub(crate) fn ewma(rounds: &[Observation], now: u64, half_life_hours: f64) -> f64 {
    let weight = |age: f64| (-age / (half_life_hours * 3_600.0)).exp2();
    let (mut variance, mut weights) = (0.0, 0.0);
    for (square, newer, older) in squares(rounds, now) {
        let of = weight(newer) - weight(older);
        variance += of * square / (older - newer);
        weights += of;
    }
    (variance / weights * YEAR).sqrt()
}

/// Annualised: squared returns inside the window over the time they took, of the one that reaches out of it its part.
pub(crate) fn realised(rounds: &[Observation], now: u64, window_hours: f64) -> f64 {
    let (mut variance, mut time) = (0.0, 0.0);
    for (square, newer, older) in squares(rounds, now) {
        let inside = (older.min(window_hours * 3_600.0) - newer).max(0.0);
        variance += square * inside / (older - newer);
        time += inside;
    }
    (variance / time * YEAR).sqrt()
}

/// Annualised mean over `horizon` steps of what GARCH(1,1) with these parameters expects after `now`: the recursion over
/// the returns between points `step` seconds apart, a return that took several shared among them.
pub(crate) fn garch(
    rounds: &[Observation],
    now: u64,
    (step, horizon): (u64, i32),
    (long_run, alpha, beta): (f64, f64, f64),
) -> f64 {
    let long = long_run * long_run * step as f64 / YEAR;
    let reverts = |variance: f64, square: f64| (1.0 - alpha - beta) * long + alpha * square + beta * variance;
    // The price at each point is the last one before it.
    let points = (now - rounds[0].time) / step;
    let at = |back: u64| rounds.iter().rposition(|round| round.time <= now - back * step).unwrap();
    let (mut variance, mut from) = (long, points);
    for to in (0..points).rev() {
        if at(to) != at(from) {
            let moved = (rounds[at(to)].price / rounds[at(from)].price).ln();
            let share = moved * moved / (from - to) as f64;
            variance = (to..from).fold(variance, |variance, _| reverts(variance, share));
            from = to;
        }
    }
    let expected = (0..from).fold(variance, |variance, _| reverts(variance, variance));
    let (mut sum, mut next) = (0.0, expected);
    for _ in 0..horizon {
        sum += next;
        next = reverts(next, next);
    }
    (sum / f64::from(horizon) / step as f64 * YEAR).sqrt()
}
