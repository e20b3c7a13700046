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
use std::ops::ControlFlow;
use std::path::Path;

use rust_decimal::Decimal;
use vault_keeper::backtest::bars::Bars;
use vault_keeper::backtest::past::contest::{Entrant, Entry, contest};
use vault_keeper::backtest::past::metrics::Gauge;
use vault_keeper::backtest::past::opening::Start;
use vault_keeper::backtest::past::prices::{Order, Tick, ticks};
use vault_keeper::backtest::past::run::{Keeper, Past, walk, watch};
use vault_keeper::backtest::past::setting::Setting;
use vault_keeper::config::load_policy;
use vault_keeper::stage::path::files::read_base_fees;

/// A file and the capital; what the policy's vault had over its floor at the least and at the end, gas taken off, in whole USD, at 20
/// gwei and at the gas prices of the time; and whose vaults came to their floor or ended below it beside it at 20 gwei.
type Came = (&'static str, u64, (f64, f64), (f64, f64), Vec<Entrant>);

/// At 100,000 USD in the first half of 2022 gas was 433 USD of some 420 over the floor at 20 gwei, and 2,347 at the prices of the time:
/// the vault itself never came to its floor, and what it was worth less the gas of its keeper's key was below it for some ticks, or to
/// the end.
fn told() -> Vec<Came> {
    let (threshold, daily) = (Entrant::Threshold, Entrant::Daily);
    let (may, december) = ("eth_usdt_1m_2021-05_crash", "eth_usdt_1m_2021-12_flash_crash");
    let (luna, years) = ("eth_usdt_5m_2022-h1_luna", "eth_usdt_1h_2019_2023");
    let (small, large) = (100_000, 10_000_000);
    vec![
        (may, small, (11_531.0, 19_109.0), (-713.0, 4_715.0), vec![daily]),
        (may, large, (1_236_489.0, 2_065_842.0), (1_187_825.0, 1_918_904.0), vec![daily]),
        (december, small, (7_351.0, 9_930.0), (6_236.0, 8_833.0), vec![]),
        (december, large, (728_730.0, 1_071_824.0), (751_519.0, 1_097_109.0), vec![]),
        (luna, small, (-43.0, 419.0), (-1_886.0, -1_257.0), vec![threshold, daily]),
        (luna, large, (5_356.0, 32_957.0), (-234.0, 27_801.0), vec![threshold]),
        (years, small, (8.0, 420_402.0), (-38.0, 438_216.0), vec![threshold, daily]),
        (years, large, (9_202.0, 32_260_090.0), (30_615.0, 37_605_192.0), vec![threshold, daily]),
    ]
}

#[test]
fn crash_the_default_policy_never_ended_below_its_floor_where_bots_did() {
    let Some(data) = data::data("prices") else { return };
    let policy = load_policy(Path::new("examples/policies/cppi.toml")).unwrap();
    let fees = read_base_fees(&data.join("../gas/eth_daily_gas_price_wei_2015_2023.csv")).unwrap();
    let setting = Setting::default();
    let entrants = [Entrant::Policy, Entrant::Threshold, Entrant::Daily];
    for (file, capital, plain, of_the_time, broken) in told() {
        let bars = Bars::read(&data.join(format!("{file}.csv"))).unwrap();
        let ticks: Vec<Tick> = ticks(bars.bars(), bars.step_seconds(), Order::Olhc).collect();
        let go = |base_fees, entrants| {
            let start = Start::Capital(Decimal::from(capital));
            let past = Past { ticks: &ticks, base_fees, setting: &setting, start };
            let entries = contest(&past, &policy, entrants, NonZeroUsize::new(2).unwrap()).unwrap();
            let metrics = entries[0].metrics;
            assert_eq!(metrics.cash_lock, 0.0, "{file} {capital}: {metrics:?}");
            (entries, (metrics.lowest_cushion.round(), metrics.last_cushion.round()))
        };
        let (entries, came) = go(&[], &entrants);
        assert!(came == plain && came.1 > 0.0, "{file} {capital}: {came:?}");
        let fell = |entry: &&Entry| entry.metrics.cash_lock > 0.0 || entry.metrics.last_cushion < 0.0;
        let below = entries.iter().filter(fell);
        assert_eq!(below.map(|entry| entry.entrant).collect::<Vec<_>>(), broken, "{file} {capital}");
        assert_eq!(go(&fees, &entrants[..1]).1, of_the_time, "{file} {capital}");
    }
}

/// Every decision of every file in full, and at a glance where it surely holds.
#[test]
fn crash_what_is_glanced_at_comes_to_what_is_decided_in_full() {
    let Some(data) = data::data("prices") else { return };
    let setting = Setting::default();
    // A threshold leaves nothing to be glanced at.
    for (policy, least) in [("cppi", 0.5), ("tipp", 0.5), ("volatility-target", 0.0)] {
        let keeper =
            Keeper::Policy(load_policy(Path::new(&format!("examples/policies/{policy}.toml"))).unwrap());
        for (file, order) in [
            ("eth_usdt_1h_2019_2023", Order::Olhc),
            ("eth_usdt_1m_2021-05_crash", Order::Close),
            ("eth_usdt_5m_2022-h1_luna", Order::Olhc),
        ] {
            let bars = Bars::read(&data.join(format!("{file}.csv"))).unwrap();
            let ticks: Vec<Tick> = ticks(bars.bars(), bars.step_seconds(), order).collect();
            let start = Start::Capital(Decimal::from(250_000));
            let past = Past { ticks: &ticks, base_fees: &[], setting: &setting, start };
            let (mut full, mut glanced, mut aims, mut steps, mut quiet) =
                (Gauge::default(), Gauge::default(), Vec::new(), 0_usize, 0.0);
            let decided = watch(&past, &keeper, |sight| {
                full.see(sight.step);
                aims.push(sight.step.aim.map(|aim| (aim.target, aim.price)));
                ControlFlow::Continue(())
            })
            .unwrap();
            let seen = walk(&past, &keeper, |step| {
                glanced.see(step);
                assert_eq!(
                    step.aim.map(|aim| (aim.target, aim.price)),
                    aims[steps],
                    "{policy} {file} {steps}"
                );
                quiet += f64::from(step.aim.is_some_and(|aim| aim.band.is_none()));
                steps += 1;
            })
            .unwrap();
            assert_eq!(decided, seen, "{policy} {file}");
            assert_eq!(full.metrics(&decided), glanced.metrics(&seen), "{policy} {file}");
            let part = quiet / f64::from(u32::try_from(steps).unwrap());
            assert!(part >= least, "{policy} {file}: {part}");
        }
    }
}
