//! `keeper tx list`: the transactions of the journal, newest first.

use std::process::ExitCode;

use clap::Args;
use eyre::WrapErr;

use super::entry::{self, Entry};
use crate::cli::output::grid;
use crate::cli::{Context, Failure, Outcome};
use crate::journal::IntentFilter;

/// The keeper's transactions as the journal has them, newest first; also while it runs, and without a network.
#[derive(Debug, Args)]
pub(super) struct List {
    /// Only those for this vault of the configuration.
    #[arg(long, value_name = "NAME")]
    vault: Option<String>,
    /// Only those that are not final.
    #[arg(long)]
    open: bool,
    /// How many at most.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    last: u32,
}

impl List {
    pub(super) async fn run(&self, context: &Context) -> Outcome {
        let (config, journal) = entry::journal(context).await?;
        let vault = self.vault.as_deref().map(|name| config.vault(name)).transpose();
        let vault = vault.map_err(Failure::usage)?.map(|vault| vault.address);
        let filter = IntentFilter { vault, open: self.open };
        let mut entries = Vec::new();
        for intent in journal.last_intents(filter, self.last).await.wrap_err("nothing can be listed")? {
            entries.push(entry::of(&journal, &config, intent).await.wrap_err("nothing can be listed")?);
        }
        context.output.show(&entries, |entries| text(entries))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn text(entries: &[Entry]) -> String {
    if entries.is_empty() {
        return "no transaction of this kind is in the journal".to_owned();
    }
    let row = |entry: &Entry| {
        let newest = entry.attempts.last();
        vec![
            entry.intent.clone(),
            entry.nonce.clone(),
            entry.state.to_owned(),
            entry.urgency.to_owned(),
            entry.vault.clone(),
            entry.age(),
            entry.attempts.iter().map(|attempt| attempt.kind).collect::<Vec<_>>().join(", "),
            newest.map(|newest| format!("{} / {}", newest.max_fee_gwei, newest.tip_gwei)).unwrap_or_default(),
            newest.map(|newest| newest.class.clone()).unwrap_or_default(),
            newest.map(|newest| newest.hash.to_string()).unwrap_or_default(),
        ]
    };
    let headings = [
        "intent",
        "nonce",
        "state",
        "urgency",
        "vault",
        "age",
        "attempts",
        "cap / tip (gwei)",
        "class",
        "newest",
    ];
    let mut text = grid(&headings, entries.iter().map(row).collect());
    for entry in entries {
        if let (Some(waits_for), Some(what_to_do)) = (entry.waits_for, &entry.what_to_do) {
            text.push_str(&format!("\n\nintent {} waits for {waits_for}\n{what_to_do}", entry.intent));
        }
    }
    text
}
