//! A key of a Ledger on USB, with its Ethereum app open.

use std::time::Duration;

use alloy_signer_ledger::{HDPath, LedgerSigner};

use crate::config::LedgerKey;
use crate::execution::KeeperKey;

/// Asks for the address.
pub(super) async fn connect(key: &LedgerKey, timeout: Duration) -> eyre::Result<KeeperKey> {
    let signer = LedgerSigner::new(path(key), None).await?;
    Ok(KeeperKey::new(signer, timeout))
}

fn path(key: &LedgerKey) -> HDPath {
    match key {
        LedgerKey::Index(index) => HDPath::Other(format!("m/44'/60'/{index}'/0/0")),
        LedgerKey::Path(path) => HDPath::Other(path.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_by_number_is_that_of_ledgers_own_program() {
        assert_eq!(path(&LedgerKey::Index(3)).to_string(), HDPath::LedgerLive(3).to_string());
        assert_eq!(path(&LedgerKey::Path("m/44'/60'/0'/7".into())).to_string(), "m/44'/60'/0'/7");
    }
}
