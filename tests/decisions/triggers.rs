//! When a vault acts: threshold and interval.

use alloy::primitives::U256;
use vault_keeper::domain::decision::Verdict;
use vault_keeper::domain::limits::SizeLimit;
use vault_keeper::domain::policy::{Estimator, TradeTo, Trigger};
use vault_keeper::domain::reason::Reason;
use vault_keeper::domain::snapshot::Pool;

use crate::facts::*;

/// 299.4 ether: 5.540422938 over the target, 1.1 % of net asset value.
fn drifted(trigger: Trigger) -> Facts {
    Facts::holding("299.4", "401200").with(|_, p| p.trigger = trigger)
}

fn threshold(fraction: &str, to: TradeTo) -> Facts {
    drifted(Trigger::Threshold { fraction: fraction.parse().unwrap(), to })
}

#[test]
fn a_threshold_acts_from_its_share_of_net_asset_value_on() {
    // 5.540422938·2,000/1,000,000
    let share = 0.011080845876;
    let held = threshold("0.011080845877", TradeTo::Target).decide();
    let Verdict::Hold { reason: Reason::BelowThreshold { drift } } = held.verdict else { panic!("{held:?}") };
    assert_eq!(drift.get(), share);
    let acted = threshold("0.011080845876", TradeTo::Target).decide();
    let Verdict::Rebalance { reason: Reason::Threshold { drift }, trade } = acted.verdict else {
        panic!("{acted:?}")
    };
    assert_eq!(drift.get(), share);
    assert_eq!(trade.size.to_string(), "5.540422938");
    // What it brings is said all the same: c_eff·y²·one year against gas, fee and impact.
    let economics = acted.appraisal.unwrap().economics;
    let benefit = economics.penalty.get() * 5.540422938 * 5.540422938;
    assert!((trade.benefit.get() / benefit - 1.0).abs() < 1e-12);
    assert!(trade.cost.get() > 16.8 + 5.54 && trade.cost.get() < 16.8 + 6.0);
}

#[test]
fn a_threshold_trades_to_the_target_or_to_its_own_edge() {
    assert_eq!(threshold("0.01", TradeTo::Target).trade().size.to_string(), "5.540422938");
    // The edge is one percent of a million dollars, five ether, from the target.
    assert_eq!(threshold("0.01", TradeTo::Edge).trade().size.to_string(), "0.540422938");
}

#[test]
fn an_interval_acts_when_it_is_due_and_not_before() {
    let after = |passed: u64| {
        drifted(Trigger::Interval { seconds: 86_400 }).with(|s, _| s.vault.last_rebalance = NOW - passed)
    };
    let due = NOW - 86_399 + 86_400;
    assert_eq!(*after(86_399).decide().verdict.reason(), Reason::NotDue { due });
    assert_eq!(*after(86_400).decide().verdict.reason(), Reason::Interval { due: NOW });
    assert_eq!(after(86_400).trade().size.to_string(), "5.540422938");
    // A vault that never traded is due at once.
    let first = drifted(Trigger::Interval { seconds: 86_400 });
    assert_eq!(*first.decide().verdict.reason(), Reason::Interval { due: 0 });
}

#[test]
fn a_rest_below_the_smallest_trade_is_held_and_not_refused_at_every_block() {
    let rest = |facts: Facts, min: &str| {
        let decision = facts.with(|_, p| p.limits.min_trade = min.parse().unwrap()).decide();
        match decision.verdict {
            Verdict::Hold { reason: Reason::TooSmall { value, min } } => (value.to_string(), min.to_string()),
            other => panic!("{other:?}"),
        }
    };
    // 0.540422938 ether of 5.540422938 are beyond the edge.
    let to_edge = || threshold("0.01", TradeTo::Edge);
    assert_eq!(rest(to_edge(), "1081"), ("1080.845876".into(), "1081".into()));
    assert_eq!(to_edge().with(|_, p| p.limits.min_trade = "1080".parse().unwrap()).code(), "threshold");
    let interval = || drifted(Trigger::Interval { seconds: 86_400 });
    assert_eq!(rest(interval(), "11081"), ("11080.845876".into(), "11081".into()));
    // Not even without a smallest trade is what is worth less than its gas traded or refused: half a raw unit of ether.
    let dust = interval().with(|s, p| {
        p.strategy =
            vault_keeper::domain::policy::StrategyPolicy::ConstantWeight { weight: "0.5".parse().unwrap() };
        s.vault.risky_holdings = U256::from(250_000_000_000_000_000_001_u128);
        s.vault.asset_holdings = U256::from(500_000_000_000_u64);
    });
    let (value, min) = rest(dust, "0");
    assert!(value.parse::<f64>().unwrap() < 1e-14 && min.parse::<f64>().unwrap() > 16.0, "{value} {min}");
    // What a limit leaves is refused, and so is a mandatory sale that one cuts.
    let cut = interval().with(|s, _| s.vault.guards.turnover_left = U256::from(99_000_000));
    assert_eq!((cut.decide().verdict.name(), cut.code()), ("refuse", "too_small".into()));
    let due = Facts::holding("400", "200000").market(price_of(1_600), &Liquidity::default(), true);
    let due = due.with(|s, _| s.vault.guards.max_call_bps = 0);
    assert_eq!((due.decide().verdict.name(), due.code()), ("refuse", "too_small".into()));
}

