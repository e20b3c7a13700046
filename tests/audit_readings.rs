//! What an audit knows of blocks that it did not read: the same as what it reads, also where facts move by themselves.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails where it stands"
)]

#[path = "support/history.rs"]
mod history;
#[path = "support/keeper_process.rs"]
mod keeper_process;
#[path = "support/positions.rs"]
mod positions;
#[path = "support/proxy.rs"]
mod proxy;
#[path = "support/rig.rs"]
mod rig;
#[path = "support/rolled.rs"]
mod rolled;

use alloy::primitives::{B256, U256};
use alloy::providers::Provider;
use history::{source, source_of_kind};
use keeper_process::{PRICE, Scene, published, with, with_sections};
use positions::{EXPIRY, wad, written};
use rig::{Build, Rig};
use rolled::{HIGH, LOW, Rolled};
use rust_decimal::Decimal;
use vault_keeper::domain::policy::ChainKind;
use vault_keeper::keeper::{Dispatch, Hand, Keeper};
use vault_keeper::reader::Mode;
use vault_keeper::replay::audit::{Audit, Class, End, Finding, Found, Question, Reading};
use vault_keeper::replay::{Source, Subject};
use vault_keeper::stage::account::Actor;
use vault_keeper::stage::deploy::options::{open, settle, volatility_feed};
use vault_keeper::stage::market::Market;

alloy::sol! {
    interface IProtected {
        function poke() external;
        function deleverage(address pool, uint256 maxAmountIn) external;
    }
    interface IVolatility {
        function set(uint256 strike, uint64 expiry, uint256 annual, uint256 updatedAt) external;
    }
}

const CPPI: &str = include_str!("../examples/policies/cppi.toml");
const HEDGE: &str = include_str!("../examples/policies/delta-hedge.toml");

/// What both ways of reading find in a range, and how many blocks the quick one read.
async fn found_by_both(source: &Source, scene: &Scene, policies: &[&str], range: (u64, u64)) -> (Found, u64) {
    let policies = policies.iter().map(|policy| published(policy)).collect();
    let subjects = [Subject { name: "main".to_owned(), vault: scene.vault, policies }];
    let audited = async |reading| {
        let question = Question { from: range.0, to: range.1, grace: 5, reading };
        let mut audit = Audit::new(source, question, (&subjects, &[]), None);
        while audit.stretch().await.unwrap() {}
        audit.found().remove(0)
    };
    let (every, changes) = (audited(Reading::Every).await, audited(Reading::Changes).await);
    let (blocks, reads) = (range.1 - range.0 + 1, changes.reads);
    assert_eq!((every.reads, every.unknown), (blocks, 0));
    assert_eq!(every.held_as_policy + every.wanted, blocks);
    assert_eq!(Found { reads: 0, ..changes }, Found { reads: 0, ..every.clone() });
    (every, reads)
}

async fn archive(scene: &Scene) -> Source {
    source(&[("archive", &scene.stage.chain.endpoint())], Mode::Auto).await
}

async fn head(scene: &Scene) -> u64 {
    scene.stage.chain.block_number().await.unwrap()
}

/// Blocks in which nothing happens, so many seconds apart.
async fn quiet(scene: &Scene, blocks: u32, seconds: u64) {
    for _ in 0..blocks {
        scene.stage.chain.mine_after(seconds).await.unwrap();
    }
}

/// One block `seconds` after the head, with the price in USD.
async fn step(scene: &Scene, market: &mut Market<'_>, price: i64, seconds: u64) {
    market.step(scene.tick(price, seconds).await).await.unwrap();
}

