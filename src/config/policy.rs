//! Policy files: which keys they have, and how one becomes a [`PublishedPolicy`].

use std::path::Path;

use super::document::Document;
use super::mistakes::Mistake;
use super::shapes::{kinds, table, words};
use super::{ConfigError, published, read_file};
use crate::domain::limits::{Limits, TwapLimit};
use crate::domain::policy::{
    BoundPolicy, ChainKind, Estimator, ExecutionPolicy, ExecutionStyle, FeedPolicy, FeedsPolicy, FloorPolicy,
    GapPolicy, GarchPolicy, GasPolicy, GreekBounds, ImpliedPolicy, Policy, PublishedPolicy, ReservePolicy,
    RiskPolicy, SequencerPolicy, SmileExpiry, SmilePoint, Source, StrategyPolicy, TradeTo, Trigger,
    VenuePolicy, VolatilityPolicy, default_vol_of_vol,
};
use crate::domain::units::{Ratio, Units};

/// Reads, checks and hashes the policy in `path`: in TOML, or in its published form as `keeper policy show` prints it.
///
/// # Errors
/// [`ConfigError::Mistakes`] with every wrong key; [`ConfigError::Missing`] or [`ConfigError::Unreadable`] for the file.
pub fn load_policy(path: &Path) -> Result<PublishedPolicy, ConfigError> {
    let text = read_file(path, "name the file of a policy; examples/policies/cppi.toml is one")?;
    Ok(parse_policy(path, &text)?)
}

/// Reads, checks and hashes the policy in `text`, in whichever of its forms it is; `file` names it in mistakes.
///
/// # Errors
/// Every mistake in it.
pub(super) fn parse_policy(file: &Path, text: &str) -> Result<PublishedPolicy, Vec<Mistake>> {
    if published::is_json(text) {
        let text = published::as_toml(file, text.trim())?;
        checked(file, Document::read_canonical(file, &text)?)
    } else {
        checked(file, Document::read(file, text)?)
    }
}

fn checked(file: &Path, mut document: Document<'_, Policy>) -> Result<PublishedPolicy, Vec<Mistake>> {
    document.note(document.value().violations());
    PublishedPolicy::new(document.finish()?).map_err(|error| {
        vec![Mistake {
            file: file.to_owned(),
            line: 1,
            column: 1,
            key: String::new(),
            message: error.to_string(),
        }]
    })
}

table!(Policy {
    name,
    chain_id,
    strategy,
    floor,
    risk = RiskPolicy::default(),
    gap = GapPolicy::default(),
    reserve,
    volatility,
    trigger = Trigger::default(),
    gas,
    feeds,
    venues,
    limits,
    execution = ExecutionPolicy::default(),
});
kinds!(StrategyPolicy {
    "cppi" => Cppi { multiplier, cap },
    "constant_weight" => ConstantWeight { weight },
    "volatility_target" => VolatilityTarget { annual, cap, vol_of_vol = default_vol_of_vol() },
    "delta_hedge" => DeltaHedge {
        book, target_delta = Units::ZERO, rate = Ratio::ZERO, carry = Ratio::ZERO, implied, bounds
    },
    "combined" => Combined { primary, bounds },
});
kinds!(ImpliedPolicy {
    "feed" => Feed { address, max_age_seconds },
    "smile" => Smile { expiries },
    "estimate" => Estimate {},
});
table!(SmileExpiry { days, points });
table!(SmilePoint { delta, strike, volatility });
table!(GreekBounds { vega, gamma, theta });
kinds!(BoundPolicy {
    "cushion" => Cushion { multiplier },
    "volatility" => Volatility { annual },
    "weight" => Weight { most },
});
kinds!(FloorPolicy {
    "fixed" => Fixed { share },
    "accruing" => Accruing { share, rate },
    "ratchet" => Ratchet { share, peak_share },
});
table!(RiskPolicy defaults { aversion, horizon_seconds });
table!(GapPolicy defaults { outage_seconds, quantile, jump, safety, jumps_per_year, jump_mean, floor_weight });
table!(ReservePolicy { exit_gas_price_wei, exit_data_fee_wei = 0, feed_deviation_bps });
table!(VolatilityPolicy { floor = VolatilityPolicy::default_floor(), source = Source::default(), estimator });
kinds!(Source {
    "feed" => Feed {},
    "pool" => Pool { step_seconds },
});
kinds!(Estimator {
    "fixed" => Fixed { annual },
    "ewma" => Ewma { half_life_hours, rounds, min_rounds, max_gap_seconds, fallback },
    "realised" => Realised { window_hours, rounds, min_rounds, max_gap_seconds, fallback },
    "garch11" => Garch11 {
        step_seconds, horizon_steps, parameters, rounds, min_rounds, max_gap_seconds, fallback
    },
    "har" => Har { period_seconds, medium, long, rounds, min_rounds, max_gap_seconds, fallback },
});
kinds!(GarchPolicy {
    "fitted" => Fitted {},
    "stated" => Stated { long_run, alpha, beta },
});
kinds!(Trigger {
    "economic" => Economic {},
    "threshold" => Threshold { fraction, to },
    "interval" => Interval { seconds },
    "any" => Any { of },
    "all" => All { of },
    "volatility_scaled" => VolatilityScaled { reference, trigger },
});
words!(TradeTo { "target" => Target, "edge" => Edge });
table!(GasPolicy {
    chain = ChainKind::default(),
    rebalance_units,
    swap_units = GasPolicy::default_swap_units(),
    reference_tip_wei,
});
words!(ChainKind { "ethereum" => Ethereum, "op_stack" => OpStack, "arbitrum" => Arbitrum });
table!(FeedsPolicy { risky_usd, asset_usd, native_usd, sequencer });
table!(FeedPolicy { address, heartbeat_seconds, margin_seconds, min, max });
table!(SequencerPolicy { address, grace_seconds });
kinds!(VenuePolicy {
    "uniswap_v3" => UniswapV3 { pool, tick_words },
    "uniswap_v2" => UniswapV2 { pair },
});
table!(Limits {
    max_trade,
    min_trade,
    max_slippage_bps,
    max_price_deviation_bps,
    twap,
    max_depeg_bps,
    max_gas_price_wei,
    max_urgent_gas_price_wei,
});
table!(TwapLimit { window_seconds, max_deviation_bps });
table!(ExecutionPolicy defaults { deadline_seconds, tolerance_bps, monitoring_seconds, cost_margin, style });
kinds!(ExecutionStyle {
    "once" => Once {},
    "twap" => Twap { slices, interval_seconds },
});
