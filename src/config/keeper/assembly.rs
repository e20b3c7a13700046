//! From the keys of `keeper.toml` to a [`Config`]: rules, names resolved, policies read.

mod signers;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::document::Document;
use super::super::mistakes::Mistake;
use super::super::policy::parse_policy;
use super::format::{KeeperFile, VaultEntry};
use super::{
    ChainConfig, Config, Endpoint, EndpointClass, Finality, SendingConfig, SignerConfig, SubmissionPolicy,
    VaultConfig,
};
use crate::domain::policy::{ChainKind, PublishedPolicy, Violation};

/// Reads `text` and the policies it names.
///
/// # Errors
/// Every mistake in all of them.
pub(super) fn parse(path: &Path, text: &str) -> Result<Config, Vec<Mistake>> {
    let base = path.parent().unwrap_or_else(|| Path::new(""));
    let mut document = Document::<KeeperFile>::read(path, text)?;
    document.note(violations(document.value()));
    let mut assembly = Assembly::new(base, document.value());
    let vaults = assembly.vaults(&document);
    let Assembly { chains, signers, broken, elsewhere, .. } = assembly;
    document.note(broken);
    match document.finish() {
        Ok(file) if elsewhere.is_empty() => Ok(Config {
            journal: base.join(file.journal.path),
            chains,
            signers,
            sending: file.sending,
            vaults,
        }),
        Ok(_) => Err(elsewhere),
        Err(mut mistakes) => {
            mistakes.extend(elsewhere);
            Err(mistakes)
        }
    }
}

/// What is needed to resolve the names in a vault's entry, and what went wrong meanwhile.
struct Assembly<'a> {
    base: &'a Path,
    chains: Vec<Arc<ChainConfig>>,
    signers: Vec<Arc<SignerConfig>>,
    /// Every policy file read so far; nothing for one with mistakes.
    read: BTreeMap<PathBuf, Option<PublishedPolicy>>,
    broken: Vec<Violation>,
    elsewhere: Vec<Mistake>,
}

impl<'a> Assembly<'a> {
    fn new(base: &'a Path, file: &KeeperFile) -> Self {
        let chains = file.chain.iter().cloned().map(Arc::new).collect();
        let signers = file.signer.iter().map(|signer| Arc::new(signer.beside(base))).collect();
        Self { base, chains, signers, read: BTreeMap::new(), broken: Vec::new(), elsewhere: Vec::new() }
    }

    /// The vaults whose names resolve; the others are noted.
    fn vaults(&mut self, document: &Document<'_, KeeperFile>) -> Vec<VaultConfig> {
        let entries = document.value().vault.iter().enumerate();
        entries.filter_map(|(i, entry)| self.vault(&format!("vault[{i}]"), entry, document)).collect()
    }

    fn vault(
        &mut self,
        key: &str,
        entry: &VaultEntry,
        document: &Document<'_, KeeperFile>,
    ) -> Option<VaultConfig> {
        let chain = self.chains.iter().find(|chain| chain.name == entry.chain).cloned();
        let chains = self.chains.iter().map(|chain| &chain.name);
        self.broken.extend(unknown(format!("{key}.chain"), "chain", &entry.chain, chains));
        let signers = self.signers(key, entry);
        let guardian = entry.guardian.as_ref().and_then(|name| {
            self.apart(key, entry, name);
            self.signer(key, "guardian", (name, &entry.chain))
        });
        let policies = self.policies(key, entry, chain.as_deref(), document);
        Some(VaultConfig {
            name: entry.name.clone(),
            chain: chain?,
            address: entry.address,
            signers: signers?,
            guardian,
            policies,
        })
    }

    fn policies(
        &mut self,
        vault: &str,
        entry: &VaultEntry,
        chain: Option<&ChainConfig>,
        document: &Document<'_, KeeperFile>,
    ) -> Vec<PublishedPolicy> {
        let mut policies: Vec<PublishedPolicy> = Vec::new();
        for (i, path) in entry.policies.iter().enumerate() {
            let key = format!("{vault}.policies[{i}]");
            if !document.is_sound(&key) {
                continue;
            }
            let Some(policy) = self.policy(&key, &self.base.join(path)) else { continue };
            let meant_for = policy.policy().chain_id;
            if let Some(chain) = chain.filter(|chain| chain.id != meant_for) {
                let message =
                    format!("is for chain id {meant_for}; expected {}, the vault's chain", chain.id);
                self.broken.push(Violation::between(&key, self.key_of(chain, "id"), message));
            }
            if let Some(chain) = chain.filter(|chain| chain.kind != policy.policy().gas.chain) {
                self.broken.push(self.other_kind(&key, policy.policy().gas.chain, chain));
            }
            if policies.iter().any(|held| held.hash() == policy.hash()) {
                self.broken
                    .push(Violation::new(&key, "has the hash of an earlier policy; expected each one once"));
            }
            policies.push(policy);
        }
        policies
    }

