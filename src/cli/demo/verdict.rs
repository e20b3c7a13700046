//! What a demo must have shown to end well.

use crate::report::course::{Contestant, Course};

/// Share of net asset value that must be exposed when the crash begins.
const LEAST_EXPOSURE: f64 = 0.5;
/// Rebalances that the crash must have called for.
const LEAST_REBALANCES: usize = 3;

/// The demo fails where the floor broke and, where `crash` says that there is one, where that demonstrated nothing.
///
/// # Errors
/// What failed.
pub(super) fn verdict(course: &Course, crash: bool) -> eyre::Result<()> {
    let keeper = course.contestants.first().ok_or_else(|| eyre::eyre!("nobody took part"))?;
    if keeper.result.floor_broken() {
        let below = -keeper.result.lowest_cushion;
        eyre::bail!("the floor was broken: {below:.2} below it");
    }
    if crash { demonstrates(course, keeper) } else { Ok(()) }
}

/// At least half of net asset value exposed when the crash begins, and at least three rebalances until its end.
fn demonstrates(course: &Course, keeper: &Contestant) -> eyre::Result<()> {
    let crash = course.crash().and_then(|(begin, end)| {
        Some((keeper.points.get(begin)?, course.market.get(begin)?.time..=course.market.get(end)?.time))
    });
    let (before, during) = crash.ok_or_else(|| eyre::eyre!("nothing is demonstrated: there is no crash"))?;
    eyre::ensure!(
        before.exposure >= LEAST_EXPOSURE * before.nav,
        "nothing is demonstrated: exposure of {:.0} is below half of the net asset value of {:.0} before the crash",
        before.exposure,
        before.nav
    );
    let rebalances = keeper.trades.iter().filter(|trade| during.contains(&trade.time)).count();
    eyre::ensure!(
        rebalances >= LEAST_REBALANCES,
        "nothing is demonstrated: {rebalances} rebalances in the crash, at least {LEAST_REBALANCES} expected"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::course::{MarketPoint, Outcome, Trade, VaultPoint};

    /// Up from 100 to 110 at the second step, down to 60 at the fifth, up again: so much exposed before the crash, and
    /// a rebalance at each of these steps.
    fn course(exposure: f64, rebalances: &[u64], lowest_cushion: f64) -> Course {
        let prices = [100.0, 110.0, 90.0, 80.0, 60.0, 120.0];
        let market =
            (0_u64..).zip(prices).map(|(time, price)| MarketPoint { time, price, base_fee_gwei: 20.0 });
        let points = prices.map(|price| {
            let exposure = if price == 110.0 { exposure } else { 0.0 };
            VaultPoint { time: 0, past: None, nav: 1_000.0, floor: 800.0, exposure, target: None, band: None }
        });
        let trade = |&time: &u64| Trade {
            time,
            price: 0.0,
            sell: true,
            value: 100.0,
            reason: "worth".to_owned(),
            gas: 1.0,
            nav_lost: 1.0,
        };
        let result = Outcome {
            start: 1_000.0,
            end: 1_000.0,
            floor: 800.0,
            lowest_cushion,
            rebalances: rebalances.len(),
            gas: 0.0,
            nav_lost: 0.0,
            reverted: 0,
        };
        let keeper = Contestant {
            name: "keeper".to_owned(),
            points: points.into(),
            trades: rebalances.iter().map(trade).collect(),
            result,
        };
        Course {
            scenario: "crash".to_owned(),
            market: market.collect(),
            sampled_from: None,
            contestants: vec![keeper],
        }
    }

    fn failure(course: &Course, crash: bool) -> String {
        verdict(course, crash).map_or_else(|error| error.to_string(), |()| "none".to_owned())
    }

    #[test]
    fn a_crash_is_from_the_highest_price_before_the_lowest_to_the_lowest() {
        assert_eq!(course(0.0, &[], 1.0).crash(), Some((1, 4)));
        assert_eq!(Course { market: Vec::new(), ..course(0.0, &[], 1.0) }.crash(), None);
    }

    #[test]
    fn half_exposed_before_the_crash_and_three_rebalances_in_it_are_enough() {
        assert_eq!(failure(&course(500.0, &[1, 2, 4], 0.0), true), "none");
    }

    #[test]
    fn a_broken_floor_fails_in_any_market() {
        let broken = course(500.0, &[1, 2, 4], -12.345);
        for crash in [true, false] {
            assert_eq!(failure(&broken, crash), "the floor was broken: 12.35 below it");
        }
    }

    #[test]
    fn a_crash_without_exposure_before_or_rebalances_in_it_demonstrates_nothing() {
        let timid = course(499.0, &[1, 2, 4], 1.0);
        assert!(
            failure(&timid, true)
                .ends_with("exposure of 499 is below half of the net asset value of 1000 before the crash")
        );
        let late = course(500.0, &[0, 2, 4, 5], 1.0);
        assert!(failure(&late, true).ends_with("2 rebalances in the crash, at least 3 expected"));
        assert_eq!(failure(&timid, false), "none");
        assert_eq!(failure(&late, false), "none");
    }
}
