//! `keeper policy diff`: where two policies differ.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;

use alloy::primitives::B256;
use clap::Args;
use eyre::WrapErr;
use serde::Serialize;
use serde_json::Value;

use super::super::{Context, Failure, Outcome};
use crate::config::load_policy;
use crate::domain::canonical;
use crate::domain::policy::PublishedPolicy;

/// Every value in which two policies differ, by its path. Exits with 0 where they are the same policy, otherwise with 1.
#[derive(Debug, Args)]
pub(super) struct Diff {
    /// A policy.
    #[arg(value_name = "A")]
    a: PathBuf,
    /// Another one.
    #[arg(value_name = "B")]
    b: PathBuf,
}

/// What is printed.
#[derive(Serialize)]
struct Printed {
    same: bool,
    /// Whether they are written alike, to the byte.
    same_text: bool,
    a: B256,
    b: B256,
    differences: Vec<Difference>,
}

/// One value that is not the same.
#[derive(Serialize)]
struct Difference {
    /// As in `keeper decide --what-if`.
    path: String,
    /// In the first; absent where that does not state it.
    #[serde(skip_serializing_if = "Option::is_none")]
    a: Option<Value>,
    /// In the second.
    #[serde(skip_serializing_if = "Option::is_none")]
    b: Option<Value>,
}

impl Diff {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        let [a, b] = [&self.a, &self.b].map(|file| load_policy(file).map_err(Failure::usage));
        let [texts_a, texts_b] = [&self.a, &self.b]
            .map(|file| std::fs::read(file).wrap_err_with(|| format!("{} cannot be read", file.display())));
        let (a, b, same_text) = (a?, b?, texts_a? == texts_b?);
        let differences = differences(&a, &b)?;
        let same = a.hash() == b.hash();
        context.output.show(&Printed { same, same_text, a: a.hash(), b: b.hash(), differences }, text)?;
        Ok(if same { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn differences(a: &PublishedPolicy, b: &PublishedPolicy) -> eyre::Result<Vec<Difference>> {
    let [a, b] = [values(a)?, values(b)?];
    let paths: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    let differing = paths.into_iter().filter(|path| a.get(*path) != b.get(*path));
    let difference =
        |path: &String| Difference { path: path.clone(), a: a.get(path).cloned(), b: b.get(path).cloned() };
    Ok(differing.map(difference).collect())
}

/// Every value of the canonical form, by its path.
fn values(policy: &PublishedPolicy) -> eyre::Result<BTreeMap<String, Value>> {
    let text = canonical::json(policy.policy()).wrap_err("the policy")?;
    let mut found = BTreeMap::new();
    collect(&serde_json::from_str(&text).wrap_err("the policy")?, String::new(), &mut found);
    Ok(found)
}

fn collect(value: &Value, path: String, found: &mut BTreeMap<String, Value>) {
    let members = value.as_object().filter(|members| !members.is_empty());
    let items = value.as_array().filter(|items| !items.is_empty());
    for (key, member) in members.into_iter().flatten() {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        collect(member, path, found);
    }
    for (i, item) in items.into_iter().flatten().enumerate() {
        collect(item, format!("{path}[{i}]"), found);
    }
    if members.is_none() && items.is_none() {
        found.insert(path, value.clone());
    }
}

fn text(printed: &Printed) -> String {
    match (printed.same, printed.same_text) {
        (true, true) => format!("the same policy, {}", printed.a),
        (true, false) => {
            format!("the same policy, {}, though the two files are written differently", printed.a)
        }
        (false, _) => {
            let lines = printed
                .differences
                .iter()
                .map(|one| format!("{}: {} -> {}", one.path, shown(one.a.as_ref()), shown(one.b.as_ref())));
            lines.collect::<Vec<_>>().join("\n")
        }
    }
}

fn shown(value: Option<&Value>) -> String {
    match value {
        None => "(not stated)".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}
