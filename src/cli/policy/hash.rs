//! `keeper policy hash`: what an owner approves on chain.

use std::path::PathBuf;
use std::process::ExitCode;

use alloy::primitives::B256;
use clap::Args;
use serde::Serialize;

use super::super::{Context, Failure, Outcome};
use crate::config::load_policy;

/// The hash of each policy, with its file: what its vault's owner approves on chain.
#[derive(Debug, Args)]
pub(super) struct Hash {
    /// Policies.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

/// One policy as printed.
#[derive(Serialize)]
struct Printed {
    hash: B256,
    /// The name that it gives itself.
    name: String,
    file: String,
}

impl Hash {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        let printed = self.files.iter().map(|file| {
            let policy = load_policy(file).map_err(Failure::usage)?;
            let name = policy.policy().name.clone();
            Ok(Printed { hash: policy.hash(), name, file: file.display().to_string() })
        });
        let printed = printed.collect::<Result<Vec<_>, Failure>>()?;
        context.output.show(&printed, |printed| lines(printed))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn lines(printed: &[Printed]) -> String {
    let lines: Vec<_> =
        printed.iter().map(|one| format!("{}  {}  {}", one.hash, one.name, one.file)).collect();
    lines.join("\n")
}
