//! Several pools: which are in use, how a trade is split over them, and what is recorded of it.

use alloy::primitives::{Address, U256, U512};
use proptest::prelude::*;
use vault_keeper::domain::decision::{Trade, Verdict, decide};
use vault_keeper::domain::policy::VenuePolicy;
use vault_keeper::domain::reason::Reason;
use vault_keeper::domain::snapshot::{AllowedPool, Pool};
use vault_keeper::domain::units::Usd;
use vault_keeper::domain::venues::{uniswap_v2, uniswap_v3};

use crate::arbitrary::{fixed, realistic};
use crate::contract;
use crate::facts::*;

const TIER: Address = Address::repeat_byte(0x30);
const PAIR: Address = Address::repeat_byte(0x22);

/// The default facts with a 0.30 % pool half as deep and a pair of `reserve` ether beside the 0.05 % pool.
fn three_pools(facts: Facts, reserve: u128) -> Facts {
    facts.with(|snapshot, policy| {
        let liquidity = Liquidity { fee: 3_000, spacing: 60, ..Liquidity::of_depth(50) };
        let state = uniswap_v3::Pool { address: TIER, ..liquidity.pool(price_of(PRICE), false) };
        let twap = snapshot.pools.iter().find_map(|pool| match pool {
            Pool::UniswapV3 { twap, .. } => *twap,
            Pool::UniswapV2 { .. } => None,
        });
        let pair = uniswap_v2::Pool {
            address: PAIR,
            token0: state.token0,
            token1: state.token1,
            reserve0: reserve * u128::from(PRICE) * 10_u128.pow(6),
            reserve1: reserve * 10_u128.pow(18),
        };
        snapshot.pools.push(Pool::UniswapV3 { state, twap, observations: None });
        snapshot.pools.push(Pool::UniswapV2 { state: pair });
        for pool in [TIER, PAIR] {
            snapshot.vault.allowed_pools.push(AllowedPool { pool, venue: VENUE });
        }
        policy.venues.push(VenuePolicy::UniswapV3 { pool: TIER, tick_words: 2 });
        policy.venues.push(VenuePolicy::UniswapV2 { pair: PAIR });
    })
}

/// A crash: 400 ether to be sold as far as the floor asks.
fn crash() -> Facts {
    Facts::holding("2000", "1000000").with(|snapshot, policy| {
        snapshot.vault.floor = U256::from(4_500_000_000_000_u64);
        policy.limits.max_trade = Usd::new(100_000_000.into());
    })
}

fn used(trade: &Trade) -> Vec<Address> {
    trade.swaps.iter().map(|swap| swap.pool).collect()
}

fn left_out(facts: &Facts) -> Vec<String> {
    facts.decide().appraisal.unwrap().left_out.iter().map(Reason::code).collect()
}

#[test]
fn a_large_sale_goes_through_all_pools_and_brings_more_than_through_one() {
    let (one, three) = (crash().trade(), three_pools(crash(), 8_000));
    let trade = three.trade();
    assert_eq!(used(&trade), [three.pool().address, TIER, PAIR]);
    let per_unit = |trade: &Trade| trade.value.real() / trade.size.real();
    assert!(per_unit(&trade) > per_unit(&one), "{} {}", per_unit(&trade), per_unit(&one));
    let (snapshot, _) = three.published();
    contract::rebalance(&snapshot, &trade, trade.quoted_out, U256::ZERO).unwrap();
    three.after(&trade);
}

#[test]
fn fee_impact_and_the_loss_against_the_oracle_are_apart() {
    let trade = three_pools(crash(), 8_000).oracle("2010").trade();
    let given = |swap: usize| trade.swaps[swap].amount_in.to_string().parse::<f64>().unwrap() / 1e18;
    let mid = 2_000.0;
    let fee = mid * (given(0) * 0.0005 + given(1) * 0.003 + given(2) * 0.003);
    assert!((trade.fee.real() / fee - 1.0).abs() < 1e-4, "{} {fee}", trade.fee);
    let lost = mid * trade.size.real() - trade.value.real();
    assert!(((trade.fee.real() + trade.impact.real()) / lost - 1.0).abs() < 1e-3, "{trade:?}");
    let slipped = 2_010.0 * trade.size.real() - trade.value.real();
    assert!((trade.slippage.real() / slipped - 1.0).abs() < 1e-9, "{trade:?}");
}

#[test]
fn a_small_trade_stays_in_the_cheapest_pool_and_gas_keeps_it_there() {
    let small = three_pools(Facts::holding("340", "320000"), 8_000);
    assert_eq!(used(&small.trade()), [small.pool().address]);
    let dear = three_pools(crash(), 8_000).with(|_, policy| policy.gas.swap_units = 4_000_000_000);
    assert_eq!(dear.trade().swaps.len(), 1);
}

#[test]
fn a_purchase_is_split_too_and_stays_inside_the_vaults_guards() {
    let facts = three_pools(Facts::holding("10", "9000000"), 8_000).with(|snapshot, policy| {
        snapshot.vault.floor = U256::from(1_000_000_000_000_u64);
        snapshot.vault.guards.turnover_left = U256::from(100_000_000_000_000_u64);
        policy.limits.max_trade = Usd::new(100_000_000.into());
        policy.trigger = vault_keeper::domain::policy::Trigger::Interval { seconds: 1 };
    });
    let trade = facts.trade();
    assert!(!trade.sell_risky);
    assert_eq!(used(&trade), [facts.pool().address, TIER, PAIR]);
    let (snapshot, _) = facts.published();
    contract::rebalance(&snapshot, &trade, trade.quoted_out, U256::ZERO).unwrap();
}

