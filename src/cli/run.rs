//! `keeper run`: the daemon.

mod chain;
mod claim;
mod crew;
mod early;
mod left;
mod people;
mod sighting;
mod watch;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use eyre::WrapErr;
use serde::Serialize;
use tokio::task::JoinSet;

use super::connect::{configuration, head_times, pool, reckoned, sending, vaults};
use super::keys::Keys;
use super::output::Row;
use super::show::{cycle_rows, dispatch_text};
use super::signals::interrupted;
use super::{Context, Failure, Outcome};
use crate::config::{ChainConfig, Config, VaultConfig};
use crate::domain::decision::{DECISION_VERSION, Decision};
use crate::execution::KeeperKey;
use crate::journal::{Journal, JournalError, RunRecord};
use crate::keeper::{Cycle, Dispatch, Keeper};
use chain::{Chain, of, wrong_key};
use crew::Crew;
use left::Left;
use watch::tell;

/// Keeps the configured vaults: at every block read, decide, act, record.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  keeper run\n  keeper run --once --vault main\n  keeper run --dry-run --once --json"
)]
pub(super) struct Run {
    /// Decide and simulate, sign and send nothing; no key is needed.
    #[arg(long)]
    dry_run: bool,
    /// One cycle for each vault at the newest block, waiting for the outcome of what is sent.
    #[arg(long)]
    once: bool,
    /// Only this vault of the configuration.
    #[arg(long, value_name = "NAME")]
    vault: Option<String>,
}

/// One cycle as printed.
#[derive(Serialize)]
struct Printed<'a> {
    vault: &'a str,
    block: String,
    policy_hash: String,
    decision_hash: String,
    #[serde(flatten)]
    decision: &'a Decision,
    #[serde(flatten)]
    dispatch: &'a Dispatch,
}

impl Run {
    pub(super) async fn run(&self, context: &Context) -> Outcome {
        let config = configuration(context)?;
        let journal = Arc::new(Journal::open(&config.journal).await.map_err(unopened)?);
        let ended = self.keep(context, &config, &journal).await;
        // What stands in the log goes into the file, so that a copy of the file alone is whole.
        if let Some(journal) = Arc::into_inner(journal) {
            journal.close().await;
        }
        ended
    }

    async fn keep(&self, context: &Context, config: &Config, journal: &Arc<Journal>) -> Outcome {
        let run = RunRecord {
            program_version: env!("CARGO_PKG_VERSION").to_owned(),
            decision_version: DECISION_VERSION.to_owned(),
        };
        journal.record_run(&run).await.map_err(unopened)?;
        let chains = self.chains(context, config, journal).await?;
        for chain in &chains {
            chain.recover().await?;
        }
        if self.once { once(context, chains).await } else { forever(chains).await }
    }

    async fn chains(
        &self,
        context: &Context,
        config: &Config,
        journal: &Arc<Journal>,
    ) -> Result<Vec<Chain>, Failure> {
        let vaults = vaults(config, self.vault.as_deref())?;
        let (mut chains, mut keys) = (Vec::new(), Keys::new(context));
        for chain in &config.chains {
            let vaults: Vec<_> = vaults.iter().filter(|v| v.chain.id == chain.id).copied().collect();
            if !vaults.is_empty() {
                let opened = self.keys(&mut keys, context, journal, (chain, &vaults)).await?;
                chains.push(self.chain(context, config, (journal, opened), (chain, &vaults)).await?);
            }
        }
        Ok(chains)
    }

    /// The keys of a chain's vaults by their signers, each claimed for this process; none in a dry run.
    async fn keys(
        &self,
        keys: &mut Keys<'_>,
        context: &Context,
        journal: &Journal,
        (chain, vaults): (&ChainConfig, &[&VaultConfig]),
    ) -> Result<BTreeMap<String, KeeperKey>, Failure> {
        let mut opened = BTreeMap::new();
        if self.dry_run {
            return Ok(opened);
        }
        for signer in vaults.iter().flat_map(|vault| &vault.signers) {
            if !opened.contains_key(&signer.name) {
                let key = keys.key(signer, chain).await?;
                let of = (signer.as_ref(), key.address());
                claim::claimed(context, journal, (chain, vaults), of).await.map_err(unopened)?;
                opened.insert(signer.name.clone(), key);
            }
        }
        Ok(opened)
    }

