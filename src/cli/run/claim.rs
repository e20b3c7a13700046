//! The keys of a process that begins; and where another one holds one, what the journal of this one can tell of that.

use alloy::primitives::Address;
use eyre::WrapErr;

use super::sighting::Sighting;
use super::{Context, Failure};
use crate::cli::connect::pool;
use crate::config::{ChainConfig, SignerConfig, VaultConfig};
use crate::journal::{Absence, Journal, JournalError};

/// Claims the key of a signer, which is that of an account, for this process. Where another one holds it, that is recorded.
///
/// # Errors
/// As [`Journal::claim`].
pub(super) async fn claimed(
    context: &Context,
    journal: &Journal,
    about: (&ChainConfig, &[&VaultConfig]),
    (signer, account): (&SignerConfig, Address),
) -> Result<(), JournalError> {
    let directories: Vec<_> = context.environment.key_locks().into_iter().collect();
    let claimed = journal.claim(about.0.id, account, &directories);
    if let Err(JournalError::KeyInUse { .. }) = claimed {
        note(context, journal, about, signer).await;
    }
    claimed
}

/// Records at the newest block that the vaults of `signer`, whose key another process holds, are not kept. Where the block
/// cannot be had that is only logged: then the journal says no more than that a process began.
async fn note(
    context: &Context,
    journal: &Journal,
    (chain, vaults): (&ChainConfig, &[&VaultConfig]),
    signer: &SignerConfig,
) {
    let kept = vaults.iter().filter(|vault| vault.signers.iter().any(|other| other.name == signer.name));
    let kept: Vec<_> = kept.map(|vault| vault.address).collect();
    let noted = async {
        let pool = pool(chain, &context.environment).await.map_err(Failure::into_report)?;
        let lease = pool.reader().wrap_err("no endpoint")?;
        let header = lease.latest_header().await.wrap_err("the newest block")?;
        pool.agree(&lease, &header).await.wrap_err("the newest block")?;
        let roster = journal.record_roster(chain.id, kept).await?;
        Sighting::of(&roster, Absence::KeyHeld).record(journal, &roster, &header).await?;
        eyre::Ok(())
    };
    if let Err(error) = noted.await {
        let error = format!("{error:#}");
        tracing::warn!(chain = %chain.name, %error, "that the key is held is not in the journal");
    }
}
