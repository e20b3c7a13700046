//! `keeper tx`: the transactions of the keeper's keys, in the hands of a person.

mod act;
mod entry;
mod list;
mod publish;
mod show;
mod standing;

use clap::{Args, Subcommand};

use super::{Context, Outcome};

/// The keeper's transactions: look at them, cancel one, speed it up, or hand its bytes over again.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  keeper tx list --open\n  keeper tx show 12\n  keeper tx cancel 12\n  keeper tx speed-up 12\n  keeper tx publish 0x…"
)]
pub(super) struct Tx {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    List(list::List),
    Show(show::Show),
    Cancel(act::Cancel),
    SpeedUp(act::SpeedUp),
    Publish(publish::Publish),
}

impl Tx {
    pub(super) async fn run(&self, context: &Context) -> Outcome {
        match &self.action {
            Action::List(command) => command.run(context).await,
            Action::Show(command) => command.run(context).await,
            Action::Cancel(command) => command.run(context).await,
            Action::SpeedUp(command) => command.run(context).await,
            Action::Publish(command) => command.run(context).await,
        }
    }
}