#[test]
fn a_mandate_asks_no_trigger() {
    for trigger in [
        Trigger::Threshold { fraction: "0.99".parse().unwrap(), to: TradeTo::Edge },
        Trigger::Interval { seconds: u64::MAX },
    ] {
        let facts = Facts::holding("400", "200000").market(price_of(1_600), &Liquidity::default(), true);
        let facts = facts.with(|s, p| {
            p.trigger = trigger;
            s.vault.last_rebalance = NOW - 301;
        });
        assert_eq!(facts.code(), "floor_at_risk");
    }
}

#[test]
fn each_limit_cuts_to_its_own_figure_and_is_named() {
    let wanted = || {
        threshold("0.001", TradeTo::Target).with(|s, _| {
            s.vault.risky_holdings = U256::from(350_000_000_000_000_000_000_u128);
            s.vault.asset_holdings = U256::from(300_000_000_000_u64);
        })
    };
    assert_eq!(wanted().trade().cut_by, None);
    let sold = |facts: Facts| (facts.trade().size.to_string(), facts.trade().cut_by);
    // 57 ether are to be sold, 114,000 dollars.
    let policy = wanted().with(|_, p| p.limits.max_trade = "50000".parse().unwrap());
    assert_eq!(sold(policy), ("25".into(), Some(SizeLimit::MaxTrade)));
    let call = wanted().with(|s, _| s.vault.guards.max_call_bps = 300);
    assert_eq!(sold(call), ("15".into(), Some(SizeLimit::VaultCall)));
    let turnover = wanted().with(|s, _| s.vault.guards.turnover_left = U256::from(10_000_000_000_u64));
    assert_eq!(sold(turnover), ("5".into(), Some(SizeLimit::VaultTurnover)));
    // Of 0.07 % only 0.02 % are left for impact after the fee.
    let slippage = wanted().market(price_of(2_000), &Liquidity::of_depth(25), false);
    let slippage = slippage.with(|s, _| s.vault.guards.slippage_bps = 7);
    let (size, by) = sold(slippage.clone());
    assert_eq!(by, Some(SizeLimit::Slippage));
    let trade = slippage.trade();
    assert!(trade.swaps[0].min_amount_out <= trade.quoted_out);
    let loss = 1.0 - trade.value.real() / (2_000.0 * size.parse::<f64>().unwrap());
    assert!((0.000_699_9..=0.000_7).contains(&loss), "{loss}");
    let loss = wanted().with(|s, _| s.vault.guards.nav_loss_bps = 1).market(
        price_of(2_000),
        &Liquidity::of_depth(25),
        true,
    );
    let loss = loss.with(|s, _| s.vault.guards.turnover_left = U256::MAX);
    let lost = 2_000.0 * loss.trade().size.real() - loss.trade().value.real();
    assert!((99.999..=100.0).contains(&lost) || loss.trade().cut_by.is_none(), "{lost}");
    // Buying: what is held of the asset, and what the vault allows to be exposed.
    let cash = Facts::holding("400", "20000")
        .cppi("6", "1")
        .with(|_, p| p.trigger = Trigger::Interval { seconds: 1 });
    let cash = cash.with(|s, p| {
        s.vault.floor = U256::from(200_000_000_000_u64);
        p.limits.min_trade = "1".parse().unwrap();
    });
    assert_eq!(cash.trade().amount_in, U256::from(20_000_000_000_u64));
    assert_eq!(cash.trade().cut_by, Some(SizeLimit::Holdings));
    let capped = Facts::all_stable().with(|s, p| {
        s.vault.guards.cap_bps = 1_000;
        p.trigger = Trigger::Interval { seconds: 1 };
    });
    assert_eq!(capped.trade().cut_by, Some(SizeLimit::VaultExposure));
    assert!((49.99..=50.0).contains(&capped.trade().size.real()), "{}", capped.trade().size);
}