#[tokio::test]
async fn a_change_of_policy_and_a_sale_by_anyone_are_told_and_clean_by_both_readings() {
    // A policy whose least trade is nearly all of the vault: it holds.
    const CALM: (&str, &str) = ("min_trade = \"100\" ", "min_trade = \"900000\" ");
    let rig = Rig::of(Build { policy: &[CALM], ..Build::default() }).await;
    let calm = rig.scene.policy.clone();
    let brisk = with(&calm, CALM.1, CALM.0);
    let policies = vec![published(&calm), published(&brisk)];
    let endpoint = rig.pool.reader().unwrap().endpoint().clone();
    let hand = Hand::Send(rig.engine.clone(), rig.build.sending.clone());
    let facts = (rig.scene.vault, policies);
    let mut keeper = Keeper::new("main".to_owned(), facts, endpoint, rig.journal.clone(), hand);

    let from = head(&rig.scene).await;
    quiet(&rig.scene, 80, 12).await;
    rig.scene.approve(&brisk).await;
    let changed = head(&rig.scene).await;
    for _ in 0..3 {
        acts(&rig, &mut keeper).await;
        quiet(&rig.scene, 1, 301).await;
    }
    // A crash breaks the vault's bound, five times the cushion. Its keeper is not there, and anyone may sell down to it.
    let mut market = rig.scene.stage.market().await.unwrap();
    step(&rig.scene, &mut market, PRICE * 4 / 5, 3_000).await;
    let mut anyone = rig.scene.stage.act_as(Actor::Stranger).await.unwrap();
    anyone.call(rig.scene.vault, &IProtected::pokeCall {}).await.unwrap();
    step(&rig.scene, &mut market, PRICE * 4 / 5, 3_601).await;
    let pool = rig.scene.stage.venue.pool.address;
    let sale = IProtected::deleverageCall { pool, maxAmountIn: U256::MAX };
    anyone.call(rig.scene.vault, &sale).await.unwrap();
    let sold = head(&rig.scene).await;
    acts(&rig, &mut keeper).await;
    // For more than a day nobody does anything and no feed reports; then the price is higher, and more is wanted.
    quiet(&rig.scene, 1, 90_000).await;
    quiet(&rig.scene, 100, 12).await;
    for seconds in [12, 601] {
        step(&rig.scene, &mut market, PRICE * 29 / 30, seconds).await;
    }
    acts(&rig, &mut keeper).await;

    let to = head(&rig.scene).await;
    let source = archive(&rig.scene).await;
    let (found, reads) = found_by_both(&source, &rig.scene, &[&calm, &brisk], (from, to)).await;
    let told: Vec<_> = found.findings.iter().map(|finding| told(finding)).collect();
    let acted = |block| (block, "acted");
    let expected = [
        (changed, "policy_changed"),
        acted(changed + 1),
        acted(changed + 3),
        acted(changed + 5),
        (sold, "deleveraged"),
        acted(sold + 1),
        acted(to),
    ];
    assert_eq!(told, expected);
    assert!(found.is_clean(), "{found:?}");
    assert_eq!(
        found.findings[0],
        Finding::PolicyChanged { block: changed, policy_hash: published(&brisk).hash(), known: true }
    );
    assert_eq!(
        found.findings[4],
        Finding::Deleveraged { block: sold, transaction: sale_of(&rig.scene, sold).await }
    );
    // Bought, sold, and bought again.
    let sides: Vec<_> = found.actions().map(|(action, _)| action.sell_risky).collect();
    assert_eq!(sides, [false, false, false, true, false]);
    assert!(reads < to - from - 100, "{reads} of {}", to - from + 1);
}

/// The block of a finding, and what it is.
fn told(finding: &Finding) -> (u64, &'static str) {
    match finding {
        Finding::Action { action, class: Class::ActedAsPolicy } => (action.block, "acted"),
        Finding::Action { action, .. } => (action.block, "acted otherwise"),
        Finding::Missed { episode, .. } => (episode.from, "missed"),
        Finding::PolicyChanged { block, .. } => (*block, "policy_changed"),
        Finding::Deleveraged { block, .. } => (*block, "deleveraged"),
    }
}

/// The keeper sends what it wants, and it is mined.
async fn acts(rig: &Rig, keeper: &mut Keeper) {
    let dispatch = keeper.cycle(&rig.head().await).await.unwrap().dispatch;
    assert!(matches!(dispatch, Dispatch::Sent { .. }), "{dispatch:?}");
    rig.mine_and_resolve(1).await;
}

/// The only transaction of the block at this height.
async fn sale_of(scene: &Scene, height: u64) -> B256 {
    let block = scene.stage.chain.provider().get_block_by_number(height.into()).await.unwrap().unwrap();
    let [only] = block.transactions.as_hashes().unwrap() else { panic!("{block:?}") };
    *only
}

#[tokio::test]
async fn a_floor_that_accrues_by_less_than_a_unit_a_block_is_read_at_every_block() {
    let policy = with(CPPI, "kind = \"fixed\"", "kind = \"accruing\"\nrate = \"0.000001\"");
    let scene = Scene::set_for(Decimal::from(10_000_000), &policy).await;
    let from = head(&scene).await;
    quiet(&scene, 80, 12).await;
    let mut market = scene.stage.market().await.unwrap();
    step(&scene, &mut market, PRICE + 300, 12).await;
    let risen = head(&scene).await;
    quiet(&scene, 80, 12).await;
    let to = head(&scene).await;
    let (found, reads) = found_by_both(&archive(&scene).await, &scene, &[&scene.policy], (from, to)).await;
    assert_eq!(reads, found.reads);
    // Wanted up to the rise, of which the pool's average does not know at once, and again after it.
    let missed: Vec<_> = found.missed().map(|episode| (episode.from, episode.end)).collect();
    assert_eq!(missed, [(from, End::Passed), (to - 45, End::Open)]);
    assert_eq!((found.wanted, found.held_as_policy), ((risen - from) + 46, 35), "{found:?}");
}

