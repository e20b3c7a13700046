//! `keeper policy show`: a policy as it is hashed.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use eyre::WrapErr;

use super::super::{Context, Failure, Outcome};
use crate::config::load_policy;
use crate::domain::canonical;

/// A policy in canonical JSON: exactly the bytes whose Keccak-256 is its hash, without an end of line.
///
/// What it prints is a policy file like any other, and the form in which to publish one.
#[derive(Debug, Args)]
pub(super) struct Show {
    /// The policy.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl Show {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        let policy = load_policy(&self.file).map_err(Failure::usage)?;
        context.output.exactly(&canonical::json(policy.policy()).wrap_err("the policy")?)?;
        Ok(ExitCode::SUCCESS)
    }
}
