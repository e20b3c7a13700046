//! `keeper tx cancel` and `keeper tx speed-up`: asked of the keeper that runs, or done here where none does.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use eyre::{WrapErr, eyre};
use serde::Serialize;

use crate::cli::connect::{configuration, pool, sending};
use crate::cli::keys::Keys;
use crate::cli::output::Row;
use crate::cli::run::unopened;
use crate::cli::{Context, Failure, Outcome};
use crate::config::{ChainConfig, Config};
use crate::execution::{Engine, KeeperKey};
use crate::journal::{IntentEntry, Journal, JournalError, Request, Requests};

/// Cancels an intent that is under way: a transfer of nothing takes its nonce, unless its transaction is mined first.
///
/// A keeper that runs is asked to, and does so within seconds; where none runs it is done here. The keeper plans anew
/// afterwards: stop it, or pause the vault, where that is not wanted.
#[derive(Debug, Args)]
pub(super) struct Cancel {
    /// Number of the intent.
    #[arg(value_name = "INTENT")]
    intent: i64,
}

/// Bids more for an intent that is under way, at once and within the caps of the configuration.
///
/// A keeper that runs is asked to, and does so within seconds; where none runs it is done here. It exits with 1 where
/// nothing was signed.
#[derive(Debug, Args)]
pub(super) struct SpeedUp {
    /// Number of the intent.
    #[arg(value_name = "INTENT")]
    intent: i64,
}

/// What came of it.
#[derive(Serialize)]
struct Printed {
    intent: String,
    nonce: String,
    /// Whether it was done here; otherwise the keeper that runs was asked to.
    done: bool,
    state: &'static str,
    attempts: usize,
    /// Transactions that were signed here.
    signed: usize,
}

impl Cancel {
    pub(super) async fn run(&self, context: &Context) -> Outcome {
        act(context, self.intent, &Request::Cancel { intent: self.intent }).await
    }
}

impl SpeedUp {
    pub(super) async fn run(&self, context: &Context) -> Outcome {
        act(context, self.intent, &Request::SpeedUp { intent: self.intent }).await
    }
}

async fn act(context: &Context, number: i64, request: &Request) -> Outcome {
    let config = configuration(context)?;
    let (entry, requests) = open_intent(&config, number).await?;
    let before = entry.attempts.len();
    let (entry, done) = match Journal::open(&config.journal).await {
        Ok(journal) => (here(context, &config, Arc::new(journal), (&entry, request)).await?, true),
        Err(JournalError::InUse { .. }) => {
            requests.leave(request).wrap_err("the keeper that runs cannot be asked")?;
            (entry, false)
        }
        Err(error) => return Err(unopened(error)),
    };
    let printed = Printed {
        intent: number.to_string(),
        nonce: entry.record.nonce.to_string(),
        done,
        state: entry.last_event.state.name(),
        attempts: entry.attempts.len(),
        signed: entry.attempts.len().saturating_sub(before),
    };
    context.output.print(&printed, rows)?;
    let in_vain = done && printed.signed == 0 && matches!(request, Request::SpeedUp { .. });
    Ok(if in_vain { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The intent of this number, which is not final, and how the keeper that runs is asked about it.
async fn open_intent(config: &Config, number: i64) -> Result<(IntentEntry, Requests), Failure> {
    let journal = Journal::open_read_only(&config.journal).await.map_err(unopened)?;
    let entry = journal.intent(number.into()).await.map_err(eyre::Report::from)?;
    let entry = entry.ok_or_else(|| Failure::usage(eyre!("there is no intent {number} in the journal")))?;
    // Beside the file itself, whatever links lead to it.
    let requests = journal.requests(entry.record.chain_id);
    journal.close().await;
    let state = entry.last_event.state;
    if state.is_final() {
        return Err(Failure::usage(eyre!("intent {number} is final: {}", state.name())));
    }
    Ok((entry, requests))
}

/// Does it with the key of the intent, and says where it stands then.
async fn here(
    context: &Context,
    config: &Config,
    journal: Arc<Journal>,
    (entry, request): (&IntentEntry, &Request),
) -> Result<IntentEntry, Failure> {
    let chain = config.chains.iter().find(|chain| chain.id == entry.record.chain_id);
    let chain = chain
        .ok_or_else(|| Failure::usage(eyre!("the configuration has no chain {}", entry.record.chain_id)))?;
    let key = key(context, config, chain, entry).await?;
    let directories: Vec<_> = context.environment.key_locks().into_iter().collect();
    journal.claim(chain.id, key.address(), &directories).map_err(unopened)?;
    let pool = Arc::new(pool(chain, &context.environment).await?);
    let engine = Engine::new(pool, journal.clone(), key, sending(&config.sending, chain));
    engine.asked(request).await.wrap_err("it cannot be done")?;
    engine.resolve().await.wrap_err("it was not sent yet: start the keeper, or try again")?;
    let entry = journal.intent(entry.id).await.map_err(eyre::Report::from)?;
    Ok(entry.ok_or_else(|| eyre!("the intent is gone from the journal"))?)
}

/// The key that signed the intent.
async fn key(
    context: &Context,
    config: &Config,
    chain: &ChainConfig,
    entry: &IntentEntry,
) -> Result<KeeperKey, Failure> {
    let (mut names, mut keys) = (std::collections::BTreeSet::new(), Keys::new(context));
    let vaults = config.vaults.iter().filter(|vault| vault.chain.id == chain.id);
    for signer in vaults.flat_map(|vault| &vault.signers) {
        if !names.insert(&signer.name) {
            continue;
        }
        let key = keys.key(signer, chain).await?;
        if key.address() == entry.record.sender {
            return Ok(key);
        }
    }
    let sender = entry.record.sender;
    Err(Failure::usage(eyre!("no signer of the configuration has the key of {sender}, which signed it")))
}

fn rows(printed: &Printed) -> Vec<Row> {
    let Printed { state, attempts, .. } = printed;
    let done = match (printed.done, printed.signed) {
        (false, _) => "the keeper that runs is asked to, and does so within seconds".to_owned(),
        (true, 0) => format!("it is {state}; nothing was signed, what was said above is why"),
        (true, _) => format!("done; it is {state} with {attempts} signed transactions"),
    };
    vec![("intent", printed.intent.clone()), ("nonce", printed.nonce.clone()), ("outcome", done)]
}