    /// A policy whose `gas.chain` is `meant` for a vault on another kind of chain.
    fn other_kind(&self, key: &str, meant: ChainKind, chain: &ChainConfig) -> Violation {
        let (meant, kind) = (meant.name(), chain.kind.name());
        let message = format!("has gas.chain `{meant}`; expected `{kind}`, the kind of the vault's chain");
        Violation::between(key, self.key_of(chain, "kind"), message)
    }

    /// Where `key` of `chain` stands in the file.
    fn key_of(&self, chain: &ChainConfig, key: &str) -> String {
        let number = self.chains.iter().position(|known| known.name == chain.name);
        format!("chain[{}].{key}", number.unwrap_or_default())
    }

    /// The policy in `path`, read once however many vaults name it.
    fn policy(&mut self, key: &str, path: &Path) -> Option<PublishedPolicy> {
        if let Some(known) = self.read.get(path) {
            return known.clone();
        }
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                let message =
                    format!("{}; expected a policy's file, relative to this file's directory", error.kind());
                self.broken.push(Violation::new(key, message));
                return None;
            }
        };
        let policy = parse_policy(path, &text).map_err(|mistakes| self.elsewhere.extend(mistakes)).ok();
        self.read.insert(path.to_owned(), policy.clone());
        policy
    }
}

/// The rules that need no other file.
fn violations(file: &KeeperFile) -> Vec<Violation> {
    let mut broken = Vec::new();
    names(&mut broken, "chain", file.chain.iter().map(|chain| &chain.name));
    names(&mut broken, "signer", file.signer.iter().map(|signer| &signer.name));
    names(&mut broken, "vault", file.vault.iter().map(|vault| &vault.name));
    distinct(&mut broken, "chain", "id", file.chain.iter().map(|chain| chain.id));
    distinct(&mut broken, "vault", "address", file.vault.iter().map(|vault| (&vault.chain, vault.address)));
    for (i, chain) in file.chain.iter().enumerate() {
        broken.extend(chain_violations(&format!("chain[{i}]"), chain));
    }
    for (i, signer) in file.signer.iter().enumerate() {
        let chains = file.chain.iter().map(|chain| &chain.name);
        let only = signer.chain.iter();
        broken.extend(
            only.filter_map(|only| unknown(format!("signer[{i}].chain"), "chain", only, chains.clone())),
        );
    }
    for (i, vault) in file.vault.iter().enumerate() {
        require(
            &mut broken,
            !vault.address.is_zero(),
            format!("vault[{i}].address"),
            "expected an address other than zero",
        );
        require(
            &mut broken,
            !vault.policies.is_empty(),
            format!("vault[{i}].policies"),
            "expected at least one policy's file",
        );
    }
    sending_violations(&mut broken, &file.sending);
    for chain in &file.chain {
        let private = |endpoint: &Endpoint| matches!(endpoint.class, EndpointClass::Private { .. });
        require(
            &mut broken,
            file.sending.submission == SubmissionPolicy::Public || chain.endpoints.iter().any(private),
            "sending.submission",
            &format!("expected \"public\": chain `{}` has no endpoint of class \"private\"", chain.name),
        );
    }
    broken
}

fn chain_violations(key: &str, chain: &ChainConfig) -> Vec<Violation> {
    let mut broken = Vec::new();
    let positive = "expected a number above 0";
    require(&mut broken, chain.id > 0, format!("{key}.id"), positive);
    require(
        &mut broken,
        !chain.endpoints.is_empty(),
        format!("{key}.endpoints"),
        "expected at least one endpoint",
    );
    let public = |endpoint: &Endpoint| matches!(endpoint.class, EndpointClass::Public { .. });
    require(
        &mut broken,
        chain.endpoints.is_empty() || chain.endpoints.iter().any(public),
        format!("{key}.endpoints"),
        "expected at least one endpoint of class \"public\": a private relay is not read",
    );
    let health = &chain.health;
    require(&mut broken, chain.send_timeout_ms > 0, format!("{key}.send_timeout_ms"), positive);
    require(&mut broken, chain.block_time_ms != Some(0), format!("{key}.block_time_ms"), positive);
    require(&mut broken, health.interval_ms > 0, format!("{key}.health.interval_ms"), positive);
    require(&mut broken, health.failures > 0, format!("{key}.health.failures"), positive);
    require(&mut broken, health.quarantine_seconds > 0, format!("{key}.health.quarantine_seconds"), positive);
    require(
        &mut broken,
        health.frozen_after_seconds != Some(0),
        format!("{key}.health.frozen_after_seconds"),
        positive,
    );
    require(&mut broken, chain.finality != Finality::Depth(0), format!("{key}.finality.depth"), positive);
    require(&mut broken, chain.poll_interval_ms > 0, format!("{key}.poll_interval_ms"), positive);
    require(&mut broken, chain.request_timeout_ms > 0, format!("{key}.request_timeout_ms"), positive);
    broken
}

