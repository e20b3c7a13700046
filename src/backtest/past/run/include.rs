//! What was sent is included, and who comes and goes is booked.

use alloy::primitives::U256;
use rust_decimal::Decimal;

use super::{Keeper, Rebalance, Sent, Walk, base_fee};
use crate::backtest::BacktestError;
use crate::backtest::ledger::Exchange;
use crate::backtest::past::account::{Account, Traded};
use crate::backtest::past::setting::Flow;
use crate::backtest::past::world::Done;

impl Walk<'_> {
    /// What was sent comes into a block: it is carried out or reverts, and its gas is paid.
    pub(super) fn include(&mut self, sent: Sent) -> Result<(), BacktestError> {
        let Sent { decided, due, reason, trade } = sent;
        let price = self.arrive(due)?;
        self.account.mark(price)?;
        let policy = self.published().policy();
        let expired = due.saturating_sub(decided) > policy.execution.deadline_seconds;
        let done = if expired { None } else { self.world.carry_out(trade.sell_risky, &trade.swaps)? };
        let before = self.account;
        for done in done.iter().flatten() {
            self.account.trade(&self.traded(done)?, price)?;
        }
        let swaps = u64::try_from(trade.swaps.len()).unwrap_or(u64::MAX).max(1);
        let further = policy.gas.swap_units.saturating_mul(swaps.saturating_sub(1));
        let units = policy.gas.rebalance_units.saturating_add(further);
        let gas = u128::from(units).saturating_mul(policy.gas.price(base_fee(self.past, due)).into());
        let wei = U256::from(gas).saturating_add(self.world.data_fee(swaps));
        self.account.pay(self.sending(wei, price)?);
        if matches!(self.keeper, Keeper::Hold(_)) && done.is_some() {
            self.rests = true;
        }
        let part = |of: fn(&Account) -> Decimal| of(&self.account).saturating_sub(of(&before));
        self.outcome.rebalances.push(Rebalance {
            decided,
            included: due,
            price,
            sell: trade.sell_risky,
            reason,
            mandatory: trade.mandatory,
            value: part(|account| account.turnover),
            fees: part(|account| account.fees),
            impact: part(|account| account.impact),
            gas: part(|account| account.gas),
            reverted: done.is_none(),
        });
        Ok(())
    }

    fn traded(&self, done: &Done) -> Result<Traded, BacktestError> {
        let Exchange { sell_risky: sell, amount_in, amount_out } = done.exchange;
        let (asset, risky) = if sell { (amount_out, amount_in) } else { (amount_in, amount_out) };
        let (cash, units) = self.world.whole((asset, risky))?;
        let (asset_fee, risky_fee) = self.world.whole((done.fee, done.fee))?;
        Ok(Traded { sell, cash, units, fee: if sell { risky_fee } else { asset_fee } })
    }

    /// USD of so much of the native coin, to 18 places.
    fn sending(&self, wei: U256, price: Decimal) -> Result<Decimal, BacktestError> {
        let coin = self.world.native_usd()?.unwrap_or(price);
        let whole =
            i128::try_from(wei).ok().and_then(|whole| Decimal::try_from_i128_with_scale(whole, 18).ok());
        let usd = whole.and_then(|coins| coins.checked_mul(coin)).ok_or(BacktestError::Number("gas"))?;
        Ok(usd.round_dp(18))
    }

    /// Somebody comes or goes.
    pub(super) fn flow(&mut self, flow: Flow, price: Decimal) -> Result<(), BacktestError> {
        let (asset, risky, comes) = self.world.flow(flow.amount)?;
        let (cash, units) = self.world.whole((asset, risky))?;
        let sign = if comes { Decimal::ONE } else { Decimal::NEGATIVE_ONE };
        self.account.flow((cash.saturating_mul(sign), units.saturating_mul(sign)), price)
    }
}
