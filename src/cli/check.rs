//! `keeper check`: everything that would stop the keeper, in one list. It changes nothing on any chain.
//!
//! Each part reads facts and leaves the judgement to functions of those facts. Reasons of a decision are asked of the
//! decision's own code, so that this list and the keeper cannot disagree.

mod account;
mod endpoints;
mod feeds;
mod finding;
#[cfg(test)]
mod fixture;
mod guardian;
mod health;
mod market;
mod options;
mod record;
mod rollup;
mod tokens;
mod vault;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;

use alloy::primitives::Address;
use clap::Args;
use serde::Serialize;

use super::connect::{configuration, reckoned, sending, vaults};
use super::output::grid;
use super::{Context, Outcome, clock};
use crate::config::{ChainConfig, Config, SignerConfig, VaultConfig};
use crate::signers::{self, SignerError};
use account::Account;
use finding::{Finding, Level};

/// Everything that would stop the keeper, in one list: configuration, endpoints, vaults, feeds, pools, tokens, keys,
/// journal.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  keeper check\n  keeper check --vault main --json\n\nExit codes: 0 nothing stops the \
                        keeper (there may be warnings), 1 something does, 2 the configuration cannot be read."
)]
pub(super) struct Check {
    /// Only this vault of the configuration, its chain and its signer.
    #[arg(long, value_name = "NAME")]
    vault: Option<String>,
}

/// A finding and what it is about.
#[derive(Serialize)]
struct Line {
    /// The part: a chain, a signer, a vault, the journal.
    about: String,
    #[serde(flatten)]
    finding: Finding,
}

/// A chain with the vaults on it.
type Group<'a> = (&'a ChainConfig, Vec<&'a VaultConfig>);

/// The accounts of the signers, or why their keys cannot be used, by name.
type Signers = BTreeMap<String, Result<Address, SignerError>>;