#[tokio::test]
async fn the_data_fee_of_a_rollup_moves_without_an_event_and_is_read_at_every_block() {
    for kind in [ChainKind::OpStack, ChainKind::Arbitrum] {
        let rolled = Rolled::set(kind).await;
        let from = head(&rolled.scene).await;
        quiet(&rolled.scene, 70, 12).await;
        // What is set is part of the state of the block before the next one.
        let dear = head(&rolled.scene).await;
        rolled.price(HIGH).await;
        quiet(&rolled.scene, 20, 12).await;
        let cheap = head(&rolled.scene).await;
        rolled.price(LOW).await;
        quiet(&rolled.scene, 10, 12).await;
        let to = head(&rolled.scene).await;
        let source = source_of_kind(kind, &[("archive", rolled.proxy.url())], Mode::Auto).await;
        let (found, reads) = found_by_both(&source, &rolled.scene, &[&rolled.scene.policy], (from, to)).await;
        assert_eq!(reads, found.reads);
        let missed: Vec<_> = found.missed().map(|episode| (episode.from, episode.to, episode.end)).collect();
        assert_eq!(missed, [(from, dear - 1, End::Passed), (cheap, to, End::Open)], "{kind:?}");
        assert_eq!(found.held_as_policy, cheap - dear);
    }
}

#[tokio::test]
async fn an_option_book_moves_by_time_alone_and_is_read_at_every_block() {
    let scene = Scene::set_for(Decimal::from(4_000_000), HEDGE).await;
    let book = scene.book.unwrap();
    let from = head(&scene).await;
    quiet(&scene, 70, 12).await;
    let id = open(&scene.stage, scene.vault, book, &written()).await.unwrap();
    let opened = head(&scene).await;
    quiet(&scene, 70, 12).await;
    // As the legs age the band widens, until in a block in which nothing happens the trade is within it.
    let mut market = scene.stage.market().await.unwrap();
    let now = scene.now().await;
    step(&scene, &mut market, PRICE, EXPIRY - 182_000 - now).await;
    let aging = head(&scene).await;
    quiet(&scene, 60, 60).await;
    let aged = head(&scene).await;
    // They end in such a block too, and are settled after the feed has reported again.
    let now = scene.now().await;
    step(&scene, &mut market, PRICE, EXPIRY - 1_200 - now).await;
    quiet(&scene, 30, 60).await;
    step(&scene, &mut market, PRICE, 2_400).await;
    settle(&scene.stage, book, id).await.unwrap();
    quiet(&scene, 10, 12).await;

    let to = head(&scene).await;
    let (found, reads) = found_by_both(&archive(&scene).await, &scene, &[&scene.policy], (from, to)).await;
    assert_eq!(reads, found.reads);
    let [missed] = &found.missed().collect::<Vec<_>>()[..] else { panic!("{found:?}") };
    assert_eq!((missed.from, missed.end), (opened, End::Passed));
    assert!((aging + 5..aged - 5).contains(&missed.to), "{missed:?} within {aging} to {aged}");
    assert_eq!(found.wanted, missed.to - missed.from + 1);
}

#[tokio::test]
async fn a_volatility_feed_that_answers_and_grows_old_is_read_though_no_watched_contract_says_so() {
    let scene = Scene::set_for(Decimal::from(4_000_000), HEDGE).await;
    let book = scene.book.unwrap();
    let feed = volatility_feed(&scene.stage).await.unwrap();
    open(&scene.stage, scene.vault, book, &written()).await.unwrap();
    let strategy = format!(
        "[strategy]\nkind = \"delta_hedge\"\nbook = \"{book}\"\n\
         implied = {{ kind = \"feed\", address = \"{feed}\", max_age_seconds = 1_800 }}\n"
    );
    let policy = with_sections(&scene.policy, &strategy);
    scene.approve(&policy).await;
    let from = head(&scene).await;
    quiet(&scene, 70, 12).await;
    let now = scene.now().await;
    let mut anyone = scene.stage.act_as(Actor::Stranger).await.unwrap();
    for strike in [3_000, 6_000].map(wad) {
        let (annual, updated_at) = (wad(6) / U256::from(10), U256::from(now));
        let set = IVolatility::setCall { strike, expiry: EXPIRY, annual, updatedAt: updated_at };
        anyone.call(feed, &set).await.unwrap();
    }
    let answered = head(&scene).await;
    quiet(&scene, 40, 60).await;

    let to = head(&scene).await;
    let (found, reads) = found_by_both(&archive(&scene).await, &scene, &[&policy], (from, to)).await;
    assert_eq!(reads, found.reads);
    let [missed] = &found.missed().collect::<Vec<_>>()[..] else { panic!("{found:?}") };
    // Both answers are two seconds old by then, and each block is a minute.
    let told = (missed.from, missed.to, missed.end);
    assert_eq!(told, (answered, answered + (1_800 - 2) / 60, End::Passed));
    assert_eq!(found.wanted, 1 + (1_800 - 2) / 60);
}
