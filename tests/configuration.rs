//! Configuration: the examples boot, every mistake is named at once with its line, and no secret is ever shown.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "the helpers of a test may stop it at the first surprise"
)]

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use alloy::primitives::{address, b256};
use alloy::signers::local::PrivateKeySigner;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use vault_keeper::config::{
    self, Config, ConfigError, EndpointClass, Environment, Finality, HealthConfig, KeySource, Location,
    Mistakes, RelayMethod, Secret, SignerConfig, Unlocked, load_policy,
};
use vault_keeper::domain::canonical;
use vault_keeper::domain::policy::{ChainKind, Estimator, FloorPolicy, Policy, StrategyPolicy, Trigger};

const POLICY: &str = include_str!("../examples/policies/cppi.toml");
const KEEPER: &str = include_str!("../keeper.example.toml");

/// A directory with a `keeper.toml` and the policy where the example expects it.
struct Files {
    directory: tempfile::TempDir,
}

impl Files {
    fn new(keeper: &str, policy: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(directory.path().join("examples/policies")).unwrap();
        std::fs::write(directory.path().join("examples/policies/cppi.toml"), policy).unwrap();
        std::fs::write(directory.path().join("keeper.toml"), keeper).unwrap();
        Self { directory }
    }

    fn keeper(&self) -> PathBuf {
        self.directory.path().join("keeper.toml")
    }

    fn policy(&self) -> PathBuf {
        self.directory.path().join("examples/policies/cppi.toml")
    }

    fn load(&self) -> Result<Config, ConfigError> {
        Config::load(&self.keeper())
    }
}

/// The text with one line in place of another, which must be there once.
fn with(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "`{from}` must be in the text once");
    text.replacen(from, to, 1)
}

/// The key of a signer that is in this process.
fn local(signer: &SignerConfig, environment: &Environment) -> Result<PrivateKeySigner, ConfigError> {
    match signer.unlock(environment)? {
        Unlocked::Local(key) => Ok(key),
        Unlocked::Remote(..) => panic!("`{}` is elsewhere", signer.name),
    }
}

/// `line: key` of every mistake; the line of a key is that of the text, so that the tests do not count by hand.
fn found(error: &ConfigError) -> Vec<(usize, &str)> {
    let ConfigError::Mistakes(Mistakes(mistakes)) = error else { panic!("not a list of mistakes: {error}") };
    mistakes.iter().map(|mistake| (mistake.line, mistake.key.as_str())).collect()
}

fn line_of(text: &str, part: &str) -> usize {
    text.lines().position(|line| line.contains(part)).unwrap() + 1
}

fn policy_error(text: &str) -> ConfigError {
    let files = Files::new(KEEPER, text);
    load_policy(&files.policy()).unwrap_err()
}

fn keeper_error(text: &str) -> ConfigError {
    Files::new(text, POLICY).load().unwrap_err()
}

#[test]
fn the_example_policy_is_the_documented_default() {
    let published = load_policy(Path::new("examples/policies/cppi.toml")).unwrap();
    let policy = published.policy();
    let three = "3".parse().unwrap();
    assert_eq!(policy.strategy, StrategyPolicy::Cppi { multiplier: three, cap: "1".parse().unwrap() });
    assert_eq!(policy.floor, FloorPolicy::Fixed { share: "0.8".parse().unwrap() });
    assert_eq!(policy.trigger, Trigger::Economic);
    assert_eq!((policy.risk.aversion, policy.risk.horizon_seconds), ("4".parse().unwrap(), 31_536_000));
    assert_eq!(policy.gap.outage_seconds, 3_600);
    assert_eq!(policy.reserve.exit_gas_price_wei, policy.limits.max_urgent_gas_price_wei);
    assert!(matches!(policy.volatility.estimator, Estimator::Ewma { half_life_hours: 24, rounds: 120, .. }));
    assert_eq!(policy.feeds.risky_usd.address, address!("5f4eC3Df9cbd43714FE2740f5E3616155c5b8419"));
    assert_eq!(published.hash(), b256!("a7354c63fd14e73a9dc69d9e3f223747134add5b756f102cf0d8eebb786364c5"));
}

const HEDGE: &str = include_str!("../examples/policies/delta-hedge.toml");

