//! The option book on the way: what it is worth is booked at every tick, what has expired is settled, and the next series opened.

use rust_decimal::Decimal;

use super::Walk;
use crate::backtest::BacktestError;
use crate::backtest::past::account::OptionAccount;
use crate::backtest::past::rolls::Roll;
use crate::backtest::past::world::Rolled;

impl Walk<'_> {
    /// What the vault begins with in its book came in like what it holds.
    pub(super) fn bring_options(&mut self, price: Decimal) -> Result<(), BacktestError> {
        if !self.world.has_book() {
            return Ok(());
        }
        self.outcome.rolls = self.world.positions()?;
        let marked = self.world.mark_options(price)?;
        self.account.bring_options(OptionAccount {
            posted: marked.posted,
            mark: marked.mark,
            brought: marked.mark,
            ..OptionAccount::default()
        });
        Ok(())
    }

    /// What has expired is settled, where its price is known.
    pub(super) fn settle_options(&mut self) -> Result<(), BacktestError> {
        if !self.world.has_book() {
            return Ok(());
        }
        for ended in self.world.settle_options()? {
            self.account.settle_option(ended.posted, ended.settled.payoff);
            let number = |roll: &&mut Roll| roll.number == ended.number && roll.settled.is_none();
            if let Some(roll) = self.outcome.rolls.iter_mut().rev().find(number) {
                roll.settled = Some(ended.settled);
            }
        }
        Ok(())
    }

    /// Opens the next series, where it is the time for one, and values what is open.
    pub(super) fn roll(&mut self, price: Decimal) -> Result<(), BacktestError> {
        if !self.world.has_book() {
            return Ok(());
        }
        match self.world.roll(price)? {
            Rolled::Nothing => {}
            Rolled::Refused(why) => {
                let ticks = self.outcome.unrolled.entry(why).or_default();
                *ticks = ticks.saturating_add(1);
            }
            Rolled::Opened(rolls) => {
                for roll in &rolls {
                    let premium = roll.opened.map(|opened| opened.premium).unwrap_or_default();
                    self.account.open_option(roll.posted(), premium);
                }
                self.outcome.rolls.extend(rolls);
            }
        }
        let marked = self.world.mark_options(price)?;
        self.account.mark_options(marked.mark);
        Ok(())
    }
}
