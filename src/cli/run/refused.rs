//! A start that another process stands in the way of, as far as the journal of this one can tell of it.

use eyre::WrapErr;

use super::sighting::Sighting;
use super::{Context, Failure};
use crate::cli::connect::pool;
use crate::config::{ChainConfig, SignerConfig, VaultConfig};
use crate::journal::{Absence, Journal};

/// Records at the newest block that the vaults of `signer`, whose key another process holds, are not kept. Where the block
/// cannot be had that is only logged: then the journal says no more than that a process began.
pub(super) async fn note(
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