#[test]
fn a_policy_may_hedge_an_option_book_and_all_that_is_wrong_with_its_smile_is_named() {
    let published = load_policy(Path::new("examples/policies/delta-hedge.toml")).unwrap();
    assert_eq!(published.policy().option_book(), Some(address!("00000000000000000000000000000000000B00c5")));
    assert!(published.smile().is_some());
    let text = with(HEDGE, "vega = \"60000\"", "vega = \"-1\"");
    let text = with(
        &text,
        "{ strike = \"1.00\", volatility = \"0.71\" }",
        "{ strike = \"1.00\", volatility = \"1.20\" }",
    );
    let text = with(&text, "rate = \"0.04\"", "rates = \"0.04\"");
    let error = policy_error(&text);
    let at = |part: &str| line_of(&text, part);
    let butterfly = (at("volatility = \"1.20\""), "strategy.implied.expiries[2].points[2]");
    let expected = [(at("rates"), "strategy.rates"), butterfly, (at("vega = "), "strategy.bounds.vega")];
    let found = found(&error);
    assert!(expected.iter().all(|mistake| found.contains(mistake)), "{error}");
    let unknown = policy_error(&with(HEDGE, "kind = \"smile\"", "kind = \"smiles\""));
    assert!(unknown.to_string().contains("expected one of `feed`, `smile`, `estimate`"), "{unknown}");
    let half = policy_error(&with(
        HEDGE,
        "{ delta = \"0.25\", volatility = \"0.68\" }",
        "{ volatility = \"0.68\" }",
    ));
    assert!(half.to_string().contains("expected either `delta` or `strike`"), "{half}");
}

#[test]
fn the_keys_that_the_example_could_leave_out_have_their_default_values() {
    let policy = load_policy(Path::new("examples/policies/cppi.toml")).unwrap().policy().clone();
    let bare = Policy {
        risk: Default::default(),
        gap: Default::default(),
        trigger: Default::default(),
        execution: Default::default(),
        ..policy.clone()
    };
    assert_eq!(bare, policy);
    let mut text = String::new();
    let mut skipping = false;
    for line in POLICY.lines() {
        if line.starts_with('[') {
            skipping =
                ["[risk]", "[gap]", "[trigger]", "[execution]"].iter().any(|name| line.starts_with(name));
        }
        if !skipping && !line.starts_with("floor = ") {
            text.push_str(line);
            text.push('\n');
        }
    }
    let files = Files::new(KEEPER, &text);
    assert_eq!(*load_policy(&files.policy()).unwrap().policy(), policy);
}

#[test]
fn the_example_configuration_boots_without_any_secret() {
    let config = Config::load(Path::new("keeper.example.toml")).unwrap();
    assert_eq!(config.journal, Path::new("keeper.db"));
    let [chain] = config.chains.as_slice() else { panic!("one chain") };
    assert_eq!((chain.name.as_str(), chain.id, chain.finality), ("ethereum", 1, Finality::Finalized));
    assert_eq!((chain.poll_interval_ms, chain.request_timeout_ms), (1_000, 5_000));
    let [first, ..] = chain.endpoints.as_slice() else { panic!("endpoints") };
    assert_eq!(first.location, Location::Variable("ETH_RPC_URL".into()));
    let usual = HealthConfig::default();
    let shown = HealthConfig { agreement_depth: Some(1), frozen_after_seconds: Some(120), ..usual };
    assert_eq!(chain.health, shown);
    assert_eq!((chain.send_timeout_ms, chain.frozen_after().as_secs()), (10_000, 120));
    assert_eq!(chain.block_time(), std::time::Duration::from_secs(12));
    assert_eq!(config.sending.max_daily_cost_wei, 10u128.pow(18));
    let vault = config.vault("eth-cppi").unwrap();
    assert_eq!(vault.signers[0].key, KeySource::Variable("KEEPER_PRIVATE_KEY".into()));
    assert_eq!(vault.chain.id, 1);
    let published = load_policy(Path::new("examples/policies/cppi.toml")).unwrap();
    assert_eq!(vault.policy(published.hash()), Some(&published));
    assert_eq!(vault.policy(Default::default()), None);
    let unknown = config.vault("btc").unwrap_err();
    assert_eq!(unknown.to_string(), "there is no vault `btc` in the configuration; it has: eth-cppi");
}

#[test]
fn the_example_environment_has_every_variable_the_example_configuration_names() {
    let text = include_str!("../.env.example");
    let environment = Environment::of_file(Path::new(".env.example"), text).unwrap();
    let config = Config::load(Path::new("keeper.example.toml")).unwrap();
    let vault = config.vault("eth-cppi").unwrap();
    let urls = vault.chain.urls(&environment).unwrap();
    let urls: Vec<&str> = urls.iter().map(Secret::expose).collect();
    assert_eq!(urls, ["https://mainnet.example.org/v3/your-key", "http://127.0.0.1:8545/"]);
    // The address of the private key 1.
    let signer = local(&vault.signers[0], &environment).unwrap();
    assert_eq!(signer.address(), address!("7E5F4552091A69125d5DfCb7b8C2659029395Bdf"));
}

