//! `keeper tx publish`: signed bytes of the journal, handed over once more.

use std::process::ExitCode;
use std::sync::Arc;

use alloy::primitives::B256;
use clap::Args;
use eyre::{WrapErr, eyre};
use serde::Serialize;

use crate::cli::connect::{configuration, pool};
use crate::cli::output::Row;
use crate::cli::run::unopened;
use crate::cli::{Context, Failure, Outcome};
use crate::execution::republish;
use crate::journal::Journal;

/// Hands a signed transaction of the journal to all endpoints of its class once more. Safe at any time, also while a
/// keeper runs: the same bytes can be mined once.
///
/// Exits with 1 where no endpoint has it.
#[derive(Debug, Args)]
pub(super) struct Publish {
    /// Hash of the transaction.
    #[arg(value_name = "HASH")]
    hash: B256,
}

/// What the endpoints answered.
#[derive(Serialize)]
struct Printed {
    transaction: B256,
    answers: Vec<(String, String)>,
}

impl Publish {
    pub(super) async fn run(&self, context: &Context) -> Outcome {
        let config = configuration(context)?;
        let journal = Journal::open_read_only(&config.journal).await.map_err(unopened)?;
        let found = journal.attempt(self.hash).await.map_err(eyre::Report::from)?;
        journal.close().await;
        let (chain_id, attempt) =
            found.ok_or_else(|| Failure::usage(eyre!("the journal has no transaction {}", self.hash)))?;
        let chain = config.chains.iter().find(|chain| chain.id == chain_id);
        let chain =
            chain.ok_or_else(|| Failure::usage(eyre!("the configuration has no chain {chain_id}")))?;
        let pool = Arc::new(pool(chain, &context.environment).await?);
        let head = pool.reader().wrap_err("no endpoint can be read")?.latest_header().await;
        let head = head.wrap_err("the newest block cannot be read")?.number;
        let answers = republish(&pool, &attempt, head).await;
        let has = answers.iter().any(|(_, published)| published.is_accepted());
        let answers = answers.into_iter().map(|(endpoint, published)| (endpoint, published.to_string()));
        context.output.print(&Printed { transaction: self.hash, answers: answers.collect() }, rows)?;
        Ok(if has { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn rows(printed: &Printed) -> Vec<Row> {
    let answers = printed.answers.iter().map(|(endpoint, answer)| format!("{endpoint}: {answer}"));
    let answers: Vec<_> = answers.collect();
    vec![("transaction", printed.transaction.to_string()), ("answers", answers.join("\n"))]
}
