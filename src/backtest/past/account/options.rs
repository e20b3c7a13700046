//! What an option book has brought and taken, in exact decimals of the asset's own digits.

use rust_decimal::Decimal;
use serde::Serialize;

use super::{Account, less, sum};

/// The option book in the books of its vault, units of the asset.
///
/// A rule that it keeps to the last digit: what it has earned since the beginning is `premiums + payoffs + mark − brought`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct OptionAccount {
    /// What the vault has laid into the book for what it has written.
    pub posted: Decimal,
    /// What the open positions are worth beyond that, by the policy's own model at the market's price; below 0 where the vault owes.
    pub mark: Decimal,
    /// What they were worth that the vault began with.
    pub brought: Decimal,
    /// Premiums received less those paid.
    pub premiums: Decimal,
    /// Payoffs received less those owed, of what has ended.
    pub payoffs: Decimal,
}

impl OptionAccount {
    /// What it is worth now.
    #[must_use]
    pub fn worth(&self) -> Decimal {
        sum(self.posted, self.mark)
    }

    /// What it has earned since the beginning.
    #[must_use]
    pub fn earned(&self) -> Decimal {
        less(sum(sum(self.premiums, self.payoffs), self.mark), self.brought)
    }
}

impl Account {
    /// What the vault begins with in its book, which came in like what it holds.
    pub fn bring_options(&mut self, options: OptionAccount) {
        self.flows = sum(self.flows, options.worth());
        self.options = Some(options);
    }

    /// An option is opened: the vault lays `posted` into the book, of which a `premium` that it receives is a part; below 0 one that
    /// it pays.
    pub fn open_option(&mut self, posted: Decimal, premium: Decimal) {
        let options = self.options.get_or_insert_default();
        options.posted = sum(options.posted, posted);
        options.premiums = sum(options.premiums, premium);
        self.cash = sum(less(self.cash, posted), premium);
    }

    /// An option ends: the vault gets back what it has `posted`, and the `payoff`; below 0 what it owes.
    pub fn settle_option(&mut self, posted: Decimal, payoff: Decimal) {
        let options = self.options.get_or_insert_default();
        options.posted = less(options.posted, posted);
        options.payoffs = sum(options.payoffs, payoff);
        self.cash = sum(sum(self.cash, posted), payoff);
    }

    /// The open options are worth `mark` beyond what the vault has laid into the book.
    pub fn mark_options(&mut self, mark: Decimal) {
        self.options.get_or_insert_default().mark = mark;
    }
}