#[test]
fn every_kind_of_mistake_in_a_policy_is_reported_at_once() {
    let text = with(POLICY, "multiplier = \"3\"", "multiplier = 3.0");
    let text = with(&text, "share = \"0.80\"", "share = \"1.80\"");
    let text = with(&text, "safety = ", "saftey = ");
    let text = with(&text, "max_trade = \"1000000\"", "#");
    let text = with(&text, "min_trade = ", "max_slippage_bps = 10_001 #");
    let text = with(&text, "max_slippage_bps = 100 ", "#");
    let text = with(&text, "rounds = 120", "rounds = 5_000_000_000");
    let error = policy_error(&text);
    let expected = [
        (line_of(&text, "multiplier ="), "strategy.multiplier"),
        (line_of(&text, "share = \"1.80\""), "floor.share"),
        (line_of(&text, "saftey"), "gap.saftey"),
        (line_of(&text, "rounds = 5"), "volatility.estimator.rounds"),
        (line_of(&text, "[limits]"), "limits.max_trade"),
        (line_of(&text, "[limits]"), "limits.min_trade"),
        (line_of(&text, "10_001"), "limits.max_slippage_bps"),
    ];
    assert_eq!(found(&error), expected);
    let shown = error.to_string();
    for part in [
        "7 mistakes in the configuration\n  ",
        "cppi.toml:13:14: strategy.multiplier: is a float; expected a decimal number in quotes, such as \"0.05\"\n",
        "floor.share: expected a share above 0 and below 1 (0.80 is 80 %)\n",
        "gap.saftey: unknown key; expected one of `outage_seconds`, `quantile`, `jump`, `safety`, ",
        "rounds: is out of range; expected a whole number from 0 to 4294967295\n",
        "limits.max_trade: missing; expected a decimal number in quotes",
        "max_slippage_bps: expected 0 to 10000 basis points",
    ] {
        assert!(shown.contains(part), "`{part}` is not in:\n{shown}");
    }
}

#[test]
fn mistakes_in_the_configuration_and_in_its_policies_come_together() {
    let keeper = with(KEEPER, "poll_interval_ms = 1_000", "poll_intervall_ms = 1_000");
    let keeper = with(&keeper, "gas_limit_margin_percent = 20 ", "gas_limit_margin_percent = \"20\" ");
    let policy = with(POLICY, "cap = \"1\"", "cap = \"1.5\"");
    let error = Files::new(&keeper, &policy).load().unwrap_err();
    let expected = [
        (line_of(&keeper, "poll_intervall_ms"), "chain[0].poll_intervall_ms"),
        (line_of(&keeper, "gas_limit_margin_percent"), "sending.gas_limit_margin_percent"),
        (line_of(&policy, "cap = "), "strategy.cap"),
    ];
    assert_eq!(found(&error), expected);
}

#[test]
fn cross_references_are_checked() {
    let second = r#"
[[chain]]
name = "ethereum"
id = 31337
kind = "op-stack"
finality = { depth = 0 }
endpoints = [{ url = "http://127.0.0.1:8545", url_env = "X" }, { url = "ws://127.0.0.1:8545" }]

[[vault]]
name = "second"
chain = "polygon"
address = "0x2222222222222222222222222222222222222222"
signer = "cold"
policies = ["examples/policies/cppi.toml", "examples/policies/cppi.toml", "none.toml"]
"#;
    let keeper = with(KEEPER, "id = 1 ", "id = 5 ") + second;
    let keys: Vec<String> = found(&keeper_error(&keeper)).iter().map(|(_, key)| (*key).to_owned()).collect();
    assert_eq!(
        keys,
        [
            "vault[0].policies[0]",
            "chain[1].name",
            "chain[1].kind",
            "chain[1].finality.depth",
            "chain[1].endpoints[0]",
            "chain[1].endpoints[1].url",
            "vault[1].chain",
            "vault[1].signer",
            "vault[1].policies[1]",
            "vault[1].policies[2]",
        ]
    );
}

/// The example with these endpoints.
fn with_endpoints(endpoints: &str) -> String {
    let from = KEEPER.find("endpoints = [").unwrap();
    let to = KEEPER.find("\n]\n").unwrap() + 2;
    format!("{}endpoints = [{endpoints}]{}", &KEEPER[..from], &KEEPER[to..])
}

#[test]
fn endpoints_are_public_with_a_socket_or_private_with_a_method_and_a_key() {
    let text = with_endpoints(
        r#"{ url_env = "ETH_RPC_URL", ws_env = "ETH_WS_URL" },
  { url = "https://relay.example.org", class = "private", credentials_env = "RELAY_KEY" },
  { url = "https://quiet.example.org", class = "private", method = "eth_sendRawTransaction" }"#,
    );
    let config = Files::new(&text, POLICY).load().unwrap();
    let [public, relay, quiet] = config.chains[0].endpoints.as_slice() else { panic!("three endpoints") };
    let socket = Some(Location::Variable("ETH_WS_URL".into()));
    assert_eq!(public.class, EndpointClass::Public { socket });
    let key = format!("{:064x}", 1);
    let environment = Environment::of_pairs([
        ("ETH_WS_URL", "wss://node.example.org/a-secret"),
        ("RELAY_KEY", key.as_str()),
    ]);
    let socket = public.socket("ethereum", &environment).unwrap().unwrap();
    assert_eq!(socket.expose(), "wss://node.example.org/a-secret");
    let signer = relay.credentials("ethereum", &environment).unwrap().unwrap();
    assert_eq!(signer.address(), address!("7E5F4552091A69125d5DfCb7b8C2659029395Bdf"));
    let method = RelayMethod::RawTransaction;
    assert_eq!(quiet.class, EndpointClass::Private { method, credentials: None });
    let wrong = Environment::of_pairs([("ETH_WS_URL", "https://a-secret"), ("RELAY_KEY", "a-secret")]);
    for error in
        [public.socket("ethereum", &wrong).unwrap_err(), relay.credentials("ethereum", &wrong).unwrap_err()]
    {
        assert!(!error.to_string().contains("a-secret"), "{error}");
    }
}