#[test]
fn a_buy_is_refused_up_to_the_end_of_a_pause_and_a_sale_is_not() {
    let paused = |until: u64| Facts::all_stable().with(|s, _| s.vault.paused_until = until).code();
    assert_eq!(paused(NOW + 1), "paused");
    // From that second on the vault itself lets buys pass.
    assert_eq!(paused(NOW), "worth");
    let sale = Facts::holding("350", "300000").with(|s, _| s.vault.paused_until = u64::MAX);
    assert_eq!(sale.code(), "worth");
}

#[test]
fn cooldown_and_turnover_spare_a_sale_over_the_vaults_bound_alone() {
    // Cushion 80,000, so that the vault's bound of five times it stands at 400,000.
    let fallen = |held: &str, cash: &str| {
        Facts::holding(held, cash).market(price_of(2_000), &Liquidity::default(), true).with(|s, p| {
            s.vault.floor = U256::from(920_000_000_000_u64);
            s.vault.last_rebalance = NOW - 10;
            s.vault.guards.turnover_left = U256::from(1_000_000_u64);
            p.trigger = Trigger::Threshold { fraction: "0.001".parse().unwrap(), to: TradeTo::Target };
        })
    };
    let inside = fallen("199", "602000");
    assert_eq!(*inside.decide().verdict.reason(), Reason::Cooldown { until: NOW + 290 });
    let outside = fallen("201", "598000");
    assert_eq!(outside.code(), "threshold");
    assert_eq!(outside.trade().cut_by, None);
    // Dust breaks no bound: the vault would refuse this sale, so the keeper waits.
    let dust = fallen("0.04", "919930");
    assert_eq!(dust.code(), "cooldown");
    // In cash-lock the bound is zero.
    let locked = fallen("100", "850000").with(|s, _| s.vault.cash_lock = true);
    assert_eq!(locked.code(), "cash_lock");
    assert_eq!(locked.trade().cut_by, None);
}

#[test]
fn what_is_known_of_a_pool_is_quoted_in_both_token_orders() {
    for risky_is_token0 in [false, true] {
        let facts = Facts::all_stable().market(price_of(2_000), &Liquidity::default(), risky_is_token0);
        let trade = facts.trade();
        let Some(Pool::UniswapV3 { state, .. }) = facts.snapshot.pools.first() else { panic!("no pool") };
        let quote = state.quote_exact_in(!risky_is_token0, trade.amount_in).unwrap();
        assert_eq!((trade.quoted_out, trade.sell_risky), (quote.amount_out, false));
        // The first purchase of the all-stable vault is the size of least average cost, a fifth of the way.
        assert!((60.0..70.0).contains(&trade.size.real()), "{}", trade.size);
    }
}

/// A pool so deep that a trade costs its gas and the fee and nothing else.
fn deep(facts: Facts) -> Facts {
    facts.market(price_of(2_000), &Liquidity::of_depth(10_000_000), false).with(|_, p| {
        p.volatility.estimator = Estimator::Fixed { annual: "0.8".parse().unwrap() };
    })
}

#[test]
fn where_cost_is_linear_an_economic_trade_ends_at_the_inner_edge() {
    for facts in [deep(Facts::holding("380", "240000")), deep(Facts::holding("200", "600000"))] {
        let (trade, a) = (facts.trade(), facts.decide().appraisal.unwrap());
        let left = a.drift.abs().real() - trade.size.real();
        assert!(a.economics.inner.get() > 5.0);
        assert!((left / a.economics.inner.get() - 1.0).abs() < 1e-6, "{left} {:?}", a.economics);
    }
}

#[test]
fn a_limit_does_not_turn_a_vault_that_holds_into_one_that_buys() {
    // Over six hours the whole purchase brings 5.12·299.4²·T = 314.36 dollars and costs 316.35.
    let facts = deep(Facts::all_stable()).with(|_, p| p.risk.horizon_seconds = 21_600);
    let Reason::NotWorth { benefit, cost } = facts.decide().verdict.reason().clone() else { panic!() };
    assert!(
        (benefit.get() - 314.355).abs() < 0.001 && (cost.get() - 316.35).abs() < 0.01,
        "{benefit} {cost}"
    );
    // Half of it alone would bring 235.8 and cost 166.6.
    let halved = facts.with(|_, p| p.limits.max_trade = "299400".parse().unwrap());
    let Reason::NotWorth { benefit: same, cost: dear } = halved.decide().verdict.reason().clone() else {
        panic!("{:?}", halved.decide().verdict)
    };
    assert!(same == benefit && (dear.get() - cost.get()).abs() < 1e-5, "{same} {dear}");
}
