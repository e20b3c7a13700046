//! The signals that ask a command to end.

use eyre::WrapErr;
use tokio::signal::unix::{SignalKind, signal};

/// Waits for ctrl-c, or for the signal that service managers send.
///
/// # Errors
/// Where signals cannot be waited for.
pub(super) async fn interrupted() -> eyre::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).wrap_err("signals cannot be waited for")?;
    tokio::select! {
        interrupt = tokio::signal::ctrl_c() => interrupt.wrap_err("signals cannot be waited for"),
        _ = terminate.recv() => Ok(()),
    }
}
