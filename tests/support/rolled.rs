//! A rollup: anvil, with what only such a chain has standing in for it at the real addresses.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::time::Duration;

use alloy::primitives::{Address, Bytes, U256};
use alloy::providers::Provider;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use vault_keeper::chain::{Endpoint, SecretUrl, Timeouts};
use vault_keeper::domain::policy::ChainKind;
use vault_keeper::domain::snapshot::Snapshot;
use vault_keeper::protocols::rollups::arbitrum::{ARB_GAS_INFO, NODE_INTERFACE};
use vault_keeper::protocols::rollups::op_stack::GAS_PRICE_ORACLE;
use vault_keeper::reader::{Mode, Reader};
use vault_keeper::stage::account::Actor;

use super::keeper_process::{Ended, Home, Scene, published, with};
use super::proxy::Proxy;

const POLICY: &str = include_str!("../../examples/policies/cppi.toml");
/// Wei per unit of calldata at which data costs cents.
pub(crate) const LOW: u64 = 1_000_000_000;
/// At which it costs more than any trade brings.
pub(crate) const HIGH: u64 = 50_000_000_000_000_000;
/// Whole units of the asset that move the pool by 1 %.
const DEPTH: i64 = 10_000_000;
/// `extraData` of a Holocene header with the parameters of Ethereum, a denominator of 8 and an elasticity of 2.
const HOLOCENE: &str = "0x000000000800000002";
/// How the methods begin that answer with a header.
pub(crate) const BLOCK: &str = "eth_getBlock";

/// A rollup with a vault that wants to buy.
pub(crate) struct Rolled {
    pub(crate) kind: ChainKind,
    pub(crate) scene: Scene,
    pub(crate) proxy: Proxy,
    pub(crate) home: Home,
}

/// The default policy on a chain of this kind, which keeps a thousandth of a coin for the data of an exit.
fn policy(kind: ChainKind) -> String {
    let gas = format!("[gas]\nchain = \"{}\"\n", kind.name());
    let text = with(POLICY, "[gas]\n", &gas);
    with(&text, "[reserve]\n", "[reserve]\nexit_data_fee_wei = 1_000_000_000_000_000\n")
}

impl Rolled {
    pub(crate) async fn set(kind: ChainKind) -> Self {
        let scene = Scene::set_for(Decimal::from(DEPTH), &policy(kind)).await;
        let proxy = Proxy::start(scene.stage.chain.endpoint()).await;
        if kind == ChainKind::OpStack {
            proxy.dress(BLOCK, "extraData", HOLOCENE);
        }
        let home = Home::new(&scene, proxy.url()).await;
        home.configure("kind = \"ethereum\"", &format!("kind = \"{}\"", kind.name()));
        let rolled = Self { kind, scene, proxy, home };
        match kind {
            ChainKind::OpStack => rolled.install(GAS_PRICE_ORACLE, "StandInGasPriceOracle").await,
            ChainKind::Arbitrum => {
                rolled.install(ARB_GAS_INFO, "StandInArbGasInfo").await;
                rolled.install(NODE_INTERFACE, "StandInNodeInterface").await;
            }
            ChainKind::Ethereum => panic!("no rollup"),
        }
        rolled.price(LOW).await;
        rolled
    }

    /// Where the chain says what data costs.
    pub(crate) fn oracle(&self) -> Address {
        if self.kind == ChainKind::OpStack { GAS_PRICE_ORACLE } else { ARB_GAS_INFO }
    }

    async fn install(&self, address: Address, contract: &str) {
        let mut owner = self.scene.stage.act_as(Actor::Owner).await.unwrap();
        let deployed = owner.create_ours(contract, &[]).await.unwrap();
        let code = self.scene.stage.chain.provider().get_code_at(deployed).await.unwrap();
        self.code(address, &code).await;
    }

    pub(crate) async fn code(&self, address: Address, code: &Bytes) {
        self.node("anvil_setCode", json!([address, code])).await;
        self.scene.mine(1).await;
    }

    pub(crate) async fn store(&self, slot: u64, value: u64) {
        let word = |number: u64| format!("{:#066x}", U256::from(number));
        let parameters = json!([self.oracle(), word(slot), word(value)]);
        self.node("anvil_setStorageAt", parameters).await;
    }

    /// Data costs this many wei per unit from the next block on.
    pub(crate) async fn price(&self, wei: u64) {
        self.store(0, wei).await;
        self.scene.mine(1).await;
    }

    /// Data costs this many wei per unit in the block after the head, and what it cost before at the head.
    pub(crate) async fn price_later(&self, wei: u64) {
        let first = if self.kind == ChainKind::OpStack { 3 } else { 1 };
        let head = self.scene.stage.chain.block_number().await.unwrap();
        self.store(first, head + 2).await;
        self.store(first + 1, wei).await;
        self.scene.mine(1).await;
    }

    async fn node(&self, method: &'static str, parameters: Value) {
        self.scene.stage.chain.batch(vec![(method, parameters)]).await.unwrap();
    }

    /// One cycle that sends nothing and ends with `code`: 0 where none was wanted, 1 where a plan was refused.
    pub(crate) async fn not_sent(&self, code: i32) -> Value {
        let before = self.scene.deeds().await;
        let ended = self.home.once().await;
        assert_eq!(ended.code, Some(code), "{ended:?}");
        assert_eq!(self.scene.deeds().await, before);
        ended.json()
    }

    pub(crate) async fn decide(&self) -> Value {
        let ended: Ended = self.home.start(&["decide", "--vault", "main", "--json"]).end().await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        ended.json()
    }

    pub(crate) async fn snapshot(&self, mode: Mode) -> Snapshot {
        let timeouts = Timeouts { connect: Duration::from_secs(10), request: Duration::from_secs(30) };
        let url = SecretUrl::parse(self.proxy.url()).unwrap();
        let id = self.scene.stage.chain.chain_id();
        let endpoint = Endpoint::connect("stage", url, id, timeouts).await.unwrap().of_kind(self.kind);
        let header = endpoint.latest_header().await.unwrap();
        let policy = published(&self.scene.policy);
        let reader = Reader::new(mode);
        reader.snapshot(&endpoint, &header, self.scene.vault, policy.policy()).await.unwrap()
    }
}
