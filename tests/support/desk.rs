//! The built program as an auditor runs it: with a policy file and the address of a node.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::path::PathBuf;
use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use super::history::History;

/// The files that an auditor has, and the program.
pub(crate) struct Desk {
    pub(crate) directory: TempDir,
    pub(crate) history: History,
}

/// How it ended, and what it printed.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {} {}", self.out, self.err))
    }
}

impl Desk {
    pub(crate) async fn set(blocks: u64) -> Self {
        let history = History::lived(blocks).await;
        let directory = TempDir::new().unwrap();
        std::fs::write(directory.path().join("policy.toml"), &history.rig.scene.policy).unwrap();
        Self { directory, history }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn command(&self, command: &str, url: &str, more: &[&str]) -> Command {
        let mut program = Command::new(env!("CARGO_BIN_EXE_keeper"));
        program
            .args([command, "--vault", &self.history.rig.scene.vault.to_string(), "--rpc", url])
            .args(more);
        if !more.contains(&"--policy") {
            program.args(["--policy", "policy.toml"]);
        }
        program.current_dir(self.directory.path()).env_clear();
        program.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        program
    }

    pub(crate) async fn run(&self, command: &str, more: &[&str]) -> Ended {
        self.run_through(&self.history.url(), command, more).await
    }

    pub(crate) async fn run_through(&self, url: &str, command: &str, more: &[&str]) -> Ended {
        ended(self.command(command, url, more).output().await.unwrap())
    }
}

pub(crate) fn ended(output: std::process::Output) -> Ended {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}