    async fn chain(
        &self,
        context: &Context,
        config: &Config,
        (journal, keys): (&Arc<Journal>, BTreeMap<String, KeeperKey>),
        (chain, vaults): (&ChainConfig, &[&VaultConfig]),
    ) -> Result<Chain, Failure> {
        let sending = sending(&config.sending, chain);
        let pool = Arc::new(pool(chain, &context.environment).await?);
        tell(&chain.name, &pool.take_notices());
        let lease = pool.reader().wrap_err_with(|| format!("chain `{}` cannot be read", chain.name))?;
        let endpoint = lease.endpoint().clone();
        let crew = Crew::new((&pool, journal), &sending, keys, self.once);
        let keepers = vaults.iter().map(|vault| {
            let facts = (vault.address, vault.policies.clone());
            let hands = crew.hands(&vault.signers);
            Keeper::new(vault.name.clone(), facts, endpoint.clone(), journal.clone(), hands)
        });
        let kept = vaults.iter().map(|vault| vault.address);
        let roster = journal.record_roster(chain.id, kept).await.map_err(unopened)?;
        Ok(Chain {
            name: chain.name.clone(),
            pool,
            times: head_times(chain),
            look: Duration::from_millis(chain.health.interval_ms),
            journal: journal.clone(),
            keepers: keepers.collect(),
            roster,
            left: Left::unknown(),
            unheard: false,
            reckoned: reckoned(vaults.iter().flat_map(|vault| &vault.policies)),
            crew,
            lease,
            strange: BTreeMap::new(),
        })
    }
}

