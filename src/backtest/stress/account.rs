//! Where a vault stands, in exact decimals.

use rust_decimal::Decimal;
use serde::Serialize;

use crate::backtest::past::run::Step;

/// Where a vault stands at the market's price, units of the asset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Stand {
    /// Net asset value, to which an open option is nothing, less the gas that was paid since the beginning.
    pub net: Decimal,
    /// Value of the risky units.
    pub exposure: Decimal,
    /// Floor of all shares.
    pub floor: Decimal,
    /// Net value less floor; below zero where the floor is broken.
    pub cushion: Decimal,
}

impl Stand {
    pub(super) fn of(step: &Step) -> Self {
        let net = step.account.counted_net();
        let cushion = net.saturating_sub(step.floor);
        Self { net, exposure: step.account.value, floor: step.floor, cushion }
    }
}