impl Check {
    pub(super) async fn run(&self, context: &Context) -> Outcome {
        let config = configuration(context)?;
        let chosen = vaults(&config, self.vault.as_deref())?;
        let lines = lines(context, &config, &chosen).await;
        context.output.show(&lines, |lines| text(lines))?;
        let stops = lines.iter().any(|line| line.finding.level == Level::Error);
        Ok(if stops { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

async fn lines(context: &Context, config: &Config, chosen: &[&VaultConfig]) -> Vec<Line> {
    let mut lines = about("configuration", loaded(context, chosen));
    let (found, findings) = record::check(&config.journal).await;
    lines.extend(about("journal", findings));
    let signers = signers(context, chosen).await;
    for (name, account) in &signers {
        lines.extend(about(&format!("signer {name}"), vec![account::secret(account.as_ref())]));
    }
    for chain in &config.chains {
        let on_chain: Vec<_> = chosen.iter().filter(|vault| vault.chain.id == chain.id).copied().collect();
        if !on_chain.is_empty() {
            let known = (&signers, &found);
            lines.extend(chain_lines(context, config, (chain, on_chain), known).await);
        }
    }
    lines
}

/// What is configured; the hashes are what an owner approves.
fn loaded(context: &Context, chosen: &[&VaultConfig]) -> Vec<Finding> {
    let path = context.config.display();
    let mut findings = vec![Finding::ok("configuration", format!("{path} and its policies load"))];
    for vault in chosen {
        for policy in &vault.policies {
            let (name, hash) = (&policy.policy().name, policy.hash());
            let what = format!("vault {} is kept under policy `{name}`, hash {hash}", vault.name);
            findings.push(Finding::ok("policy_hash", what));
        }
    }
    findings
}

async fn chain_lines(
    context: &Context,
    config: &Config,
    (chain, vaults): Group<'_>,
    (signers, found): (&Signers, &record::Found),
) -> Vec<Line> {
    let (reached, findings) = endpoints::check(chain, &context.environment, clock::now()).await;
    let mut lines = about(&format!("chain {}", chain.name), findings);
    let Some(reached) = reached else { return lines };
    let sending = sending(&config.sending, chain);
    for signer in distinct(&vaults) {
        let Some(Ok(address)) = signers.get(&signer.name) else { continue };
        let its = vaults.iter().filter(|vault| vault.signers.contains(&signer));
        let reckoned = reckoned(its.flat_map(|vault| &vault.policies));
        let account = Account { address: *address, reckoned };
        let findings = account::check(&reached, account, &sending, found.journal.as_ref()).await;
        lines.extend(about(&format!("signer {} on {}", signer.name, chain.name), findings));
    }
    for vault in vaults {
        let accounts = vault.signers.iter().filter_map(|signer| signers.get(&signer.name)?.as_ref().ok());
        let accounts: Vec<_> = accounts.copied().collect();
        let mut findings = vault::check(&reached, vault, &accounts).await;
        findings.extend(record::unsettled(found, vault.address, &accounts).await);
        lines.extend(about(&format!("vault {}", vault.name), findings));
        let signer = vault.guardian.as_ref().and_then(|signer| signer.at_hand(&context.environment));
        if let Some(key) = signer {
            let findings = guardian::check(&reached, vault.address, key.address(), &sending).await;
            lines.extend(about(&format!("guardian of {}", vault.name), findings));
        }
    }
    lines
}

/// Opens each signer once: a keystore takes its time, and a password is asked for.
async fn signers(context: &Context, vaults: &[&VaultConfig]) -> Signers {
    let mut accounts = Signers::new();
    for signer in distinct(vaults) {
        let key = signers::open(&signer, &context.environment).await;
        accounts.insert(signer.name.clone(), key.map(|key| key.address()));
    }
    accounts
}

fn distinct(vaults: &[&VaultConfig]) -> Vec<Arc<SignerConfig>> {
    let signers = vaults.iter().flat_map(|vault| &vault.signers);
    let by_name: BTreeMap<_, _> = signers.map(|signer| (signer.name.clone(), signer.clone())).collect();
    by_name.into_values().collect()
}

fn about(part: &str, findings: Vec<Finding>) -> Vec<Line> {
    findings.into_iter().map(|finding| Line { about: part.to_owned(), finding }).collect()
}

fn text(lines: &[Line]) -> String {
    let row = |line: &Line| {
        let Finding { level, what, remedy, .. } = &line.finding;
        let remedy = remedy.as_deref().unwrap_or_default();
        vec![level.name().to_owned(), line.about.clone(), what.clone(), remedy.to_owned()]
    };
    let table = grid(&["", "about", "found", "what to do"], lines.iter().map(row).collect());
    let count = |level| lines.iter().filter(|line| line.finding.level == level).count();
    let (errors, warnings) = (count(Level::Error), count(Level::Warning));
    let verdict = if errors == 0 { "nothing stops the keeper" } else { "the keeper cannot work" };
    format!("{table}\n\n{verdict}: {errors} errors, {warnings} warnings")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_ends_with_what_it_amounts_to() {
        let fine = about("journal", vec![Finding::ok("journal", "is there")]);
        assert!(text(&fine).ends_with("nothing stops the keeper: 0 errors, 0 warnings"));
        let broken = about("chain x", vec![Finding::error("endpoint", "is down", "start it")]);
        let shown = text(&broken);
        assert!(shown.contains("error") && shown.contains("start it"), "{shown}");
        assert!(shown.ends_with("the keeper cannot work: 1 errors, 0 warnings"));
    }

    #[test]
    fn a_line_of_json_is_flat_and_leaves_out_a_remedy_where_none_is_needed() {
        let lines = about("vault main", vec![Finding::ok("policy", "fits")]);
        let json = serde_json::to_string(&lines).unwrap();
        assert_eq!(json, r#"[{"about":"vault main","level":"ok","check":"policy","what":"fits"}]"#);
    }
}
