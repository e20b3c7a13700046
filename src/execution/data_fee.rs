//! What a rollup takes for the data of a transaction beside its gas: reckoned before there are bytes, and asked again for
//! the very bytes before they are signed.

use alloy::consensus::TxEip1559;
use alloy::primitives::{Bytes, U256};

use super::Refusal;
use crate::chain::{At, CallRequest, ChainError, Endpoint, Simulated};

/// A data fee as it was reckoned with, and how that of the very bytes is asked for.
#[derive(Debug, Clone, Copy)]
pub struct DataFee {
    /// What the transaction costs on top of its gas, wei; zero where the chain sells its data as gas.
    pub beside_gas: U256,
    /// Most that the data of the very bytes may cost, wei.
    pub most: U256,
    /// The call that asks for it.
    pub ask: fn(&TxEip1559) -> CallRequest,
    /// Wei, of its answer; `None` where that is no fee.
    pub read: fn(&Bytes) -> Option<U256>,
}

impl DataFee {
    /// Asks what the data of `transaction` costs now, on the state that the next block starts from. A refusal where that
    /// is more than it may, or unknown.
    ///
    /// # Errors
    /// A failure of the node.
    pub(super) async fn check(
        &self,
        endpoint: &Endpoint,
        transaction: &TxEip1559,
    ) -> Result<Result<(), Refusal>, ChainError> {
        let fee = match endpoint.call(&(self.ask)(transaction), At::Pending).await? {
            Simulated::Success(answer) => (self.read)(&answer),
            Simulated::Reverted(_) => None,
        };
        let most = self.most;
        Ok(match fee {
            None => Err(Refusal::DataFeeUnknown),
            Some(fee) if fee > most => Err(Refusal::DataFeeOverBound { fee, most }),
            Some(_) => Ok(()),
        })
    }
}
