//! `keeper policy`: what a policy is hashed as, how two differ, and which one a vault followed when.

mod diff;
mod hash;
mod history;
mod show;

use clap::{Args, Subcommand};

use super::{Context, Outcome};

/// Policies as they are published: their hash, their canonical form, their differences, their history on chain.
///
/// A FILE is a policy in TOML or, as `show` prints it, in canonical JSON.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  keeper policy hash examples/policies/*.toml\n  \
    keeper policy show examples/policies/cppi.toml > cppi.json\n  \
    keeper policy diff examples/policies/cppi.toml examples/policies/tipp.toml\n  \
    keeper policy history --vault main --from 18573000")]
pub(super) struct Policy {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Hash(hash::Hash),
    Show(show::Show),
    Diff(diff::Diff),
    History(history::History),
}

impl Policy {
    pub(super) async fn run(&self, context: &Context) -> Outcome {
        match &self.action {
            Action::Hash(command) => command.run(context),
            Action::Show(command) => command.run(context),
            Action::Diff(command) => command.run(context),
            Action::History(command) => command.run(context).await,
        }
    }
}