#[test]
fn a_pool_that_cannot_be_used_is_left_out_by_name_and_the_others_trade() {
    let facts = three_pools(crash(), 8_000);
    assert!(left_out(&facts).is_empty());
    let not_allowed = facts.clone().with(|s, _| s.vault.allowed_pools.retain(|p| p.pool != TIER));
    assert_eq!(left_out(&not_allowed), ["venue_not_allowed"]);
    assert_eq!(used(&not_allowed.trade()), [facts.pool().address, PAIR]);
    let unread = facts.clone().with(|s, _| s.pools.retain(|p| p.address() == TIER));
    assert_eq!(left_out(&unread), ["no_liquidity", "no_liquidity"]);
    let moved = facts.clone().with(|s, _| {
        let Some(Pool::UniswapV2 { state }) = s.pools.last_mut() else { panic!("no pair") };
        state.reserve0 *= 2;
    });
    assert_eq!(left_out(&moved), ["price_deviation"]);
    let none = facts.with(|s, _| s.vault.allowed_pools.clear());
    assert_eq!(none.code(), "venue_not_allowed");
}

#[test]
fn a_pool_away_from_its_average_serves_mandatory_sales_only() {
    let moved = |facts: Facts| {
        facts.with(|snapshot, _| {
            let tier = snapshot.pools.iter_mut().find(|pool| pool.address() == TIER).unwrap();
            let Pool::UniswapV3 { twap: Some(twap), .. } = tier else { panic!("no average") };
            twap.mean_tick += 2_000;
        })
    };
    let mandatory = moved(three_pools(crash(), 8_000));
    assert!(mandatory.trade().mandatory && used(&mandatory.trade()).contains(&TIER));
    let routine = three_pools(Facts::holding("10", "9000000"), 8_000).with(|snapshot, policy| {
        snapshot.vault.floor = U256::from(1_000_000_000_000_u64);
        snapshot.vault.guards.turnover_left = U256::from(100_000_000_000_000_u64);
        policy.limits.max_trade = Usd::new(100_000_000.into());
        policy.trigger = vault_keeper::domain::policy::Trigger::Interval { seconds: 1 };
    });
    let trade = moved(routine).trade();
    assert!(!trade.mandatory && !used(&trade).contains(&TIER), "{:?}", used(&trade));
}

#[test]
fn several_pools_are_decided_on_the_same_every_time() {
    let (snapshot, published) = three_pools(crash(), 8_000).published();
    let first = decide(&snapshot, &published);
    assert!(matches!(first.verdict, Verdict::Rebalance { .. }));
    assert!((0..100).all(|_| decide(&snapshot, &published) == first));
}

/// The pool of `facts` a second time with another fee, and a pair at `off` hundredths of a percent beside its price.
fn beside(facts: Facts, fee: u32, reserve: u128, off: i32) -> Facts {
    facts.with(|snapshot, policy| {
        let main = snapshot.pools.first().cloned();
        let Some(Pool::UniswapV3 { state, twap, observations: None }) = main else { panic!("no pool") };
        let root = uniswap_v3::sqrt_price_at_tick(state.tick + off).unwrap();
        let price: U512 = U512::from(root) * U512::from(root);
        let reserve1: U512 = U512::from(reserve) * price;
        let pair = uniswap_v2::Pool {
            address: PAIR,
            token0: state.token0,
            token1: state.token1,
            reserve0: reserve,
            reserve1: (reserve1 >> 192_usize).saturating_to(),
        };
        let tier = uniswap_v3::Pool { address: TIER, fee, ..state };
        snapshot.pools.push(Pool::UniswapV3 { state: tier, twap, observations: None });
        snapshot.pools.push(Pool::UniswapV2 { state: pair });
        for pool in [TIER, PAIR] {
            snapshot.vault.allowed_pools.push(AllowedPool { pool, venue: VENUE });
        }
        policy.venues.push(VenuePolicy::UniswapV3 { pool: TIER, tick_words: 2 });
        policy.venues.push(VenuePolicy::UniswapV2 { pair: PAIR });
    })
}

proptest! {
    #![proptest_config(fixed(600))]

    #[test]
    fn the_vault_accepts_every_trade_over_several_pools(
        facts in realistic(), fee in prop::sample::select(vec![100u32, 500, 3_000, 10_000]),
        digits in 10u32..24, off in -60i32..60,
    ) {
        let facts = beside(facts, fee, 10_u128.pow(digits), off);
        let (snapshot, published) = facts.published();
        let decision = decide(&snapshot, &published);
        if let Verdict::Rebalance { trade, .. } = &decision.verdict {
            for rebate in [U256::ZERO, snapshot.vault.guards.gas_rebate] {
                let said = contract::rebalance(&snapshot, trade, trade.quoted_out, rebate);
                prop_assert!(said.is_ok(), "{said:?}: {decision:#?}");
            }
            facts.after(trade);
        }
    }
}
