//! A key of AWS KMS: against an emulator, which `scripts/test-kms` starts.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    reason = "a test fails where it stands; the script tells where the emulator is"
)]

use alloy::consensus::Transaction;
use alloy::network::TransactionResponse;
use alloy::primitives::{Address, U256};
use alloy::providers::Provider;
use alloy::providers::ext::AnvilApi;
use alloy_signer_aws::aws_sdk_kms::Client;
use alloy_signer_aws::aws_sdk_kms::types::{KeySpec, KeyUsageType};
use aws_config::{BehaviorVersion, Region};
use vault_keeper::config::{AwsKmsKey, Environment, KeySource, RemoteKey, SignerConfig};
use vault_keeper::signers;

#[path = "support/keeper_process.rs"]
mod keeper_process;

use keeper_process::{Deeds, Ended, Home, KEY, Scene};

const REGION: &str = "eu-central-1";

/// The emulator that does what KMS does.
fn kms() -> String {
    address_in("KEEPER_KMS_URL")
}

/// One that signs other bytes than those asked for.
fn kms_of_other_bytes() -> String {
    address_in("KEEPER_KMS_OTHER_BYTES_URL")
}

fn address_in(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set: run scripts/test-kms"))
}

/// A new key in the emulator at `url`: its id.
async fn create_key(url: &str) -> String {
    // The emulator takes any credentials.
    let credentials = aws_sdk_credentials();
    let loader = aws_config::defaults(BehaviorVersion::latest()).region(Region::new(REGION));
    let config = loader.endpoint_url(url).credentials_provider(credentials).load().await;
    let request = Client::new(&config).create_key().key_spec(KeySpec::EccSecgP256K1);
    let key = request.key_usage(KeyUsageType::SignVerify).send().await.unwrap();
    key.key_metadata.unwrap().key_id
}

fn aws_sdk_credentials() -> alloy_signer_aws::aws_sdk_kms::config::Credentials {
    alloy_signer_aws::aws_sdk_kms::config::Credentials::new("test", "test", None, None, "test")
}

/// A keeper whose key is `key_id` in the KMS at `url`.
struct Play {
    scene: Scene,
    home: Home,
}

impl Play {
    async fn set(url: &str, key_id: &str) -> Self {
        let scene = Scene::set().await;
        let node = scene.stage.chain.endpoint();
        let mut home = Home::new(&scene, node.as_str()).await;
        let kms = format!(
            "aws_kms = {{ key_id = \"{key_id}\", region = \"{REGION}\", endpoint_url = \"{url}\" }}\ntimeout_seconds = 5"
        );
        home.configure(&format!("key_env = \"{KEY}\""), &kms);
        // No key is in this process.
        home.unset(KEY);
        home.set("AWS_ACCESS_KEY_ID", "test");
        home.set("AWS_SECRET_ACCESS_KEY", "test");
        home.set("AWS_EC2_METADATA_DISABLED", "true");
        Self { scene, home }
    }

    /// The vault's owner appoints `keeper`, which holds ten ether.
    async fn appoint(&mut self, keeper: Address) {
        let provider = self.scene.stage.chain.provider();
        provider.anvil_set_balance(keeper, U256::from(10_u64.pow(19))).await.unwrap();
        self.scene.stage.appoint(self.scene.vault, keeper).await.unwrap();
        self.scene.keeper = keeper;
    }

    /// What `keeper check` says of the key.
    async fn checked(&self) -> (String, String) {
        let ended = self.home.start(&["check", "--json"]).end().await;
        let findings = ended.json();
        let key = findings.as_array().unwrap().iter().find(|finding| finding["check"] == "key").unwrap();
        let text = |part: &str| key[part].as_str().unwrap().to_owned();
        (text("level"), text("what"))
    }

    /// Asserts that the keeper signed nothing that anyone could send.
    async fn assert_nothing_sent(&self) {
        assert_eq!(self.scene.deeds().await, Deeds::NONE);
        let journal = self.home.journal().await;
        let intents = journal.intents(self.scene.vault, 10).await.unwrap();
        journal.close().await;
        assert!(intents.is_empty(), "{intents:?}");
    }
}

