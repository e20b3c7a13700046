//! Development accounts that sign locally and count their own nonces, so that sending needs no questions first.

use std::fmt;

use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEnvelope},
    eips::eip2718::Encodable2718,
    hex,
    primitives::{Address, Bytes, TxKind},
    signers::{SignerSync, local::PrivateKeySigner},
};
use eyre::{Context, Result, eyre};

/// Who acts on the stage; each has one of anvil's development keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Deploys and owns every contract.
    Owner,
    /// The keeper under test.
    Keeper,
    /// May pause the vault.
    Guardian,
    /// Reports prices to the feeds.
    Oracle,
    /// Keeps the pool at the market's price.
    Arbitrageur,
    /// Owns the pool's liquidity.
    LiquidityProvider,
    /// Deposits into the vault.
    Depositor,
    /// Anyone: pokes, deleverages, attacks, deals in options.
    Stranger,
}

impl Actor {
    /// The position of its key among anvil's development keys.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// A key with its next nonce.
#[derive(Clone)]
pub struct Account {
    signer: PrivateKeySigner,
    chain_id: u64,
    nonce: u64,
}

/// What a transaction does, its fees and nonce apart.
#[derive(Clone, Debug)]
pub struct Call {
    /// The contract called, or a creation.
    pub to: TxKind,
    /// Calldata or creation code.
    pub input: Bytes,
    /// Gas limit.
    pub gas: u64,
}

impl fmt::Debug for Account {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Account")
            .field("address", &self.address())
            .field("nonce", &self.nonce)
            .finish()
    }
}

/// Wei per gas; far above any base fee of a path, so that the market's own transactions are always mined.
const MAX_FEE_PER_GAS: u128 = 20_000_000_000_000;

impl Account {
    /// An account whose next transaction has `nonce`.
    #[must_use]
    pub const fn new(signer: PrivateKeySigner, chain_id: u64, nonce: u64) -> Self {
        Self { signer, chain_id, nonce }
    }

    /// Its address.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.signer.address()
    }

    /// Its private key as 64 hexadecimal digits with `0x`; a public development key, worth nothing elsewhere.
    #[must_use]
    pub fn private_key(&self) -> String {
        hex::encode_prefixed(self.signer.to_bytes())
    }

    /// The signer, to hand to a wallet.
    #[must_use]
    pub const fn signer(&self) -> &PrivateKeySigner {
        &self.signer
    }

    /// The nonce of the next transaction.
    #[must_use]
    pub const fn nonce(&self) -> u64 {
        self.nonce
    }

    /// Signs `call` with the next nonce and counts it; returns the encoded transaction. The tip is zero: the
    /// stage mines in order of arrival.
    ///
    /// # Errors
    /// Signing fails, or the nonces are used up.
    pub fn sign(&mut self, call: Call) -> Result<Bytes> {
        let transaction = TxEip1559 {
            chain_id: self.chain_id,
            nonce: self.nonce,
            gas_limit: call.gas,
            max_fee_per_gas: MAX_FEE_PER_GAS,
            to: call.to,
            input: call.input,
            ..TxEip1559::default()
        };
        let signature = self.signer.sign_hash_sync(&transaction.signature_hash()).wrap_err("sign")?;
        self.nonce = self.nonce.checked_add(1).ok_or_else(|| eyre!("nonces are used up"))?;
        Ok(TxEnvelope::from(transaction.into_signed(signature)).encoded_2718().into())
    }
}
