//! Ranges of the limits that no strategy passes.

use super::rules::Rules;
use crate::domain::limits::Limits;
use crate::domain::units::Usd;

pub(super) fn limits(rules: &mut Rules, limits: &Limits) {
    rules.require(limits.max_trade > Usd::ZERO, "limits.max_trade", "expected a value above 0");
    rules.require(limits.min_trade >= Usd::ZERO, "limits.min_trade", "expected at least 0");
    rules.compare(
        limits.min_trade <= limits.max_trade,
        "limits.min_trade",
        "limits.max_trade",
        "expected at most `max_trade`",
    );
    rules.bps("limits.max_slippage_bps", limits.max_slippage_bps);
    rules.bps("limits.max_price_deviation_bps", limits.max_price_deviation_bps);
    rules.bps("limits.max_depeg_bps", limits.max_depeg_bps);
    if let Some(twap) = &limits.twap {
        rules.positive("limits.twap.window_seconds", u64::from(twap.window_seconds));
        rules.bps("limits.twap.max_deviation_bps", twap.max_deviation_bps);
    }
    rules.positive("limits.max_gas_price_wei", limits.max_gas_price_wei);
    rules.compare(
        limits.max_urgent_gas_price_wei >= limits.max_gas_price_wei,
        "limits.max_urgent_gas_price_wei",
        "limits.max_gas_price_wei",
        "expected at least `max_gas_price_wei`",
    );
}