async fn address_of(url: &str, key_id: &str) -> Address {
    let key = AwsKmsKey {
        key_id: key_id.to_owned(),
        region: REGION.to_owned(),
        endpoint_url: Some(url.parse().unwrap()),
    };
    let config = SignerConfig {
        name: "hot".to_owned(),
        chain: None,
        key: KeySource::Remote(RemoteKey::AwsKms(key)),
        timeout_seconds: None,
    };
    signers::open(&config, &Environment::default()).await.unwrap().address()
}

#[tokio::test]
async fn the_chain_takes_what_a_key_of_kms_signs_and_its_sender_is_that_key() {
    let (url, key_id) = (kms(), create_key(&kms()).await);
    let mut play = Play::set(&url, &key_id).await;
    let (level, what) = play.checked().await;
    assert_eq!(level, "ok");
    let address: Address = what.strip_prefix("its key is there; its account is ").unwrap().parse().unwrap();
    play.appoint(address).await;
    let ended = play.home.once_mined(&play.scene).await;
    assert_eq!((ended.code, play.scene.deeds().await), (Some(0), Deeds::ONE), "{ended:?}");
    assert_eq!(address_of(&url, &key_id).await, address);
    let journal = play.home.journal().await;
    let intent = journal.intents(play.scene.vault, 1).await.unwrap().remove(0);
    journal.close().await;
    let mined = play.scene.stage.chain.provider().get_transaction_by_hash(intent.attempts[0].hash).await;
    let mined = mined.unwrap().expect("the transaction is on the chain");
    assert_eq!((mined.from(), mined.inner.to(), mined.inner.nonce()), (address, Some(play.scene.vault), 0));
}

#[tokio::test]
async fn a_key_that_kms_does_not_have_is_named_and_nothing_is_sent() {
    let play = Play::set(&kms(), "11111111-2222-3333-4444-555555555555").await;
    let (level, what) = play.checked().await;
    assert_eq!(level, "error");
    assert!(what.starts_with("signer `hot`: AWS KMS gives no key: "), "{what}");
    assert!(what.contains("NotFoundException") && what.contains("11111111-2222"), "{what}");
    let ended = play.home.once().await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(told(&ended, "signer `hot`: AWS KMS gives no key"), "{ended:?}");
    play.assert_nothing_sent().await;
}

#[tokio::test]
async fn a_kms_out_of_reach_is_said_to_be_so_and_nothing_is_sent() {
    // Nobody listens at port 1.
    let play = Play::set("http://127.0.0.1:1", "some-key").await;
    let ended = play.home.once().await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(
        told(&ended, "signer `hot`: AWS KMS gives no key") && told(&ended, "Connection refused"),
        "{ended:?}"
    );
    play.assert_nothing_sent().await;
}

#[tokio::test]
async fn a_kms_that_does_not_answer_is_given_up_after_its_time() {
    // It listens and never takes a connection.
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let play = Play::set(&format!("http://{}", deaf.local_addr().unwrap()), "some-key").await;
    play.home.configure("timeout_seconds = 5", "timeout_seconds = 1");
    let ended = play.home.once().await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let expected =
        "signer `hot`: AWS KMS did not answer within 1 s: check region, endpoint_url and the way there";
    assert!(told(&ended, expected), "{ended:?}");
    play.assert_nothing_sent().await;
}

#[tokio::test]
async fn a_kms_that_signs_other_bytes_is_found_out_and_nothing_is_sent() {
    let (url, key_id) = (kms_of_other_bytes(), create_key(&kms_of_other_bytes()).await);
    let mut play = Play::set(&url, &key_id).await;
    play.appoint(address_of(&url, &key_id).await).await;
    let ended = play.home.once().await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(told(&ended, &format!("the key of {} could not sign", play.scene.keeper)), "{ended:?}");
    play.assert_nothing_sent().await;
}

fn told(ended: &Ended, text: &str) -> bool {
    ended.stderr.contains(text)
}