fn sending_violations(broken: &mut Vec<Violation>, sending: &SendingConfig) {
    require(
        broken,
        sending.max_fee_per_gas_wei > 0,
        "sending.max_fee_per_gas_wei",
        "expected a number above 0",
    );
    require(
        broken,
        sending.max_transaction_cost_wei > 0,
        "sending.max_transaction_cost_wei",
        "expected a number above 0",
    );
    require(
        broken,
        sending.gas_limit_margin_percent <= 600,
        "sending.gas_limit_margin_percent",
        "expected 0 to 600 percent",
    );
    require(
        broken,
        sending.data_fee_margin_percent <= 600,
        "sending.data_fee_margin_percent",
        "expected 0 to 600 percent",
    );
    patience_violations(broken, sending);
    let ordered = [
        (
            "min_priority_fee_wei",
            sending.min_priority_fee_wei,
            "max_priority_fee_wei",
            sending.max_priority_fee_wei,
        ),
        (
            "max_priority_fee_wei",
            sending.max_priority_fee_wei,
            "max_fee_per_gas_wei",
            sending.max_fee_per_gas_wei,
        ),
        (
            "max_transaction_cost_wei",
            sending.max_transaction_cost_wei,
            "max_daily_cost_wei",
            sending.max_daily_cost_wei,
        ),
    ];
    for (low, low_value, high, high_value) in ordered {
        if low_value > high_value {
            let (key, against) = (format!("sending.{low}"), format!("sending.{high}"));
            broken.push(Violation::between(key, against, format!("expected at most `{high}`")));
        }
    }
}

fn patience_violations(broken: &mut Vec<Violation>, sending: &SendingConfig) {
    let positive = [
        ("bump_after_seconds", sending.bump_after_seconds),
        ("park_after_seconds", sending.park_after_seconds),
        ("max_attempts", sending.max_attempts.into()),
        ("max_in_flight", sending.max_in_flight.into()),
    ];
    for (key, value) in positive {
        require(broken, value > 0, format!("sending.{key}"), "expected a number above 0");
    }
    require(
        broken,
        sending.park_after_seconds > sending.bump_after_seconds,
        "sending.park_after_seconds",
        "expected more than `bump_after_seconds`: what is parked is raised no more",
    );
    let (cancels, most) = (sending.max_cancel_fee_per_gas_wei, sending.max_fee_per_gas_wei);
    require(
        broken,
        cancels.is_none_or(|cancels| cancels >= most.saturating_add(most.div_ceil(8))),
        "sending.max_cancel_fee_per_gas_wei",
        "expected an eighth more than `max_fee_per_gas_wei` at least: a cancel has to outbid a call at its cap by that",
    );
}

/// Every table of `kind` needs a name of its own, and there must be one.
fn names<'a>(broken: &mut Vec<Violation>, kind: &str, names: impl Iterator<Item = &'a String> + Clone) {
    require(broken, names.clone().next().is_some(), kind, &format!("expected at least one [[{kind}]]"));
    for (i, name) in names.clone().enumerate() {
        let fits = (1..=32).contains(&name.len())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
        require(broken, fits, format!("{kind}[{i}].name"), "expected 1 to 32 letters, digits, `-` or `_`");
    }
    distinct(broken, kind, "name", names);
}

fn distinct<T: PartialEq>(
    broken: &mut Vec<Violation>,
    kind: &str,
    key: &str,
    values: impl Iterator<Item = T>,
) {
    let mut seen: Vec<T> = Vec::new();
    for (i, value) in values.enumerate() {
        if let Some(first) = seen.iter().position(|other| *other == value) {
            let (path, against) = (format!("{kind}[{i}].{key}"), format!("{kind}[{first}].{key}"));
            let message = format!("is that of an earlier [[{kind}]]; expected another");
            broken.push(Violation::between(path, against, message));
        }
        seen.push(value);
    }
}

fn require(broken: &mut Vec<Violation>, holds: bool, key: impl Into<String>, expected: &str) {
    if !holds {
        broken.push(Violation::new(key, expected));
    }
}

/// The violation of a `name` that none of `names` is; nothing where one of those could not be read.
fn unknown<'a>(
    key: String,
    kind: &str,
    name: &str,
    mut names: impl Iterator<Item = &'a String> + Clone,
) -> Option<Violation> {
    let listed: Vec<String> = names.clone().map(|name| format!("`{name}`")).collect();
    let unreadable = names.clone().any(String::is_empty);
    let found = names.any(|other| other == name);
    let expected = if listed.is_empty() { "one in this file".to_owned() } else { listed.join(" or ") };
    let message = format!("there is no [[{kind}]] of this name; expected {expected}");
    (!unreadable && !found).then(|| Violation::new(key, message))
}
