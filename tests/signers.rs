//! Signers: where a key may be kept, what a keystore is opened with, and what is said where there is no key.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the helpers of a test may stop it at the first surprise"
)]

use std::path::{Path, PathBuf};

use alloy::primitives::{Address, address};
use vault_keeper::config::{
    AwsKmsKey, Config, ConfigError, Environment, GoogleKmsKey, KeySource, LedgerKey, Mistakes, Password,
    RemoteKey, SignerConfig, Unlocked,
};
use vault_keeper::signers;

const POLICY: &str = include_str!("../examples/policies/cppi.toml");
const KEEPER: &str = include_str!("../keeper.example.toml");
const KEY: &str = "key_env = \"KEEPER_PRIVATE_KEY\"";

/// The first account of every development chain.
const ACCOUNT: Address = address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266");

/// Its key, sealed with scrypt (n = 8192).
const KEYSTORE: &str = r#"{"crypto":{"cipher":"aes-128-ctr","cipherparams":{"iv":"57a1a8311fb0f8fba44624ca9a5dd109"},
    "ciphertext":"c048328cf96d0fb4db17e6cc2b243ad1280ef54ad95325bb0dac6e131871e83d","kdf":"scrypt",
    "kdfparams":{"dklen":32,"n":8192,"p":1,"r":8,"salt":"3f33cf36cb4fcb0e1458d7f30fd2606a287cb062655c52ba25be6c2118a98475"},
    "mac":"6beb37ced541c02015e872f86615e554ab039628e1edd3cab19fe59e5b6143f3"},
    "id":"19eb5383-0fc8-4122-bec6-177c37383730","version":3}"#;

/// A `keeper.toml` with its keystore and a policy.
struct Files(tempfile::TempDir);

impl Files {
    fn new(keeper: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(directory.path().join("examples/policies")).unwrap();
        std::fs::write(directory.path().join("examples/policies/cppi.toml"), POLICY).unwrap();
        std::fs::write(directory.path().join("keeper.toml"), keeper).unwrap();
        std::fs::write(directory.path().join("hot.json"), KEYSTORE).unwrap();
        Self(directory)
    }

