//! A world in which nothing costs anything and everybody is at once where the market is.

use vault_keeper::backtest::past::setting::{Feed, Gas, Keeper, Pools, Setting};

pub(crate) fn frictionless() -> Setting {
    Setting {
        pools: Pools {
            fee_pips: 0,
            depth: "1000000000000000".parse().unwrap(),
            concentrated: None,
            arbitrage_seconds: 0,
            ..Pools::default()
        },
        feed: Feed { heartbeat_seconds: 1, deviation_bps: 0 },
        keeper: Keeper { inclusion_seconds: 0 },
        gas: Gas { base_fee_wei: 0, ..Gas::default() },
        ..Setting::default()
    }
}
