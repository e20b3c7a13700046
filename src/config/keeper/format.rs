//! The keys of `keeper.toml`.

use std::path::PathBuf;

use alloy::primitives::Address;
use toml::de::DeValue;
use url::Url;

use super::super::document::{At, Read, Table};
use super::super::shapes::{table, words};
use super::{
    ChainConfig, Endpoint, EndpointClass, Finality, HealthConfig, Location, RelayMethod, SendingConfig,
    SignerConfig, SubmissionPolicy, is_http, is_socket,
};

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
    pub(super) signer: Option<String>,
    pub(super) signers: Option<Vec<String>>,
    pub(super) guardian: Option<String>,
    pub(super) policies: Vec<PathBuf>,
}

impl VaultEntry {
    /// The signers that it names, each with its key.
    pub(super) fn signers(&self) -> Vec<(String, &str)> {
        let one = self.signer.iter().map(|name| ("signer".to_owned(), name.as_str()));
        let several = self.signers.iter().flatten().enumerate();
        one.chain(several.map(|(i, name)| (format!("signers[{i}]"), name.as_str()))).collect()
    }
}

table!(KeeperFile { journal, chain = Vec::new(), signer = Vec::new(), sending, vault = Vec::new() });
table!(JournalEntry { path });
table!(ChainConfig {
    name,
    id,
    kind,
    endpoints,
    finality,
    poll_interval_ms = 1_000,
    request_timeout_ms = 5_000,
    send_timeout_ms = 10_000,
    block_time_ms = None,
    health = HealthConfig::default(),
});
table!(HealthConfig defaults {
    interval_ms, max_lag_blocks, agreement_depth, failures, good_looks, quarantine_seconds, frozen_after_seconds
});
table!(SendingConfig {
    max_fee_per_gas_wei,
    max_priority_fee_wei,
    min_priority_fee_wei,
    max_transaction_cost_wei,
    max_daily_cost_wei,
    gas_limit_margin_percent = 20,
    data_fee_margin_percent = 25,
    max_cancel_fee_per_gas_wei = None,
    bump_after_seconds = 36,
    park_after_seconds = 3_600,
    max_attempts = 8,
    max_in_flight = 4,
    revert_cooldown_seconds = 300,
    submission = SubmissionPolicy::default(),
    runway_transactions = 10,
});
table!(VaultEntry { name, chain, address, signer = None, signers = None, guardian = None, policies });

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

impl Read for SubmissionPolicy {
    const EXPECTED: &'static str = "\"public\", \"private\" or { private_then_public_blocks = 25 }";

    fn read(at: &At<'_>) -> Self {
        match at.value() {
            Some(DeValue::Table(_)) => {
                let blocks = at.table(&["private_then_public_blocks"]).field("private_then_public_blocks");
                Self::PrivateThenPublic { blocks }
            }
            _ => at
                .parsed(Self::EXPECTED, |text| match text {
                    "public" => Some(Self::Public),
                    "private" => Some(Self::Private),
                    _ => None,
                })
                .unwrap_or_default(),
        }
    }
}

words!(RelayMethod {
    "eth_sendPrivateTransaction" => PrivateTransaction,
    "eth_sendBundle" => Bundle,
    "eth_sendRawTransaction" => RawTransaction,
});

/// The class of an endpoint, as a word.
enum ClassWord {
    Public,
    Private,
}

words!(ClassWord { "public" => Public, "private" => Private });

impl Read for Endpoint {
    const EXPECTED: &'static str = "{ url_env = \"ETH_RPC_URL\" } or { url = \"http://127.0.0.1:8545\" }";

    fn read(at: &At<'_>) -> Self {
        let table = at.table(&["url", "url_env", "class", "ws", "ws_env", "method", "credentials_env"]);
        let url = (table.field::<Option<PlainUrl>>("url"), table.field::<Option<Variable>>("url_env"));
        let location = location(url.0.map(|url| url.0), url.1).unwrap_or_else(|| {
            table.wrong(&format!("expected one of {}", Self::EXPECTED));
            Location::Variable(String::new())
        });
        let socket = (table.field::<Option<PlainSocket>>("ws"), table.field::<Option<Variable>>("ws_env"));
        let has_socket = socket.0.is_some() || socket.1.is_some();
        let socket = location_of_socket(&table, socket.0.map(|url| url.0), socket.1);
        let method = table.field::<Option<RelayMethod>>("method");
        let credentials = table.field::<Option<Variable>>("credentials_env").map(|variable| variable.0);
        let class = match table.field::<Option<ClassWord>>("class") {
            None | Some(ClassWord::Public) => {
                if method.is_some() || credentials.is_some() {
                    table.wrong("`method` and `credentials_env` are for an endpoint of class \"private\"");
                }
                EndpointClass::Public { socket }
            }
            Some(ClassWord::Private) => {
                if has_socket {
                    table.wrong("`ws` and `ws_env` are for an endpoint of class \"public\"");
                }
                EndpointClass::Private {
                    method: method.unwrap_or(RelayMethod::PrivateTransaction),
                    credentials,
                }
            }
        };
        Self { location, class }
    }
}

/// Where exactly one of the two says; nothing where none or both do.
fn location(url: Option<Option<Url>>, variable: Option<Variable>) -> Option<Location> {
    match (url, variable) {
        (Some(Some(url)), None) => Some(Location::Url(url)),
        // What is wrong with it is noted already.
        (Some(None), None) => Some(Location::Variable(String::new())),
        (None, Some(variable)) => Some(Location::Variable(variable.0)),
        (None, None) | (Some(_), Some(_)) => None,
    }
}

fn location_of_socket(
    table: &Table<'_, '_>,
    url: Option<Option<Url>>,
    variable: Option<Variable>,
) -> Option<Location> {
    if url.is_some() && variable.is_some() {
        table.wrong("expected one of `ws` and `ws_env`");
    }
    location(url, variable)
}

/// The name of an environment variable.
pub(super) struct Variable(pub(super) String);

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
pub(super) struct PlainUrl(pub(super) Option<Url>);

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

/// The same for a WebSocket.
struct PlainSocket(Option<Url>);

impl Read for PlainSocket {
    const EXPECTED: &'static str = "an address that starts with ws:// or wss://";

    fn read(at: &At<'_>) -> Self {
        let url = at.parsed(Self::EXPECTED, |text| Url::parse(text).ok().filter(is_socket));
        if url.as_ref().is_some_and(may_hold_secret) {
            at.mistake("may hold a key: put it in the environment and name the variable with `ws_env`");
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