    /// With these lines in place of where the example's key is.
    fn with_key(lines: &str) -> Self {
        assert_eq!(KEEPER.matches(KEY).count(), 1);
        Self::new(&KEEPER.replace(KEY, lines))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn load(&self) -> Result<Config, ConfigError> {
        Config::load(&self.path("keeper.toml"))
    }

    fn signer(&self) -> SignerConfig {
        SignerConfig::clone(&self.load().unwrap().signers[0])
    }
}

fn opened(signer: &SignerConfig, environment: &Environment) -> Result<Address, String> {
    match signer.unlock(environment) {
        Ok(Unlocked::Local(key)) => Ok(key.address()),
        Ok(Unlocked::Remote(..)) => panic!("it is elsewhere"),
        Err(error) => Err(error.to_string()),
    }
}

/// Line and key of every mistake, and what is said of them.
fn mistakes(files: &Files) -> (Vec<(usize, String)>, String) {
    let error = files.load().unwrap_err();
    let ConfigError::Mistakes(Mistakes(mistakes)) = &error else { panic!("no list of mistakes: {error}") };
    let places = mistakes.iter().map(|mistake| (mistake.line, mistake.key.clone())).collect();
    (places, error.to_string())
}

#[cfg(unix)]
fn write_secret(path: &Path, text: &str, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_keystore_opens_with_its_password_alone() {
    let files = Files::with_key("keystore = \"hot.json\"\npassword_env = \"PASSWORD\"");
    let signer = files.signer();
    let environment = |password| Environment::of_pairs([("PASSWORD", password)]);
    assert_eq!(opened(&signer, &environment("correct horse")), Ok(ACCOUNT));
    let wrong = opened(&signer, &environment("wrong-password")).unwrap_err();
    assert!(wrong.contains("hot.json of signer `hot` with the password in PASSWORD"), "{wrong}");
    assert!(!wrong.contains("wrong-password"));
    let unset = opened(&signer, &Environment::default()).unwrap_err();
    assert!(unset.starts_with("PASSWORD is not set"), "{unset}");
    std::fs::remove_file(files.path("hot.json")).unwrap();
    let missing = opened(&signer, &environment("correct horse")).unwrap_err();
    assert!(missing.contains("hot.json: name the keystore's file"), "{missing}");
}

#[cfg(unix)]
#[test]
fn a_password_file_is_read_where_its_owner_alone_can_read_it() {
    let files = Files::with_key("keystore = \"hot.json\"\npassword_file = \"hot.password\"");
    let (signer, path) = (files.signer(), files.path("hot.password"));
    let password = |signer: &SignerConfig| opened(signer, &Environment::default());
    for (text, mode) in [("correct horse", 0o400), ("correct horse\n", 0o600), ("correct horse\r\n", 0o600)] {
        let _ = std::fs::remove_file(&path);
        write_secret(&path, text, mode);
        assert_eq!(password(&signer), Ok(ACCOUNT), "{text:?}");
    }
    for mode in [0o640, 0o604, 0o620, 0o601] {
        write_secret(&path, "correct horse", mode);
        let said = password(&signer).unwrap_err();
        let expected = format!("hot.password (mode {mode:04o}): `chmod 600` it");
        assert!(
            said.starts_with("there is no password for the keystore of signer `hot`: others may read"),
            "{said}"
        );
        assert!(said.ends_with(&expected), "{said}");
    }
}

#[cfg(unix)]
#[test]
fn a_password_file_that_is_missing_empty_or_wrong_is_named_and_not_repeated() {
    let files = Files::with_key("keystore = \"hot.json\"\npassword_file = \"hot.password\"");
    let (signer, path) = (files.signer(), files.path("hot.password"));
    let said = opened(&signer, &Environment::default()).unwrap_err();
    assert!(said.ends_with("hot.password: password_file names it, relative to keeper.toml"), "{said}");
    write_secret(&path, "\n", 0o600);
    let said = opened(&signer, &Environment::default()).unwrap_err();
    assert!(said.ends_with("hot.password is empty"), "{said}");
    // Spaces are a part of a password.
    write_secret(&path, "correct horse ", 0o600);
    let said = opened(&signer, &Environment::default()).unwrap_err();
    assert!(
        said.contains("hot.json of signer `hot` with the password in /") && !said.contains("correct"),
        "{said}"
    );
}

#[test]
fn without_a_place_for_the_password_it_is_asked_for_on_a_terminal_alone() {
    let files = Files::with_key("keystore = \"hot.json\"");
    let signer = files.signer();
    assert!(matches!(&signer.key, KeySource::Keystore { password: Password::Prompt, .. }));
    // The tests' standard input is no terminal.
    let said = opened(&signer, &Environment::default()).unwrap_err();
    assert_eq!(
        said,
        "there is no password for the keystore of signer `hot`: standard input is no terminal to ask on: name \
         `password_env` or `password_file` in its [[signer]]"
    );
}

#[test]
fn a_key_that_is_elsewhere_is_named_with_what_it_takes_to_ask_it() {
    let key = |lines: &str| match Files::with_key(lines).signer().key {
        KeySource::Remote(key) => key,
        other @ (KeySource::Variable(_) | KeySource::Keystore { .. }) => panic!("not elsewhere: {other:?}"),
    };
    let (key_id, region) =
        ("arn:aws:kms:eu-central-1:111122223333:key/ab-12".to_owned(), "eu-central-1".to_owned());
    let lines = format!("aws_kms = {{ key_id = \"{key_id}\", region = \"eu-central-1\" }}");
    assert_eq!(
        key(&lines),
        RemoteKey::AwsKms(AwsKmsKey { key_id, region: region.clone(), endpoint_url: None })
    );
    let lines = "aws_kms = { key_id = \"alias/keeper\", region = \"eu-central-1\", endpoint_url = \"http://127.0.0.1:5000\" }";
    let endpoint_url = Some("http://127.0.0.1:5000".parse().unwrap());
    assert_eq!(
        key(lines),
        RemoteKey::AwsKms(AwsKmsKey { key_id: "alias/keeper".into(), region, endpoint_url })
    );
    let google = GoogleKmsKey {
        project: "vaults".into(),
        location: "europe-west3".into(),
        key_ring: "keepers".into(),
        key: "hot".into(),
        version: 2,
    };
    let lines = "google_kms = { project = \"vaults\", location = \"europe-west3\", key_ring = \"keepers\", key = \"hot\", version = 2 }";
    assert_eq!(key(lines), RemoteKey::GoogleKms(google));
    assert_eq!(key("ledger = { index = 3 }"), RemoteKey::Ledger(LedgerKey::Index(3)));
    let path = "m/44'/60'/0'/7";
    assert_eq!(
        key(&format!("ledger = {{ path = \"{path}\" }}")),
        RemoteKey::Ledger(LedgerKey::Path(path.into()))
    );
}

#[test]
fn a_signature_has_ten_seconds_by_default_and_a_minute_where_a_person_presses() {
    let seconds = |lines: &str| match Files::with_key(lines).signer().unlock(&Environment::default()).unwrap()
    {
        Unlocked::Remote(_, timeout) => timeout.as_secs(),
        Unlocked::Local(_) => panic!("not elsewhere"),
    };
    let aws = "aws_kms = { key_id = \"k\", region = \"r\" }";
    assert_eq!(seconds(aws), 10);
    assert_eq!(seconds(&format!("{aws}\ntimeout_seconds = 3")), 3);
    assert_eq!(seconds("ledger = { index = 0 }"), 60);
}

#[test]
fn every_mistake_of_a_signer_is_named_at_its_line() {
    let signer = KEEPER.lines().position(|line| line == "[[signer]]").unwrap() + 1;
    let key = KEEPER.lines().position(|line| line.contains(KEY)).unwrap() + 1;
    let aws = "aws_kms = { key_id = \"k\", region = \"r\" }";
    let both = format!("{KEY}\n{aws}");
    let timed = format!("{KEY}\ntimeout_seconds = 5");
    let hurried = format!("{aws}\ntimeout_seconds = 0");
    let twice = "keystore = \"hot.json\"\npassword_env = \"P\"\npassword_file = \"p\"";
    for (lines, at, path, expected) in [
        (
            "",
            signer,
            "signer[0]",
            "expected one of `key_env`, `keystore`, `aws_kms`, `google_kms` and `ledger`",
        ),
        (both.as_str(), signer, "signer[0]", "a key never stands in this file"),
        (timed.as_str(), signer, "signer[0]", "`timeout_seconds` is for a key that is elsewhere"),
        (hurried.as_str(), key + 1, "signer[0].timeout_seconds", "expected a number of seconds above 0"),
        (twice, signer, "signer[0]", "expected one of `password_env` and `password_file`"),
        ("aws_kms = { key_id = \"a b\", region = \"r\" }", key, "signer[0].aws_kms.key_id", "an alias"),
        ("aws_kms = { key_id = \"k\" }", key, "signer[0].aws_kms.region", "missing; expected a region"),
        (
            "google_kms = { project = \"p\", location = \"l\", key_ring = \"r\", key = \"a/b\", version = 1 }",
            key,
            "signer[0].google_kms.key",
            "not a whole resource path",
        ),
        ("ledger = {}", key, "signer[0].ledger", "expected { index = 0 } or"),
        ("ledger = { index = 0, path = \"m/1\" }", key, "signer[0].ledger", "expected { index = 0 } or"),
        ("ledger = { path = \"44/60\" }", key, "signer[0].ledger.path", "a derivation path as in"),
    ] {
        let (places, said) = mistakes(&Files::with_key(lines));
        assert_eq!(places, [(at, path.to_owned())], "{lines}: {said}");
        assert!(said.contains(expected), "{lines}: {said}");
    }
}

#[test]
fn several_signers_are_those_of_one_vault_in_their_order() {
    let second = "[[signer]]\nname = \"next\"\nkey_env = \"NEXT_KEY\"\n\n[sending]";
    let text = KEEPER.replace("[sending]", second);
    let config = |line: &str| Files::new(&text.replace("signer = \"hot\"", line));
    let loaded = config("signers = [\"hot\", \"next\"]").load().unwrap();
    let names: Vec<_> = loaded.vaults[0].signers.iter().map(|signer| signer.name.clone()).collect();
    assert_eq!(names, ["hot", "next"]);
    let vault = text.lines().position(|line| line == "[[vault]]").unwrap() + 1;
    let line = text.lines().position(|line| line == "signer = \"hot\"").unwrap() + 1;
    for (written, at, path, expected) in [
        ("", vault, "vault[0]", "expected either `signer`, or `signers` with at least one name"),
        ("signers = []", vault, "vault[0]", "expected either `signer`, or `signers` with at least one name"),
        (
            "signer = \"hot\"\nsigners = [\"next\"]",
            vault,
            "vault[0]",
            "expected either `signer`, or `signers`",
        ),
        ("signers = [\"hot\", \"cold\"]", line, "vault[0].signers[1]", "expected `hot` or `next`"),
        ("signers = [\"hot\", \"hot\"]", line, "vault[0].signers[1]", "is named twice"),
    ] {
        let (places, said) = mistakes(&config(written));
        assert_eq!(places, [(at, path.to_owned())], "{written}: {said}");
        assert!(said.contains(expected), "{written}: {said}");
    }
}

#[cfg(not(any(feature = "aws-kms", feature = "gcp-kms", feature = "ledger")))]
#[tokio::test]
async fn a_signer_whose_client_is_not_built_in_names_the_feature() {
    for (lines, kind, feature) in [
        ("aws_kms = { key_id = \"k\", region = \"r\" }", "AWS KMS", "aws-kms"),
        (
            "google_kms = { project = \"p\", location = \"l\", key_ring = \"r\", key = \"k\", version = 1 }",
            "Google KMS",
            "gcp-kms",
        ),
        ("ledger = { index = 0 }", "a Ledger", "ledger"),
    ] {
        let error =
            signers::open(&Files::with_key(lines).signer(), &Environment::default()).await.unwrap_err();
        let expected = format!(
            "signer `hot` is a key of {kind}, and this keeper was built without it: build one with `cargo build --release \
             --features {feature}`"
        );
        assert_eq!(error.to_string(), expected);
        assert!(error.is_of_the_configuration());
    }
}

#[tokio::test]
async fn a_key_in_this_process_is_opened_as_what_signs() {
    let signer = Files::with_key(KEY).signer();
    let secret = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
    let key = signers::open(&signer, &Environment::of_pairs([("KEEPER_PRIVATE_KEY", secret)])).await.unwrap();
    assert_eq!(key.address(), ACCOUNT);
    let error = signers::open(&signer, &Environment::default()).await.unwrap_err();
    assert!(
        error.is_of_the_configuration() && error.to_string().starts_with("KEEPER_PRIVATE_KEY is not set")
    );
}