#[test]
fn keys_of_the_other_class_and_a_chain_without_a_public_endpoint_are_mistakes() {
    for (endpoints, key) in [
        (r#"{ url = "http://a.example", method = "eth_sendRawTransaction" }"#, "chain[0].endpoints[0]"),
        (r#"{ url = "http://a.example", credentials_env = "K" }"#, "chain[0].endpoints[0]"),
        (
            r#"{ url = "http://a.example" }, { url = "http://b.example", class = "private", ws = "ws://b.example" }"#,
            "chain[0].endpoints[1]",
        ),
        (r#"{ url = "http://a.example", ws = "ws://a.example", ws_env = "W" }"#, "chain[0].endpoints[0]"),
        (r#"{ url = "http://a.example", ws = "http://a.example" }"#, "chain[0].endpoints[0].ws"),
        (r#"{ url = "http://a.example", class = "secret" }"#, "chain[0].endpoints[0].class"),
        (r#"{ url = "http://a.example", class = "private" }"#, "chain[0].endpoints"),
    ] {
        let error = Files::new(&with_endpoints(endpoints), POLICY).load().unwrap_err();
        let keys: Vec<&str> = found(&error).iter().map(|(_, key)| *key).collect();
        assert_eq!(keys, [key], "{endpoints}: {error}");
    }
}

#[test]
fn a_signer_bound_to_one_chain_serves_no_vault_on_another() {
    let other = "\n[[chain]]\nname = \"other\"\nid = 2\nkind = \"ethereum\"\nfinality = { depth = 3 }\nendpoints = [{ url = \"http://localhost:1\" }]\n";
    let keeper = with(KEEPER, "chain = \"ethereum\"               #", "chain = \"other\" #") + other;
    let error = keeper_error(&keeper);
    assert_eq!(found(&error), [(line_of(&keeper, "signer = \"hot\""), "vault[0].signer")]);
    assert!(error.to_string().contains("this one signs for `other` alone"));
}

/// The example configuration on a chain of this kind.
fn on(kind: &str) -> String {
    with(KEEPER, "kind = \"ethereum\"  ", &format!("kind = \"{kind}\"  "))
}

#[test]
fn a_chain_and_the_policies_of_its_vaults_are_of_one_kind() {
    let gas = with(POLICY, "[gas]\n", "[gas]\nchain = \"op_stack\"\n");
    let exit = "\nexit_data_fee_wei = 1\nfeed_deviation_bps = 50 ";
    let rollup = with(&gas, "\nfeed_deviation_bps = 50 ", exit);
    let config = Files::new(&on("op_stack"), &rollup).load().unwrap();
    assert_eq!(config.chains[0].kind, ChainKind::OpStack);
    assert_eq!(config.vaults[0].policies[0].policy().gas.chain, ChainKind::OpStack);
    assert_eq!(config.sending.data_fee_margin_percent, 25);

    for (keeper, policy) in [(on("arbitrum"), &rollup), (on("op_stack"), &POLICY.to_owned())] {
        let error = Files::new(&keeper, policy).load().unwrap_err();
        assert_eq!(found(&error), [(line_of(&keeper, "policies = ["), "vault[0].policies[0]")]);
    }
    let error = keeper_error(&on("optimism"));
    assert_eq!(found(&error), [(line_of(KEEPER, "kind = "), "chain[0].kind")]);
    let expected = "is not valid; expected \"ethereum\" or \"op_stack\" or \"arbitrum\"";
    assert!(error.to_string().contains(expected), "{error}");
    // What the data of an exit may cost must be said where there is such a fee.
    let error = Files::new(&on("op_stack"), &gas).load().unwrap_err();
    assert_eq!(found(&error), [(line_of(&gas, "[reserve]"), "reserve.exit_data_fee_wei")]);
}

/// A larger one would have been cut to what a basis point of 16 bits holds.
#[test]
fn a_margin_that_is_not_kept_is_refused_with_its_range() {
    for (key, standing) in [("gas_limit_margin_percent", 20), ("data_fee_margin_percent", 25)] {
        let of = |percent: u32| with(KEEPER, &format!("{key} = {standing} "), &format!("{key} = {percent} "));
        assert!(Files::new(&of(600), POLICY).load().is_ok(), "{key}");
        let wide = of(601);
        let error = keeper_error(&wide);
        assert_eq!(found(&error), [(line_of(&wide, key), format!("sending.{key}").as_str())]);
        assert!(error.to_string().contains("expected 0 to 600 percent"), "{error}");
    }
}

#[test]
fn patience_and_the_class_of_endpoints_have_defaults_and_bounds() {
    use vault_keeper::config::{SendingConfig, SubmissionPolicy};
    let mut bare = KEEPER.to_owned();
    for key in [
        "max_cancel_fee_per_gas_wei",
        "bump_after_seconds",
        "max_attempts",
        "park_after_seconds",
        "max_in_flight",
        "revert_cooldown_seconds",
        "runway_transactions",
        "submission",
    ] {
        let line = KEEPER.lines().find(|line| line.starts_with(key)).unwrap();
        bare = with(&bare, &format!("{line}\n"), "");
    }
    let sending = Files::new(&bare, POLICY).load().unwrap().sending;
    let stated = Files::new(KEEPER, POLICY).load().unwrap().sending;
    assert_eq!(stated.max_cancel_fee_per_gas_wei, Some(2 * stated.max_fee_per_gas_wei), "as without the key");
    assert_eq!(SendingConfig { max_cancel_fee_per_gas_wei: None, ..stated }, sending);
    let seconds = (sending.bump_after_seconds, sending.park_after_seconds, sending.revert_cooldown_seconds);
    assert_eq!(seconds, (36, 3_600, 300));
    assert_eq!((sending.max_attempts, sending.max_in_flight, sending.runway_transactions), (8, 4, 10));
    assert_eq!((sending.max_cancel_fee_per_gas_wei, sending.submission), (None, SubmissionPolicy::Public));

    for key in ["bump_after_seconds", "max_attempts", "park_after_seconds", "max_in_flight"] {
        let line = KEEPER.lines().find(|line| line.starts_with(key)).unwrap();
        let zero = with(KEEPER, line, &format!("{key} = 0"));
        assert_eq!(found(&keeper_error(&zero)), [(line_of(&zero, key), format!("sending.{key}").as_str())]);
    }
    let line = KEEPER.lines().find(|line| line.starts_with("park_after_seconds")).unwrap();
    let hasty = with(KEEPER, line, "park_after_seconds = 36");
    assert_eq!(
        found(&keeper_error(&hasty)),
        [(line_of(&hasty, "park_after_seconds"), "sending.park_after_seconds")]
    );
    let cheap = with(
        KEEPER,
        "max_cancel_fee_per_gas_wei = 1_000_000_000_000",
        "max_cancel_fee_per_gas_wei = 500_000_000_000",
    );
    let key = "max_cancel_fee_per_gas_wei";
    assert_eq!(found(&keeper_error(&cheap)), [(line_of(&cheap, key), "sending.max_cancel_fee_per_gas_wei")]);

    // Private bytes need somewhere to go.
    let line = KEEPER.lines().find(|line| line.starts_with("submission")).unwrap();
    let relay = "\n  { url = \"https://relay.example.org\", class = \"private\" },\n]\n";
    for (text, policy) in [
        ("\"private\"", SubmissionPolicy::Private),
        ("{ private_then_public_blocks = 7 }", SubmissionPolicy::PrivateThenPublic { blocks: 7 }),
    ] {
        let private = with(KEEPER, line, &format!("submission = {text}"));
        let error = keeper_error(&private);
        assert_eq!(found(&error), [(line_of(&private, "submission"), "sending.submission")]);
        assert!(error.to_string().contains("has no endpoint of class \"private\""), "{error}");
        let relayed = with(&private, "\n]\n", relay);
        assert_eq!(Files::new(&relayed, POLICY).load().unwrap().sending.submission, policy);
    }
    let odd = with(KEEPER, line, "submission = \"secret\"");
    assert_eq!(found(&keeper_error(&odd)), [(line_of(&odd, "submission"), "sending.submission")]);
}

#[test]
fn a_text_that_is_not_toml_is_reported_by_line_and_column() {
    let text = with(POLICY, "kind = \"fixed\"", "kind = \"fixed");
    let error = policy_error(&text);
    let line = line_of(&text, "kind = \"fixed");
    assert!(found(&error).contains(&(line, "")), "{error}");
    assert!(error.to_string().contains(&format!("cppi.toml:{line}:")));
    assert!(error.to_string().contains("not TOML: "));
    // What follows is not read, and that is said once.
    let text = with(&text, "share = \"0.80\"", "share = \"1.80\"");
    let error = policy_error(&text);
    assert!(
        error.to_string().matches("mend it first, since the rest of the file was not checked").count() == 1,
        "{error}"
    );
    assert!(!error.to_string().contains("floor.share"), "{error}");
}

#[test]
fn a_key_given_twice_hides_no_other_mistake() {
    let text = with(POLICY, "multiplier = \"3\"", "multiplier = 5.0");
    let text = with(&text, "max_slippage_bps = 100 ", "max_slippage_bps = 10_001\nmax_slippage_bps = 100 ");
    let text = text + "\n[limits]\nmin_trade = \"5\"\nmin_trad = \"5\"\n";
    let error = policy_error(&text);
    let last = text.lines().count();
    let expected = [
        (line_of(&text, "multiplier ="), "strategy.multiplier"),
        (line_of(&text, "max_slippage_bps = 10_001"), "limits.max_slippage_bps"),
        (line_of(&text, "max_slippage_bps = 10_001") + 1, "max_slippage_bps"),
        (last - 2, "limits"),
        (last - 1, "min_trade"),
        (last, "limits.min_trad"),
    ];
    assert_eq!(found(&error), expected, "{error}");
    let said = "max_slippage_bps: given twice in the same table; remove one of the two\n";
    assert!(error.to_string().contains(said), "{error}");
    // It alone is a mistake too, and says nothing that could be a secret.
    let alone = with(POLICY, "[limits]", "\"0xpasted key\" = 1\n\"0xpasted key\" = 2\n[limits]");
    let error = policy_error(&alone).to_string();
    assert!(error.contains("(key not shown): given twice") && !error.contains("pasted"), "{error}");
    let alone = with(POLICY, "chain_id = 1 ", "chain_id = 1\nchain_id = 1 ");
    assert_eq!(found(&policy_error(&alone)), [(line_of(&alone, "chain_id = 1 "), "chain_id")]);
}

#[test]
fn a_file_that_is_not_there_says_which_and_what_to_do() {
    let error = Config::load(Path::new("nowhere/keeper.toml")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no file nowhere/keeper.toml: copy keeper.example.toml to keeper.toml, or name another with --config"
    );
    let error = load_policy(Path::new("nowhere.toml")).unwrap_err();
    assert!(error.to_string().starts_with("there is no file nowhere.toml: name the file of a policy"));
    assert!(matches!(load_policy(Path::new("examples")), Err(ConfigError::Unreadable { .. })));
}

#[test]
fn at_most_fifty_mistakes_are_listed() {
    let text: String = (0..60).map(|i| format!("wrong_{i} = 1\n")).collect::<String>() + POLICY;
    let error = policy_error(&text);
    let shown = error.to_string();
    assert_eq!(shown.lines().count(), 52);
    assert!(shown.starts_with("60 mistakes in the configuration"));
    assert!(shown.ends_with("\n  and 10 more"));
}

#[test]
fn a_guardian_is_a_signer_of_its_own() {
    let brake = "[[signer]]\nname = \"brake\"\nkey_env = \"GUARDIAN_KEY\"\n\n[sending]";
    let guarded = |name: &str| {
        let text = with(KEEPER, "[sending]", brake);
        with(&text, "\nsigner = \"hot\"\n", &format!("\nsigner = \"hot\"\nguardian = \"{name}\"\n"))
    };
    let config = Files::new(&guarded("brake"), POLICY).load().unwrap();
    let guardian = config.vault("eth-cppi").unwrap().guardian.clone().unwrap();
    assert_eq!(guardian.key, KeySource::Variable("GUARDIAN_KEY".into()));
    assert!(Files::new(KEEPER, POLICY).load().unwrap().vault("eth-cppi").unwrap().guardian.is_none());
    for (name, said) in [
        ("hot", "expected another signer than the vault's keeper has"),
        ("nobody", "there is no [[signer]] of this name; expected `hot` or `brake`"),
    ] {
        let error = keeper_error(&guarded(name));
        assert!(error.to_string().contains(said), "{error}");
        assert!(found(&error).iter().all(|(_, key)| *key == "vault[0].guardian"), "{error}");
    }
}

#[test]
fn a_missing_secret_names_the_variable_who_wants_it_and_the_remedy() {
    let config = Config::load(Path::new("keeper.example.toml")).unwrap();
    let vault = config.vault("eth-cppi").unwrap();
    let nothing = Environment::of_pairs([("KEEPER_PRIVATE_KEY", "  ")]);
    assert_eq!(
        local(&vault.signers[0], &nothing).unwrap_err().to_string(),
        "KEEPER_PRIVATE_KEY is not set, and signer `hot` needs it: export it or put it in .env (.env.example shows how)"
    );
    assert_eq!(
        vault.chain.urls(&nothing).unwrap_err().to_string(),
        "ETH_RPC_URL is not set, and chain `ethereum` needs it: export it or put it in .env (.env.example shows how)"
    );
}

#[test]
fn a_key_is_read_with_or_without_its_prefix_and_the_spaces_around_it() {
    let config = Config::load(Path::new("keeper.example.toml")).unwrap();
    let signer = &config.vault("eth-cppi").unwrap().signers[0];
    // The first account of every development chain.
    let digits = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
    for text in [digits.to_owned(), format!(" 0x{digits}\n")] {
        let environment = Environment::of_pairs([("KEEPER_PRIVATE_KEY", text.as_str())]);
        let address = local(signer, &environment).unwrap().address();
        assert_eq!(address, address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266"));
    }
    let short = Environment::of_pairs([("KEEPER_PRIVATE_KEY", &digits[1..])]);
    assert!(matches!(local(signer, &short), Err(ConfigError::BadSecret { .. })));
}

#[test]
fn no_secret_is_shown_whatever_is_done_with_it() {
    let secret = "s3cr3t0123456789abcdef";
    let environment = Environment::of_pairs([
        ("KEEPER_PRIVATE_KEY", secret),
        (
            "ETH_RPC_URL",
            "https://user:s3cr3t0123456789abcdef@host.example:8080/s3cr3t0123456789abcdef?k=s3cr3t0123456789abcdef",
        ),
    ]);
    let config = Config::load(Path::new("keeper.example.toml")).unwrap();
    let vault = config.vault("eth-cppi").unwrap();
    let urls = vault.chain.urls(&environment).unwrap();
    assert!(urls[0].expose().contains(secret));
    let bad_key = local(&vault.signers[0], &environment).unwrap_err();
    let bad_url = vault.chain.urls(&Environment::of_pairs([("ETH_RPC_URL", secret)])).unwrap_err();
    assert_eq!(
        bad_key.to_string(),
        "KEEPER_PRIVATE_KEY, which signer `hot` needs, is set but not usable: expected a private key of 64 hexadecimal digits"
    );
    assert_eq!(
        bad_url.to_string(),
        "ETH_RPC_URL, which chain `ethereum` needs, is set but not usable: expected an address that starts with \
         http:// or https://"
    );
    let shown = format!("{environment:?} {urls:?} {} {bad_key:?} {bad_url:?} {config:?}", urls[0]);
    assert!(!shown.contains("s3cr3t"), "{shown}");
}

#[test]
fn a_secret_pasted_into_the_file_is_refused_and_not_repeated() {
    let secret = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
    let endpoint = "url = \"http://127.0.0.1:8545\"";
    for (from, to) in [
        ("key_env = \"KEEPER_PRIVATE_KEY\"", format!("key_env = \"{secret}\"")),
        ("key_env = \"KEEPER_PRIVATE_KEY\"", format!("private_key = \"{secret}\"")),
        ("key_env = \"KEEPER_PRIVATE_KEY\"", format!("{secret} = 1")),
        ("signer = \"hot\"", format!("signer = \"{secret}\"")),
        ("policies = [\"examples/policies/cppi.toml\"]", format!("policies = [\"{secret}\"]")),
        (endpoint, format!("url = \"https://eth.example.org/v2/{secret}\"")),
        (endpoint, format!("url = \"https://eth.example.org/?key={secret}\"")),
        (endpoint, format!("url = \"https://user:{secret}@eth.example.org/\"")),
        (endpoint, format!("url_env = \"https://eth.example.org/{secret}\"")),
    ] {
        let error = keeper_error(&with(KEEPER, from, &to));
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(&secret[..12]), "{shown}");
    }
}

#[test]
fn a_mistyped_address_fails_its_checksum() {
    let text = with(POLICY, "0x5f4eC3Df9", "0x5f4eC3Df8");
    assert_eq!(found(&policy_error(&text)), [(line_of(&text, "0x5f4eC3Df8"), "feeds.risky_usd.address")]);
}

#[test]
fn an_unknown_kind_names_the_known_ones_and_says_nothing_else_of_its_table() {
    let text = with(POLICY, "kind = \"ewma\"", "kind = \"parkinson\"");
    let error = policy_error(&text);
    assert_eq!(found(&error), [(line_of(&text, "parkinson"), "volatility.estimator.kind")]);
    assert!(
        error
            .to_string()
            .ends_with("is not valid; expected one of `fixed`, `ewma`, `realised`, `garch11`, `har`")
    );
}

#[test]
fn every_variant_of_a_policy_survives_the_way_through_toml() {
    let strategies = [(
        "kind = \"fixed\"\nshare = \"0.80\"",
        [
            "kind = \"accruing\"\nshare = \"0.7\"\nrate = \"0.03\"",
            "kind = \"ratchet\"\nshare = \"0.7\"\npeak_share = \"0.75\"",
        ],
    )];
    let triggers = [(
        "kind = \"economic\"",
        ["kind = \"threshold\"\nfraction = \"0.05\"\nto = \"edge\"", "kind = \"interval\"\nseconds = 86_400"],
    )];
    let estimator =
        "kind = \"ewma\"\nhalf_life_hours = 24             # hours after which a return counts half\n";
    let estimators = [
        "kind = \"ewma\"\nhalf_life_hours = 24\nmax_gap_seconds = 7_200\n",
        "kind = \"realised\"\nwindow_hours = 168\n",
        "kind = \"garch11\"\nstep_seconds = 3_600\nhorizon_steps = 24\nparameters = { kind = \"fitted\" }\n",
        "kind = \"garch11\"\nstep_seconds = 3_600\nhorizon_steps = 1\nmax_gap_seconds = 7_200\n\
         parameters = { kind = \"stated\", long_run = \"0.7\", alpha = \"0.1\", beta = \"0.85\" }\n",
        "kind = \"har\"\nperiod_seconds = 21_600\nmedium = 4\nlong = 28\n",
    ];
    let source = "floor = \"0.20\"                   # annualised; never taken to be lower (0.20 is 20 %)\n";
    let sources = [
        "floor = \"0.20\"\nsource = { kind = \"feed\" }\n",
        "source = { kind = \"pool\", step_seconds = 1_800 }\n",
    ];
    let changes = strategies.iter().chain(&triggers).map(|(from, to)| (*from, to.as_slice()));
    for (from, to) in changes.chain([(estimator, estimators.as_slice()), (source, sources.as_slice())]) {
        for to in to {
            let text = with(POLICY, from, to);
            let files = Files::new(KEEPER, &text);
            let read = load_policy(&files.policy()).unwrap();
            let written = Files::new(KEEPER, &toml::to_string(read.policy()).unwrap());
            assert_eq!(load_policy(&written.policy()).unwrap(), read);
        }
    }
}

/// One change of one line of a file.
#[derive(Debug, Clone)]
enum Change {
    Delete,
    Rename(String),
    Value(String),
}

fn changes() -> impl Strategy<Value = Change> {
    let values = [
        "0",
        "1",
        "-1",
        "3",
        "0.5",
        "\"0\"",
        "\"1\"",
        "\"-1\"",
        "\"0.5\"",
        "\"1e9\"",
        "\"\"",
        "\"x\"",
        "true",
        "[]",
        "{}",
        "[{}]",
        "[1]",
        "{ kind = 1 }",
        "{ kind = \"fixed\" }",
        "1979-05-27",
        "inf",
        "nan",
        "9223372036854775807",
        "18446744073709551616",
        "0xffffffff",
        "\"0x0000000000000000000000000000000000000000\"",
        "\"finalized\"",
        "{ depth = 0 }",
        "[[]]",
        "\"79228162514264337593543950336\"",
        "\"\\u0000\"",
    ];
    prop_oneof![
        Just(Change::Delete),
        "[a-z_]{1,8}".prop_map(Change::Rename),
        proptest::sample::select(values.to_vec()).prop_map(|value| Change::Value(value.to_owned())),
        "[\"'\\[\\]{}=.a-z0-9 #é\\\\-]{0,12}".prop_map(Change::Value),
    ]
}

/// Changes the line at `pick` among those that hold a key, and says which key that was.
fn changed(text: &str, pick: prop::sample::Index, change: &Change) -> (String, String) {
    let holds_key = |line: &&str| line.contains(" = ") && !line.starts_with('#');
    let lines: Vec<&str> = text.lines().collect();
    let keys: Vec<usize> = (0..lines.len()).filter(|i| holds_key(&lines[*i])).collect();
    let at = keys[pick.index(keys.len())];
    let (key, value) = lines[at].split_once(" = ").unwrap();
    let line = match change {
        Change::Delete => String::new(),
        Change::Rename(name) => format!("{name} = {value}"),
        Change::Value(value) => format!("{key} = {value}"),
    };
    let mut lines: Vec<String> = lines.into_iter().map(str::to_owned).collect();
    lines[at] = line;
    (lines.join("\n") + "\n", key.trim().trim_start_matches("{ ").to_owned())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 800, rng_seed: RngSeed::Fixed(7), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_changed_policy_loads_as_serde_reads_it_or_names_the_line(
        picks in prop::collection::vec((any::<prop::sample::Index>(), changes()), 1..3),
    ) {
        let text = picks.iter().fold(POLICY.to_owned(), |text, (pick, change)| changed(&text, *pick, change).0);
        static FILES: LazyLock<Files> = LazyLock::new(|| Files::new(KEEPER, POLICY));
        std::fs::write(FILES.policy(), &text).unwrap();
        let by_serde = toml::from_str::<Policy>(&text).ok().filter(|policy| policy.violations().is_empty());
        match load_policy(&FILES.policy()) {
            Ok(policy) => {
                prop_assert_eq!(canonical::hash(policy.policy()).unwrap(), policy.hash());
                prop_assert_eq!(Some(policy.policy()), by_serde.as_ref());
            }
            Err(error) => {
                prop_assert_eq!(by_serde, None, "{}", error);
                prop_assert!(found(&error).iter().all(|(line, _)| (1..=text.lines().count() + 1).contains(line)));
            }
        }
    }

    #[test]
    fn a_changed_key_is_named_unless_the_configuration_still_loads(
        pick in any::<prop::sample::Index>(), change in changes(),
    ) {
        let (text, key) = changed(KEEPER, pick, &change);
        static FILES: LazyLock<Files> = LazyLock::new(|| Files::new(KEEPER, POLICY));
        std::fs::write(FILES.keeper(), text).unwrap();
        if let Err(error) = FILES.load() {
            let ConfigError::Mistakes(Mistakes(mistakes)) = &error else { panic!("{error}") };
            let names = |mistake: &&config::Mistake| {
                mistake.key.is_empty() || mistake.key.contains(&key) || mistake.message.contains(&key)
            };
            prop_assert!(mistakes.iter().any(|m| names(&m)), "{key} is not named in:\n{error}");
        }
    }
}
