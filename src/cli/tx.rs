//! `keeper tx`: the transactions of the keeper's keys, in the hands of a person.

mod act;
mod publish;

use clap::{Args, Subcommand};

use super::{Context, Outcome};

/// The keeper's transactions: cancel one, speed it up, or hand its bytes over again.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  keeper tx cancel 12\n  keeper tx speed-up 12\n  keeper tx publish 0x…")]
pub(super) struct Tx {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Cancel(act::Cancel),
    SpeedUp(act::SpeedUp),
    Publish(publish::Publish),
}

impl Tx {
    pub(super) async fn run(&self, context: &Context) -> Outcome {
        match &self.action {
            Action::Cancel(command) => command.run(context).await,
            Action::SpeedUp(command) => command.run(context).await,
            Action::Publish(command) => command.run(context).await,
        }
    }
}
