//! Which key pauses, and that it is no keeper's: the nonces of a keeper's key are the keeper's alone.

use std::sync::Arc;

use alloy::primitives::Address;
use eyre::eyre;

use super::Stop;
use crate::chain::Header;
use crate::chain::pool::Lease;
use crate::cli::{Context, Failure};
use crate::config::{Config, SignerConfig, VaultConfig};
use crate::journal::Journal;
use crate::protocols::vaults::rebalancing_vault;

/// The signer named on the command line, or the vault's guardian.
pub(super) fn signer(
    config: &Config,
    vault: &VaultConfig,
    name: Option<&str>,
) -> Result<Arc<SignerConfig>, Failure> {
    let Some(name) = name else {
        let none = || {
            let what = format!("vault `{}` has no `guardian` in the configuration", vault.name);
            Failure::usage(eyre!(
                "{what}: add the name of the [[signer]] with the guardian's key, or give --signer"
            ))
        };
        return vault.guardian.clone().ok_or_else(none);
    };
    let found = config.signers.iter().find(|signer| signer.name == name).cloned();
    found.ok_or_else(|| {
        let known: Vec<_> = config.signers.iter().map(|signer| signer.name.as_str()).collect();
        let known = known.join(", ");
        Failure::usage(eyre!("there is no signer `{name}` in the configuration; it has: {known}"))
    })
}

/// Refuses the key of a signer that keeps vaults of this chain, and one that the journal has transactions of. Signers
/// whose secrets are not at hand are told by their names and by the chain alone ([`keeps_none`]).
pub(super) async fn not_a_keepers(
    context: &Context,
    config: &Config,
    vault: &VaultConfig,
    key: Address,
) -> Result<(), Failure> {
    let on_chain = config.vaults.iter().filter(|other| other.chain.id == vault.chain.id);
    for (other, signer) in on_chain.flat_map(|other| other.signers.iter().map(move |signer| (other, signer)))
    {
        let address = signer.at_hand(&context.environment).map(|signer| signer.address());
        if address == Some(key) {
            return Err(refused(key, &format!("signer `{}` keeps vault `{}`", signer.name, other.name)));
        }
    }
    if !config.journal.exists() {
        return Ok(());
    }
    let used = async {
        let journal = Journal::open_read_only(&config.journal).await?;
        let next = journal.next_nonce(vault.chain.id, key).await;
        journal.close().await;
        next
    };
    match used.await {
        Ok(None) => Ok(()),
        Ok(Some(_)) => Err(refused(key, "the journal has transactions of it")),
        // A brake that a damaged journal stops is none.
        Err(error) => {
            tracing::warn!(%error, "whether a keeper used this key is not known from the journal");
            Ok(())
        }
    }
}

/// Refuses the key that a configured vault of this chain has as its keeper.
pub(super) async fn keeps_none(
    config: &Config,
    (lease, head): (&Lease, &Header),
    (vault, key): (&VaultConfig, Address),
) -> Result<(), Stop> {
    for other in config.vaults.iter().filter(|other| other.chain.id == vault.chain.id) {
        let state = rebalancing_vault::state(lease, head.hash, other.address).await?;
        if state.is_some_and(|state| state.identity.keeper == key) {
            let why = format!("it is the keeper of vault `{}` on the chain", other.name);
            return Err(Stop::Failure(refused(key, &why)));
        }
    }
    Ok(())
}

fn refused(key: Address, why: &str) -> Failure {
    Failure::usage(eyre!(
        "{key} is a keeper's key ({why}), and its nonces belong to the keeper: pause with the guardian's or the owner's \
         key (--signer)"
    ))
}
