use std::io::Write;

use super::*;

const DAY: Span = Span { start: 100.0, before: 0, steps: 24, step_seconds: 3_600 };

fn ends(process: &Process, span: &Span, count: u32) -> Vec<f64> {
    let end = |number: u32| process.path(span, 11, u64::from(number)).moments.last().unwrap().price;
    (0..count).map(|number| (end(number) / span.start).ln()).collect()
}

/// Mean and variance of the sample, and the standard errors of both.
fn moments(sample: &[f64]) -> ((f64, f64), (f64, f64)) {
    let n = sample.len() as f64;
    let mean = sample.iter().sum::<f64>() / n;
    let central = |power: i32| sample.iter().map(|x| (x - mean).powi(power)).sum::<f64>() / n;
    let variance = central(2);
    ((mean, (variance / n).sqrt()), (variance, ((central(4) - variance * variance) / n).sqrt()))
}

#[track_caller]
fn assert_moments(sample: &[f64], mean: f64, variance: f64) {
    let (of_mean, of_variance) = moments(sample);
    assert!((of_mean.0 - mean).abs() < 3.0 * of_mean.1, "mean {of_mean:?}, not {mean}");
    assert!(
        (of_variance.0 - variance).abs() < 3.0 * of_variance.1,
        "variance {of_variance:?}, not {variance}"
    );
}

#[test]
fn brownian_motion_has_its_mean_and_variance() {
    let span = Span { steps: 240, ..DAY };
    let sample = ends(&Process::Gbm { volatility: 0.8 }, &span, 20_000);
    let variance = 0.64 * 10.0 / 365.0;
    assert_moments(&sample, -0.5 * variance, variance);
}

#[test]
fn jumps_have_the_moments_of_merton() {
    let jumps = Jumps { rate: 40.0, mean: -0.05, deviation: 0.04 };
    let span = Span { steps: 240, ..DAY };
    let sample = ends(&Process::Merton { volatility: 0.8, jumps }, &span, 20_000);
    let years = 10.0 / 365.0;
    // ln S_T: −(σ_d²/2 + λ·(E e^J − 1))·T + λ·T·E J, variance (σ_d² + λ·E J²)·T = σ²·T.
    let own = 0.64 - jumps.variance_rate();
    let factor = (jumps.mean + 0.5 * jumps.deviation * jumps.deviation).exp() - 1.0;
    let mean = (-0.5 * own - jumps.rate * factor + jumps.rate * jumps.mean) * years;
    assert_moments(&sample, mean, 0.64 * years);
    let prices: Vec<f64> = sample.iter().map(|x| x.exp()).collect();
    let ((mean, error), _) = moments(&prices);
    assert!((mean - 1.0).abs() < 3.0 * error, "a martingale: {mean} ± {error}");
}

#[test]
fn the_same_seed_and_number_are_the_same_path_and_others_are_not() {
    let process = Process::Gbm { volatility: 0.8 };
    assert_eq!(process.path(&DAY, 5, 3), process.path(&DAY, 5, 3));
    assert_ne!(process.path(&DAY, 5, 3), process.path(&DAY, 5, 4));
    assert_ne!(process.path(&DAY, 5, 3), process.path(&DAY, 6, 3));
}

#[test]
fn a_path_starts_at_its_price_whatever_came_before() {
    let span = Span { before: 100, ..DAY };
    let path = Process::Gbm { volatility: 0.8 }.path(&span, 5, 3);
    assert_eq!((path.past.len(), path.moments.len()), (100, 25));
    assert_eq!(path.moments[0].price, 100.0);
    let volatility = path.trailing_volatility(100, 3_600);
    assert!((0.6..1.0).contains(&volatility), "{volatility}");
}

fn history() -> History {
    let hour = |i: u32| Hour { log_return: f64::from(i) / 1_000.0, gas_price: u64::from(i) };
    History::stated((0..50).map(hour).collect())
}

#[test]
fn a_bootstrap_keeps_whole_blocks_with_their_gas() {
    let process = Process::Bootstrap { history: history(), block: 6 };
    let path = process.path(&DAY, 9, 1);
    let gas: Vec<u64> = path.moments.iter().skip(1).map(|moment| moment.gas_price).collect();
    for block in gas.chunks(6) {
        assert!(block.windows(2).all(|pair| pair[1] == (pair[0] + 1) % 50), "{block:?}");
    }
    for pair in path.moments.windows(2) {
        let moved = (pair[1].price / pair[0].price).ln();
        assert!((moved - pair[1].gas_price as f64 / 1_000.0).abs() < 1e-12);
    }
}

#[test]
fn every_hour_of_a_history_is_as_likely() {
    let process = Process::Bootstrap { history: history(), block: 6 };
    let drawn = (0..2_000).flat_map(|number| process.path(&DAY, 9, number).moments.into_iter().skip(1));
    let sample: Vec<f64> = drawn.map(|moment| moment.gas_price as f64).collect();
    let mean = sample.iter().sum::<f64>() / sample.len() as f64;
    // Blocks of six are nearly one draw: 8,000 draws of a deviation of 14.4.
    assert!((mean - 24.5).abs() < 3.0 * 14.4 / 8_000_f64.sqrt(), "{mean}");
}

#[test]
fn a_history_is_read_with_the_gas_of_its_day() {
    let write = |text: &str| {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    };
    let prices = write(
        "ts,open,high,low,close,volume\n2020-01-01 22:00:00+00:00,99,200,90,100,1\n\
         2020-01-01 23:00:00+00:00,99,200,90,110,1\n2020-01-02 00:00:00+00:00,99,200,90,121,1\n",
    );
    let gas = write("unix_time,value\n1577836800,7\n1577923200,9\n");
    let read = History::read(prices.path(), Some(gas.path())).unwrap();
    assert_eq!(read.hours.iter().map(|hour| hour.gas_price).collect::<Vec<_>>(), [7, 9]);
    assert!(read.hours.iter().all(|hour| (hour.log_return - 1.1_f64.ln()).abs() < 1e-12));
    let late = write("unix_time,value\n1577923200,9\n");
    let error = History::read(prices.path(), Some(late.path())).unwrap_err().to_string();
    assert!(error.contains("no gas price for 1577919600"), "{error}");
}
