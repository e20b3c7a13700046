//! A strategy of one's own, tried out in the past beside the policy that it is to better:
//!
//! ```text
//! cargo run --release --example write_strategy -- PRICES POLICY
//! ```
//!
//! It is CPPI whose multiplier falls as volatility rises, so that the same loss of the cushion is as likely in every market. All
//! that the policy says beside its strategy holds for it as well: floor, reserve, gap, trigger, costs, limits. What proves good becomes a
//! file in `src/domain/strategies` and a name that a policy can publish; until then no keeper runs it.

#![expect(clippy::print_stdout, reason = "a program for a terminal")]

use std::path::Path;
use std::sync::Arc;

use eyre::{Result, eyre};
use rust_decimal::Decimal;
use vault_keeper::backtest::bars::Bars;
use vault_keeper::backtest::past::metrics::{Gauge, Metrics};
use vault_keeper::backtest::past::opening::Start;
use vault_keeper::backtest::past::prices::{Order, Tick, ticks};
use vault_keeper::backtest::past::run::{Keeper, Past, walk};
use vault_keeper::backtest::past::setting::Setting;
use vault_keeper::config::load_policy;
use vault_keeper::domain::models::cppi::Cppi;
use vault_keeper::domain::reason::Reason;
use vault_keeper::domain::strategies::{Gap, Position, Response, Strategy, Wanted};
use vault_keeper::domain::units::{Ratio, Usd, from_real};

/// `m = loss/σ`, at most `most` and what a gap allows.
#[derive(Debug)]
struct Steady {
    /// Annualised volatility of the cushion that is aimed at.
    loss: f64,
    /// Largest multiplier.
    most: f64,
}

impl Strategy for Steady {
    fn wanted(&self, position: &Position<'_>, gap: &Gap) -> Result<Wanted, Reason> {
        let (books, cushion) = (position.books, position.cushion);
        let multiplier = (self.loss / position.volatility.get()).min(self.most);
        let multiplier = gap.effective(Ratio::new(from_real(multiplier, 12)?));
        let exposure = cushion.net.max(Usd::ZERO).times(multiplier)?.at_most(books.nav);
        // How the target moves with the price, which the no-trade band needs to know.
        let response = Response::Cppi(Cppi {
            multiplier: multiplier.real(),
            cap: 1.0,
            cushion: cushion.net.real(),
            protected: books.floor.plus(cushion.reserve)?.real(),
        });
        Ok(Wanted { exposure, response, multiplier: Some(multiplier) })
    }
}

fn main() -> Result<()> {
    let files: Vec<_> = std::env::args_os().skip(1).collect();
    let [prices, policy] = files.as_slice() else { return Err(eyre!("expected PRICES POLICY")) };
    for (name, metrics) in compared(Path::new(prices), Path::new(policy))? {
        let Metrics { end, max_drawdown, lowest_cushion, rebalances, cost_bps, .. } = metrics;
        println!(
            "{name:12} ends at {end:.0}, lowest cushion {lowest_cushion:.0}, largest drawdown {:.1} %, {rebalances} trades, {cost_bps:.0} bp a year",
            100.0 * max_drawdown
        );
    }
    Ok(())
}

/// What comes of the policy and of the strategy in its place.
pub(crate) fn compared(prices: &Path, policy: &Path) -> Result<[(&'static str, Metrics); 2]> {
    let bars = Bars::read(prices)?;
    let way: Vec<Tick> = ticks(bars.bars(), bars.step_seconds(), Order::Olhc).collect();
    let published = load_policy(policy)?;
    let own = Keeper::Own(published.clone(), Arc::new(Steady { loss: 2.0, most: 5.0 }));
    Ok([("the policy", walked(&way, &Keeper::Policy(published))?), ("steady", walked(&way, &own)?)])
}

fn walked(way: &[Tick], keeper: &Keeper) -> Result<Metrics> {
    let setting = Setting::default();
    let start = Start::Capital(Decimal::from(1_000_000));
    let past = Past { ticks: way, base_fees: &[], setting: &setting, start };
    let mut gauge = Gauge::default();
    let outcome = walk(&past, keeper, |step| gauge.see(step))?;
    Ok(gauge.metrics(&outcome))
}
