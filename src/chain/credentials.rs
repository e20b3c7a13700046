//! Signed requests, by which a private relay knows who asks.

use std::fmt;

use alloy::primitives::keccak256;
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;

/// A key that signs requests. It names the sender to a relay and holds no funds: never one that signs transactions.
#[derive(Clone)]
pub struct Credentials(PrivateKeySigner);

impl Credentials {
    /// Those of `key`.
    #[must_use]
    pub const fn new(key: PrivateKeySigner) -> Self {
        Self(key)
    }

    /// The header for a request with this body: the account, a colon, and its signature (EIP-191) of the body's hash in
    /// hexadecimal digits (Flashbots, "Authentication").
    ///
    /// # Errors
    /// Why it cannot be signed.
    pub(super) fn header(&self, body: &[u8]) -> Result<(&'static str, String), String> {
        let hash = keccak256(body).to_string();
        let signature = self.0.sign_message_sync(hash.as_bytes()).map_err(|error| error.to_string())?;
        Ok(("X-Flashbots-Signature", format!("{}:{signature}", self.0.address())))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({})", self.0.address())
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::Signature;

    use super::*;

    #[test]
    fn a_relay_can_tell_from_header_and_body_who_asked() {
        let key: PrivateKeySigner = format!("{:064x}", 1).parse().unwrap();
        let body = br#"{"jsonrpc":"2.0","id":1,"method":"eth_sendPrivateTransaction","params":[]}"#;
        let (name, value) = Credentials::new(key.clone()).header(body).unwrap();
        assert_eq!(name, "X-Flashbots-Signature");
        let (account, signature) = value.split_once(':').unwrap();
        assert_eq!(account, "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf");
        let signature: Signature = signature.parse().unwrap();
        let signed = keccak256(body).to_string();
        assert_eq!(signature.recover_address_from_msg(signed.as_bytes()).unwrap(), key.address());
        assert!(!format!("{:?}", Credentials::new(key)).contains("0000001"));
    }
}
