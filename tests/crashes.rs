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

#[test]
fn crash_the_default_policy_never_ended_below_its_floor_where_bots_did() {
    let Some(data) = data::data("prices") else { return };
    let policy = load_policy(Path::new("examples/policies/cppi.toml")).unwrap();
    let setting = Setting::default();
    let mut told = Vec::new();
    for file in [
        "eth_usdt_1m_2021-05_crash",
        "eth_usdt_1m_2021-12_flash_crash",
        "eth_usdt_5m_2022-h1_luna",
        "eth_usdt_1h_2019_2023",
    ] {
        let bars = Bars::read(&data.join(format!("{file}.csv"))).unwrap();
        let ticks: Vec<Tick> = ticks(bars.bars(), bars.step_seconds(), Order::Olhc).collect();
        for capital in [100_000, 10_000_000] {
            let past =
                Past { ticks: &ticks, base_fees: &[], setting: &setting, capital: Decimal::from(capital) };
            let entrants = [Entrant::Policy, Entrant::Threshold, Entrant::Daily];
            let entries = contest(&past, &policy, &entrants, NonZeroUsize::new(2).unwrap()).unwrap();
            let metrics = entries[0].metrics;
            let below = entries
                .iter()
                .filter(|entry| entry.metrics.last_cushion < 0.0 || entry.metrics.cash_lock > 0.0);
            let below: Vec<_> = below.map(|entry| entry.entrant).collect();
            told.push((
                file,
                capital,
                metrics.lowest_cushion.round(),
                metrics.last_cushion.round(),
                metrics.cash_lock,
                below,
            ));
        }
    }
    println!("{told:#?}");
}
