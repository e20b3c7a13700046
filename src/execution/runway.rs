//! How long the balance of a key lasts.

use std::sync::atomic::Ordering;

use alloy::primitives::U256;

use super::{Engine, FeeQuote, FeeRequest, Refusal, SendingConfig, quote};
use crate::chain::{At, ChainError, Endpoint, Header};

/// Chain time between two looks at the balance, seconds.
const BETWEEN_LOOKS: u64 = 600;

/// What a transaction is reckoned to need before it is planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reckoned {
    /// Its gas.
    pub gas: u64,
    /// Wei that it costs beside that: the data fee of a rollup that takes one apart.
    pub beside_gas: U256,
}

impl SendingConfig {
    /// A gas limit for what needs so much, rounded up.
    #[must_use]
    pub fn gas_limit(&self, needed: u64) -> u64 {
        let margin = u128::from(self.gas_margin_bps).saturating_add(10_000);
        u64::try_from(u128::from(needed).saturating_mul(margin).div_ceil(10_000)).unwrap_or(u64::MAX)
    }

    /// The fees that it would be sent at now, as far as the caps allow it.
    ///
    /// # Errors
    /// [`Refusal::FeeOverCap`] where they do not.
    pub fn quoted(&self, next_base_fee: u64, reckoned: Reckoned) -> Result<FeeQuote, Refusal> {
        let Reckoned { gas, beside_gas } = reckoned;
        let (gas_limit, suggested_tip, committed_today) = (self.gas_limit(gas), None, U256::ZERO);
        quote(
            &FeeRequest { next_base_fee, suggested_tip, gas_limit, beside_gas, committed_today },
            &self.fees,
        )
    }

    /// Most wei that it locks up at so much per gas.
    #[must_use]
    pub fn locked_up(&self, per_gas: u128, reckoned: Reckoned) -> U256 {
        let gas = U256::from(self.gas_limit(reckoned.gas)).saturating_mul(U256::from(per_gas));
        gas.saturating_add(reckoned.beside_gas)
    }

    /// Most wei that it can ever lock up.
    #[must_use]
    pub fn locked_up_at_caps(&self, reckoned: Reckoned) -> U256 {
        self.locked_up(self.fees.max_fee_per_gas, reckoned).min(self.fees.max_per_transaction)
    }
}

impl Engine {
    /// Tells people where the balance is good for few such transactions, whether there are any to send or not. It
    /// looks once in ten minutes of chain time; a look that fails is made again at the next head.
    pub async fn watch_runway(&self, endpoint: &Endpoint, head: &Header, reckoned: Reckoned) {
        if head.timestamp < self.next_runway.load(Ordering::Relaxed) {
            return;
        }
        match self.look_at_balance(endpoint, head, reckoned).await {
            Ok(()) => self.next_runway.store(head.timestamp.saturating_add(BETWEEN_LOOKS), Ordering::Relaxed),
            Err(error) => tracing::warn!(sender = %self.sender(), %error, "its balance cannot be read"),
        }
    }

    async fn look_at_balance(
        &self,
        endpoint: &Endpoint,
        head: &Header,
        reckoned: Reckoned,
    ) -> Result<(), ChainError> {
        let balance = endpoint.balance(self.sender(), At::Hash(head.hash)).await?;
        let base_fee = head.next_base_fee(endpoint.kind()).unwrap_or_default();
        let each = match self.config.quoted(base_fee, reckoned) {
            Ok(fees) => self.config.locked_up(fees.max_fee_per_gas, reckoned),
            Err(_) => self.config.locked_up_at_caps(reckoned),
        };
        self.warn_of_the_runway(each, balance);
        Ok(())
    }

    /// Tells people where the balance is good for few transactions of `each` wei.
    pub(super) fn warn_of_the_runway(&self, each: U256, balance: U256) {
        let left = balance.checked_div(each).unwrap_or(U256::MAX);
        if left < U256::from(self.config.runway) {
            let (sender, alert) = (self.sender(), "runway");
            tracing::error!(%sender, alert, %balance, %each, %left, "the key can pay for few more transactions: refill it");
        }
    }
}
