//! The keys of `[[signer]]`.

use std::path::PathBuf;

use super::super::super::document::{At, Read, Table};
use super::super::format::{PlainUrl, Variable};
use super::{AwsKmsKey, GoogleKmsKey, KeySource, LedgerKey, Password, RemoteKey, SignerConfig};

/// The keys of which one says where the key is.
const PLACES: &str = "expected one of `key_env`, `keystore`, `aws_kms`, `google_kms` and `ledger`; a key never stands in \
                      this file";

impl Read for SignerConfig {
    const EXPECTED: &'static str = "a table";

    fn read(at: &At<'_>) -> Self {
        let table = at.table(&[
            "name",
            "chain",
            "key_env",
            "keystore",
            "password_env",
            "password_file",
            "aws_kms",
            "google_kms",
            "ledger",
            "timeout_seconds",
        ]);
        let (name, chain) = (table.field("name"), table.field("chain"));
        let key = key(&table);
        let timeout_seconds = table.field::<Option<Seconds>>("timeout_seconds").map(|seconds| seconds.0);
        if timeout_seconds.is_some() && !matches!(key, KeySource::Remote(_)) {
            table.wrong(
                "`timeout_seconds` is for a key that is elsewhere: `aws_kms`, `google_kms` or `ledger`",
            );
        }
        Self { name, chain, key, timeout_seconds }
    }
}

/// The one place that is named; every other is a mistake.
fn key(table: &Table<'_, '_>) -> KeySource {
    let password = password(table);
    let keystore = table.field::<Option<PathBuf>>("keystore");
    if password.is_some() && keystore.is_none() {
        table.wrong("`password_env` and `password_file` are for a `keystore`");
    }
    let remote = [
        table.field::<Option<AwsKmsKey>>("aws_kms").map(RemoteKey::AwsKms),
        table.field::<Option<GoogleKmsKey>>("google_kms").map(RemoteKey::GoogleKms),
        table.field::<Option<LedgerKey>>("ledger").map(RemoteKey::Ledger),
    ];
    let variable = table.field::<Option<Variable>>("key_env").map(|variable| KeySource::Variable(variable.0));
    let password = password.unwrap_or(Password::Prompt);
    let keystore = keystore.map(|path| KeySource::Keystore { path, password });
    let remote = remote.into_iter().flatten().map(KeySource::Remote);
    let mut places = variable.into_iter().chain(keystore).chain(remote);
    match (places.next(), places.next()) {
        (Some(only), None) => only,
        (None, _) | (_, Some(_)) => {
            table.wrong(PLACES);
            KeySource::Variable(String::new())
        }
    }
}

fn password(table: &Table<'_, '_>) -> Option<Password> {
    let variable =
        table.field::<Option<Variable>>("password_env").map(|variable| Password::Variable(variable.0));
    let file = table.field::<Option<PathBuf>>("password_file").map(Password::File);
    if variable.is_some() && file.is_some() {
        table.wrong("expected one of `password_env` and `password_file`");
    }
    variable.or(file)
}

struct Seconds(u64);

impl Read for Seconds {
    const EXPECTED: &'static str = "a number of seconds above 0, at most 3600";

    fn read(at: &At<'_>) -> Self {
        let seconds = u64::read(at);
        if seconds == 0 || seconds > 3_600 {
            at.mistake(format!("expected {}", Self::EXPECTED));
        }
        Self(seconds)
    }
}

/// Declares a text of certain characters: `text!(Name, "what is expected", |text| …)`.
macro_rules! text {
    ($name:ident, $expected:literal, $fits:expr) => {
        struct $name(String);

        impl Read for $name {
            const EXPECTED: &'static str = $expected;

            fn read(at: &At<'_>) -> Self {
                let fits: fn(&str) -> bool = $fits;
                let text = at.parsed(Self::EXPECTED, |text| fits(text).then(|| text.to_owned()));
                Self(text.unwrap_or_default())
            }
        }
    };
}

text!(AwsKeyId, "a key's id, its ARN, or an alias as in \"alias/keeper\"", |text| {
    (1..=2_048).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_:/".contains(c))
});
text!(AwsRegion, "a region as in \"eu-central-1\"", |text| {
    (1..=64).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
});
// A project of a domain is written `example.com:project`.
text!(GoogleName, "a name of letters, digits, `-` and `_`, not a whole resource path", |text| {
    (1..=63).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:".contains(c))
});
text!(HdPath, "a derivation path as in \"m/44'/60'/0'/0/0\"", |text| {
    let step = |step: &str| step.strip_suffix('\'').unwrap_or(step).parse::<u32>().is_ok_and(|n| n < 1 << 31);
    text.strip_prefix("m/").is_some_and(|steps| steps.split('/').count() <= 10 && steps.split('/').all(step))
});

impl Read for AwsKmsKey {
    const EXPECTED: &'static str = "{ key_id = \"…\", region = \"eu-central-1\" }";

    fn read(at: &At<'_>) -> Self {
        let table = at.table(&["key_id", "region", "endpoint_url"]);
        Self {
            key_id: table.field::<AwsKeyId>("key_id").0,
            region: table.field::<AwsRegion>("region").0,
            endpoint_url: table.field::<Option<PlainUrl>>("endpoint_url").and_then(|url| url.0),
        }
    }
}

impl Read for GoogleKmsKey {
    const EXPECTED: &'static str =
        "{ project = \"…\", location = \"…\", key_ring = \"…\", key = \"…\", version = 1 }";

    fn read(at: &At<'_>) -> Self {
        let table = at.table(&["project", "location", "key_ring", "key", "version"]);
        let name = |key: &str| table.field::<GoogleName>(key).0;
        Self {
            project: name("project"),
            location: name("location"),
            key_ring: name("key_ring"),
            key: name("key"),
            version: table.field("version"),
        }
    }
}

impl Read for LedgerKey {
    const EXPECTED: &'static str = "{ index = 0 } or { path = \"m/44'/60'/0'/0/0\" }";

    fn read(at: &At<'_>) -> Self {
        let table = at.table(&["index", "path"]);
        match (table.field::<Option<u32>>("index"), table.field::<Option<HdPath>>("path")) {
            (Some(index), None) => Self::Index(index),
            (None, Some(path)) => Self::Path(path.0),
            (None, None) | (Some(_), Some(_)) => {
                table.wrong(&format!("expected {}", Self::EXPECTED));
                Self::Index(0)
            }
        }
    }
}