async fn once(context: &Context, chains: Vec<Chain>) -> Outcome {
    let (mut attention, mut failed) = (false, None);
    for mut chain in chains {
        let header = chain.lease.latest_header().await.wrap_err("the newest block cannot be read")?;
        let cycles = chain.once(&header).await?;
        for (keeper, cycle) in chain.keepers.iter().zip(cycles) {
            match cycle {
                Ok(cycle) => {
                    alert(&keeper.name, header.number, &cycle.decision);
                    attention |= needs_someone(&cycle.dispatch);
                    context.output.print(&printed(&keeper.name, &cycle), rows)?;
                    let wrong = wrong_key(keeper, &cycle);
                    failed = wrong.map(|why| eyre::eyre!("vault `{}`: {why}", keeper.name)).or(failed);
                }
                // The other vaults still have their turn; the last of these errors is the one that is shown at the end.
                Err(error) => {
                    tracing::warn!(vault = %keeper.name, %error, "no cycle");
                    failed = Some(of(keeper, error));
                }
            }
        }
    }
    let code = if attention { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    failed.map_or(Ok(code), |error| Err(error.into()))
}

/// Whether a plan did not go its way: refused, reverted, or held up.
const fn needs_someone(dispatch: &Dispatch) -> bool {
    match dispatch {
        Dispatch::Refused { .. }
        | Dispatch::Failed { .. }
        | Dispatch::Reverted(_)
        | Dispatch::Sent { held_up: Some(_), .. } => true,
        Dispatch::Nothing
        | Dispatch::InFlight { .. }
        | Dispatch::Withdrawn { .. }
        | Dispatch::Displaced(_)
        | Dispatch::DryRun { .. }
        | Dispatch::Sent { held_up: None, .. }
        | Dispatch::Executed(_) => false,
    }
}

/// A journal that is elsewhere, in use or of another version is a matter of usage; a disk that fails is not.
pub(super) fn unopened(error: JournalError) -> Failure {
    match error {
        JournalError::InUse { .. }
        | JournalError::KeyInUse { .. }
        | JournalError::CannotOpen { .. }
        | JournalError::Locked { .. }
        | JournalError::ReadOnly { .. }
        | JournalError::SchemaNewer { .. }
        | JournalError::SchemaOlder { .. } => Failure::usage(error),
        JournalError::WriteFailed { .. }
        | JournalError::DiskFull { .. }
        | JournalError::Io { .. }
        | JournalError::Corrupt { .. }
        | JournalError::Refused { .. }
        | JournalError::NotCopied { .. }
        | JournalError::OutOfRange { .. } => Failure::Failed(error.into()),
    }
}

async fn forever(chains: Vec<Chain>) -> Outcome {
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let mut tasks = JoinSet::new();
    for chain in chains {
        tracing::info!(chain = %chain.name, vaults = chain.keepers.len(), "keeping");
        tasks.spawn(chain.keep(stopped.clone()));
    }
    let ended = tokio::select! {
        ended = tasks.join_next() => ended,
        signal = interrupted() => {
            signal?;
            tracing::info!("stopping after the cycle under way");
            None
        }
    };
    stop.send_replace(true);
    let mut result = ended.map_or(Ok(()), |ended| ended.wrap_err("a chain's task ended badly")?);
    while let Some(next) = tasks.join_next().await {
        result = result.and(next.wrap_err("a chain's task ended badly")?);
    }
    result?;
    Ok(ExitCode::SUCCESS)
}

fn printed<'a>(vault: &'a str, cycle: &'a Cycle) -> Printed<'a> {
    Printed {
        vault,
        block: cycle.snapshot.block.number.to_string(),
        policy_hash: cycle.policy_hash.to_string(),
        decision_hash: cycle.decision_hash.to_string(),
        decision: &cycle.decision,
        dispatch: &cycle.dispatch,
    }
}

fn rows(printed: &Printed<'_>) -> Vec<Row> {
    let mut rows = vec![("vault", printed.vault.to_owned()), ("block", printed.block.clone())];
    rows.extend(cycle_rows(printed.decision, printed.dispatch));
    rows.push(("decision hash", printed.decision_hash.clone()));
    rows
}

fn log(vault: &str, cycle: &Cycle) {
    let verdict = &cycle.decision.verdict;
    let (block, reason) = (cycle.snapshot.block.number, verdict.reason());
    let done = dispatch_text(&cycle.dispatch);
    tracing::info!(vault, block, verdict = verdict.name(), code = reason.code(), %done, "{reason}");
}

/// One event for each alert, named by its code: `greek_bound`, `option_unsettled`, `needs_borrowing` or `needs_leverage`.
fn alert(vault: &str, block: u64, decision: &Decision) {
    for reason in decision.alerts() {
        tracing::warn!(vault, block, alert = reason.code(), "{reason}");
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Mutex;

    use super::*;
    use crate::domain::decision::decide;
    use crate::domain::options::Book;
    use crate::domain::policy::{Policy, PublishedPolicy};
    use crate::domain::reason::{Greek, Reason};
    use crate::domain::units::{Real, Units};

    /// What was logged.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn alerted(decision: &Decision) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).without_time().with_writer(move || writer.clone());
        tracing::subscriber::with_default(subscriber.finish(), || alert("main", 7, decision));
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_crossed_bound_and_a_target_out_of_reach_are_warnings_with_a_stable_name() {
        let policy: Policy = toml::from_str(include_str!("../../tests/fixtures/policy.toml")).unwrap();
        let published = PublishedPolicy::new(policy).unwrap();
        let snapshot = serde_json::from_str(include_str!("../../tests/fixtures/snapshot.json")).unwrap();
        let mut decision = decide(&snapshot, &published);
        assert_eq!(alerted(&decision), "");
        let appraisal = decision.appraisal.as_mut().unwrap();
        let real = |value| Real::new(value).unwrap();
        appraisal.options = Some(Book {
            value: real(0.0),
            delta: real(12.5),
            gamma: real(0.5),
            vega: real(0.0),
            theta: real(0.0),
            target_delta: Units::ZERO,
            legs: Vec::new(),
            crossed: vec![Reason::GreekBound { greek: Greek::Gamma, value: real(0.5), bound: real(0.25) }],
        });
        // Inside the band of the committed decision no position is short enough to borrow for.
        appraisal.target = "-12.5".parse().unwrap();
        assert!(!alerted(&decision).contains("needs_borrowing"));
        decision.appraisal.as_mut().unwrap().target = "-62.5".parse().unwrap();
        let said = alerted(&decision);
        let lines: Vec<_> = said.lines().collect();
        let expected = [
            (
                "the gamma of the option book is 0.5 units per USD, over the policy's bound of 0.25",
                "greek_bound",
            ),
            (
                "the hedge needs a short position of 62.5 units, which the vault cannot borrow",
                "needs_borrowing",
            ),
        ];
        assert_eq!(lines.len(), expected.len(), "{said}");
        for (line, (message, name)) in lines.iter().zip(expected) {
            assert!(line.trim_start().starts_with("WARN"), "{line}");
            for part in [message, "vault=\"main\"", "block=7", &format!("alert=\"{name}\"")] {
                assert!(line.contains(part), "{part}: {line}");
            }
        }
        // 1,001,881.19 pay for 504.05 units.
        decision.appraisal.as_mut().unwrap().target = "604.05".parse().unwrap();
        let said = alerted(&decision);
        let long = said.lines().last().unwrap();
        assert!(
            long.contains("alert=\"needs_leverage\"") && long.contains("the hedge needs 99.99"),
            "{said}"
        );
    }
}
