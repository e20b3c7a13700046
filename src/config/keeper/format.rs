//! The keys of `keeper.toml`.

use std::path::PathBuf;

use alloy::primitives::Address;
use toml::de::DeValue;
use url::Url;

use super::super::document::{At, Read, table};
use super::{ChainConfig, Endpoint, Finality, KeySource, SendingConfig, SignerConfig, is_http};

/// The file as it is written, before its names are resolved.
pub(super) struct KeeperFile {
    pub(super) journal: JournalEntry,
    pub(super) chain: Vec<ChainConfig>,
    pub(super) signer: Vec<SignerConfig>,
    pub(super) sending: SendingConfig,
    pub(super) vault: Vec<VaultEntry>,
}

pub(super) struct JournalEntry {
    pub(super) path: PathBuf,
}

pub(super) struct VaultEntry {
    pub(super) name: String,
    pub(super) chain: String,
    pub(super) address: Address,
    pub(super) signer: String,
    pub(super) policies: Vec<PathBuf>,
}

table!(KeeperFile { journal, chain = Vec::new(), signer = Vec::new(), sending, vault = Vec::new() });
table!(JournalEntry { path });
table!(ChainConfig { name, id, kind, endpoints, finality, poll_interval_ms = 1_000, request_timeout_ms = 5_000 });
table!(SendingConfig {
    max_fee_per_gas_wei,
    max_priority_fee_wei,
    min_priority_fee_wei,
    max_transaction_cost_wei,
    max_daily_cost_wei,
    gas_limit_margin_percent = 20,
    data_fee_margin_percent = 25,
});
table!(VaultEntry { name, chain, address, signer, policies });

impl Read for Finality {
    const EXPECTED: &'static str = "\"finalized\" or { depth = 12 }";

    fn read(at: &At<'_>) -> Self {
        match at.value() {
            Some(DeValue::Table(_)) => Self::Depth(at.table(&["depth"]).field("depth")),
            _ => at
                .parsed(Self::EXPECTED, |text| (text == "finalized").then_some(Self::Finalized))
                .unwrap_or(Self::Finalized),
        }
    }
}

impl Read for Endpoint {
    const EXPECTED: &'static str = "{ url_env = \"ETH_RPC_URL\" } or { url = \"http://127.0.0.1:8545\" }";

    fn read(at: &At<'_>) -> Self {
        let table = at.table(&["url", "url_env"]);
        match (table.field::<Option<PlainUrl>>("url"), table.field::<Option<Variable>>("url_env")) {
            (Some(PlainUrl(Some(url))), None) => Self::Url(url),
            (Some(PlainUrl(None)), None) => Self::Variable(String::new()),
            (None, Some(variable)) => Self::Variable(variable.0),
            (None, None) | (Some(_), Some(_)) => {
                table.wrong(&format!("expected one of {}", Self::EXPECTED));
                Self::Variable(String::new())
            }
        }
    }
}

impl Read for SignerConfig {
    const EXPECTED: &'static str = "a table";

    fn read(at: &At<'_>) -> Self {
        let table = at.table(&["name", "chain", "key_env", "keystore", "password_env"]);
        let (name, chain) = (table.field("name"), table.field("chain"));
        let variable = table.field::<Option<Variable>>("key_env");
        let keystore =
            (table.field::<Option<PathBuf>>("keystore"), table.field::<Option<Variable>>("password_env"));
        let key = match (variable, keystore) {
            (Some(variable), (None, None)) => KeySource::Variable(variable.0),
            (None, (Some(path), Some(password))) => {
                KeySource::Keystore { path, password_variable: password.0 }
            }
            _ => {
                table.wrong("expected either `key_env`, or `keystore` and `password_env`; a key never stands in this file");
                KeySource::Variable(String::new())
            }
        };
        Self { name, chain, key }
    }
}

/// The name of an environment variable.
struct Variable(String);

impl Read for Variable {
    const EXPECTED: &'static str = "the name of an environment variable in capitals, not what it holds";

    fn read(at: &At<'_>) -> Self {
        let is_name = |text: &str| {
            // 64 digits would be a key.
            (1..64).contains(&text.len())
                && !text.starts_with(|c: char| c.is_ascii_digit())
                && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
        };
        Self(at.parsed(Self::EXPECTED, |text| is_name(text).then(|| text.to_owned())).unwrap_or_default())
    }
}

/// An address that anyone may read; nothing where it is not one.
struct PlainUrl(Option<Url>);

impl Read for PlainUrl {
    const EXPECTED: &'static str = "an address that starts with http:// or https://";

    fn read(at: &At<'_>) -> Self {
        let url = at.parsed(Self::EXPECTED, |text| Url::parse(text).ok().filter(is_http));
        if url.as_ref().is_some_and(may_hold_secret) {
            at.mistake("may hold a key: put it in the environment and name the variable with `url_env`");
        }
        Self(url)
    }
}

/// Credentials, a query, or a part of the path that looks like a provider's key.
fn may_hold_secret(url: &Url) -> bool {
    let looks_like_key = |part: &str| part.len() >= 16 && part.contains(|c: char| c.is_ascii_digit());
    !url.username().is_empty()
        || url.password().is_some()
        || url.query().is_some()
        || url.fragment().is_some()
        || url.path_segments().into_iter().flatten().any(looks_like_key)
}
