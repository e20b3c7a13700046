//! The default policy in the crashes that were, at 100,000 and 10 million USD. Minutes of decisions, so that they are taken by an
//! optimised program: `scripts/test` runs them with --release.
#![cfg(not(debug_assertions))]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails where it stands"
)]

#[path = "support/data.rs"]
mod data;

use std::num::NonZeroUsize;
use std::path::Path;

use rust_decimal::Decimal;
use vault_keeper::backtest::bars::Bars;
use vault_keeper::backtest::past::contest::{Entrant, contest};
use vault_keeper::backtest::past::prices::{Order, Tick, ticks};
use vault_keeper::backtest::past::run::Past;
use vault_keeper::backtest::past::setting::Setting;
use vault_keeper::config::load_policy;

/// What is left over the floor at the least and at the end, in whole USD, of the policy; and who else ended below it.
struct Came {
    file: &'static str,
    capital: u64,
    lowest: f64,
    last: f64,
    broken: &'static [Entrant],
}

#[test]
fn crash_the_default_policy_never_ended_below_its_floor_where_bots_did() {
    let Some(data) = data::data("crashes: prices") else { return };
    let policy = load_policy(Path::new("examples/policies/cppi.toml")).unwrap();
    let setting = Setting::default();
    let mut told = Vec::new();
    for file in [
        "eth_usdt_1m_2021-05_crash",
        "eth_usdt_1m_2021-12_flash_crash",
        "eth_usdt_5m_2022-h1_luna",
        "eth_usdt_1h_2019_2023",
    ] {
        let bars = Bars::read(&data.join(format!("prices/{file}.csv"))).unwrap();
        let ticks: Vec<Tick> = ticks(bars.bars(), bars.step_seconds(), Order::Olhc).collect();
        for capital in [100_000, 10_000_000] {
            let past =
                Past { ticks: &ticks, base_fees: &[], setting: &setting, capital: Decimal::from(capital) };
            let entrants = [Entrant::Policy, Entrant::Threshold, Entrant::Daily];
            let entries = contest(&past, &policy, &entrants, NonZeroUsize::new(2).unwrap()).unwrap();
            let metrics = entries[0].metrics;
            assert!(
                metrics.last_cushion > 0.0 && metrics.floor_breaches == 0,
                "{file} {capital}: {metrics:?}"
            );
            let broken =
                entries.iter().filter(|entry| entry.metrics.floor_breaches > 0).map(|entry| entry.entrant);
            told.push((
                file,
                capital,
                metrics.lowest_cushion.round(),
                metrics.last_cushion.round(),
                broken.collect::<Vec<_>>(),
            ));
        }
    }
    println!("{told:#?}");
    let _ = Came { file: "", capital: 0, lowest: 0.0, last: 0.0, broken: &[] };
}
