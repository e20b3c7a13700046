//! The pool and the cushion: that the vault can leave whenever it must, and is large enough for its chain.

use alloy::primitives::U256;

use crate::domain::cushion::Cushion;
use crate::domain::market::{Listing, Market, Side};
use crate::domain::policy::{Policy, PublishedPolicy};
use crate::domain::reason::Reason;
use crate::domain::snapshot::Snapshot;
use crate::domain::units::{Ratio, Usd};
use crate::domain::valuation::{Valuation, value};

use super::finding::Finding;

/// A reserve of more than one part in this many of the cushion means that the vault is too small for its chain.
const RESERVE_PARTS: i64 = 10;

/// Looks at what the vault is worth, at the pool it trades with, and at what the last exit would cost.
pub(super) fn check(snapshot: &Snapshot, published: &PublishedPolicy) -> Vec<Finding> {
    let policy = published.policy();
    let books = match value(snapshot, published) {
        Ok(books) => books,
        Err(reason) => return vec![no_valuation(&reason)],
    };
    let market = match Market::open(snapshot, policy, &books) {
        Ok(market) => market,
        Err(reason) => return no_market(&reason).into_iter().collect(),
    };
    let mut findings: Vec<_> = market.listings().iter().map(|pool| listed(pool, &books)).collect();
    findings.extend(market.left_out().iter().filter_map(left_out));
    findings.push(exit(&market, &books));
    findings.extend(largest_trade(&market, &books, snapshot, policy));
    findings.extend(data_fee(&market, &books, policy));
    if let Ok((cushion, None)) = Cushion::measure(&books, &market, policy) {
        findings.push(reserve(&cushion));
    }
    findings
}

fn listed(pool: &Listing, books: &Valuation) -> Finding {
    let what = format!(
        "pool {} stands at {}, the oracle at {}",
        pool.pool,
        pool.mid.get().round_dp(6).normalize(),
        books.price.get().round_dp(6).normalize()
    );
    Finding::ok("pool", what)
}

/// A pool that is left out while others are in use.
fn left_out(reason: &Reason) -> Option<Finding> {
    no_market(reason).map(|_| {
        Finding::warning("pool", format!("left out: {reason}"), "trades go through the other pools meanwhile")
    })
}

fn no_valuation(reason: &Reason) -> Finding {
    if *reason == Reason::EmptyVault {
        let what = "it holds nothing, so pool and reserve were not looked at";
        return Finding::warning("valuation", what, "make the first deposit");
    }
    let what = format!("it cannot be valued, so pool and reserve were not looked at: {reason}");
    Finding::error("valuation", what, "see to what is said about feeds and policy")
}

/// A pool that the vault does not allow has been told of.
fn no_market(reason: &Reason) -> Option<Finding> {
    if matches!(reason, Reason::VenueNotAllowed { .. }) {
        return None;
    }
    if matches!(reason, Reason::DataFeeUnknown { .. }) {
        let remedy = "correct `kind` of the chain and gas.chain of the policy; such a chain has the contract that says it";
        return Some(Finding::error("data_fee", reason.to_string(), remedy));
    }
    let remedy = if matches!(reason, Reason::PriceDeviation { .. }) {
        "wait until pool and oracle agree; check that they are for the same pair"
    } else {
        "name a Uniswap pool of the vault's two tokens in `venues`"
    };
    Some(Finding::error("pool", reason.to_string(), remedy))
}

fn exit(market: &Market<'_>, books: &Valuation) -> Finding {
    match market.proceeds(books.held) {
        Ok(proceeds) => {
            let what = format!(
                "selling all of {} units brings {} of {}",
                books.held.get().round_dp(6).normalize(),
                proceeds.get().round_dp(2).normalize(),
                books.exposure.get().round_dp(2).normalize()
            );
            Finding::ok("exit", what)
        }
        Err(reason) => {
            let remedy = "raise tick_words of the venue, or use a deeper pool: without an exit only mandatory sales are made";
            Finding::error("exit", reason.to_string(), remedy)
        }
    }
}

/// The largest trade that policy and vault allow, both ways.
fn largest_trade(
    market: &Market<'_>,
    books: &Valuation,
    snapshot: &Snapshot,
    policy: &Policy,
) -> Vec<Finding> {
    let call = books.nav.times(Ratio::from_bps(snapshot.vault.guards.max_call_bps));
    let largest = call.map(|call| call.at_most(policy.limits.max_trade));
    let most = policy.limits.max_slippage_bps.min(snapshot.vault.guards.slippage_bps);
    let both = [(Side::Sell, "sale"), (Side::Buy, "buy")];
    both.map(|(side, name)| {
        let loss = largest.map_err(Reason::from).and_then(|value| loss(market, books, side, value));
        trade(name, largest.unwrap_or(policy.limits.max_trade), loss, most)
    })
    .into()
}

/// Loss against the oracle as a share of the value traded.
fn loss(market: &Market<'_>, books: &Valuation, side: Side, value: Usd) -> Result<Ratio, Reason> {
    let fill = market.quote(side, books.price.units_for(value)?)?;
    Ok(fill.loss(side, books.price)?.over(value)?)
}

fn trade(name: &str, value: Usd, loss: Result<Ratio, Reason>, most_bps: u32) -> Finding {
    let value = value.get().round_dp(2).normalize();
    let smaller =
        "none is needed if smaller trades will do; else lower limits.max_trade or use a deeper pool";
    match loss {
        Err(reason) => {
            let what = format!("the largest {name} of {value} cannot be quoted: {reason}");
            Finding::warning(
                "largest_trade",
                what,
                "raise tick_words of the venue, or lower limits.max_trade",
            )
        }
        Ok(loss) => {
            let bps = loss.get().saturating_mul(10_000.into()).round_dp(1).normalize();
            let what = format!("the largest {name} of {value} loses {bps} bps; {most_bps} bps are allowed");
            if loss > Ratio::from_bps(most_bps) {
                let what = format!("{what}, so it will be cut");
                Finding::warning("largest_trade", what, smaller)
            } else {
                Finding::ok("largest_trade", what)
            }
        }
    }
}

/// On a rollup, whether the policy's constant for the last exit is at least what its data costs now.
fn data_fee(market: &Market<'_>, books: &Valuation, policy: &Policy) -> Option<Finding> {
    let now = market.sending().data_fee?;
    let kept = books.coins(U256::from(policy.reserve.exit_data_fee_wei)).ok()?;
    let shown = |value: Usd| value.get().round_dp(4).normalize();
    let what = format!("the data of a rebalance costs {} now, the reserve keeps {}", shown(now), shown(kept));
    if now <= kept {
        return Some(Finding::ok("data_fee", what));
    }
    let remedy = "raise reserve.exit_data_fee_wei: an exit in a busy hour must be paid for";
    Some(Finding::warning("data_fee", what, remedy))
}

fn reserve(cushion: &Cushion) -> Finding {
    let (reserve, net) =
        (cushion.reserve.get().round_dp(2).normalize(), cushion.net.get().round_dp(2).normalize());
    let what = format!(
        "the last exit would cost {reserve} (impact {}, feed {}, gas {}) of a cushion of {net} after it",
        cushion.impact.get().round_dp(2).normalize(),
        cushion.deviation.get().round_dp(2).normalize(),
        cushion.exit_gas.get().round_dp(2).normalize()
    );
    let remedy = "deposit more, use a cheaper chain, or lower reserve.exit_gas_price_wei";
    let parts = Ratio::new(RESERVE_PARTS.into());
    if cushion.net <= Usd::ZERO {
        let what = format!("{what}: nothing is left to take risk with, the keeper sells everything");
        return Finding::error("reserve", what, remedy);
    }
    // An overflow means a reserve beyond any vault.
    if cushion.reserve.times(parts).map_or(true, |ten| ten > cushion.net) {
        return Finding::warning("reserve", format!("{what}: the vault is too small for its chain"), remedy);
    }
    Finding::ok("reserve", what)
}

#[cfg(test)]
mod tests {
    use alloy::primitives::Address;

    use super::super::finding::Level;
    use super::super::fixture;
    use super::*;
    use crate::domain::reason::PriceReference;
    use crate::domain::snapshot::Pool;
    use crate::domain::units::Units;

    fn found(snapshot: &Snapshot) -> Vec<(&'static str, Level)> {
        check(snapshot, &fixture::policy()).into_iter().map(|f| (f.check, f.level)).collect()
    }

    fn cushion(reserve: i64, net: i64) -> Cushion {
        let usd = |value: i64| Usd::new(value.into());
        Cushion {
            impact: usd(0),
            deviation: usd(0),
            exit_gas: usd(reserve),
            reserve: usd(reserve),
            net: usd(net),
        }
    }

    #[test]
    fn a_vault_of_a_million_dollars_on_a_deep_pool_is_fine() {
        let findings = check(&fixture::snapshot(), &fixture::policy());
        assert!(findings.iter().all(|finding| finding.level == Level::Ok), "{findings:?}");
        let what: Vec<_> = findings.iter().map(|finding| finding.what.as_str()).collect();
        assert_eq!(
            what,
            [
                "pool 0x88e6A0c2dDD26FEEb64F039a2c41296FcB3f5640 stands at 3000.10429, the oracle at 3000",
                "selling all of 200 units brings 599502.05 of 600000",
                "the largest sale of 1000000 loses 10.7 bps; 100 bps are allowed",
                "the largest buy of 1000000 loses 11.4 bps; 100 bps are allowed",
                "the last exit would cost 4097.95 (impact 497.95, feed 3000, gas 600) of a cushion of 195902.05 after it",
            ]
        );
    }

    #[test]
    fn a_reserve_over_a_tenth_of_the_cushion_means_too_small_a_vault() {
        assert_eq!(reserve(&cushion(100, 1_000)).level, Level::Ok);
        let tight = reserve(&cushion(101, 1_000));
        assert_eq!(tight.level, Level::Warning);
        assert!(tight.what.ends_with("the vault is too small for its chain"));
        assert_eq!(reserve(&cushion(100, 0)).level, Level::Error);
    }

    #[test]
    fn a_small_vault_is_too_small_for_its_chain() {
        let mut snapshot = fixture::snapshot();
        let vault = &mut snapshot.vault;
        // A thousandth of everything: 0.2 ether of gas is most of a cushion of 200 dollars.
        for amount in [&mut vault.asset_holdings, &mut vault.risky_holdings, &mut vault.floor] {
            *amount /= U256::from(1_000);
        }
        assert!(found(&snapshot).contains(&("reserve", Level::Error)), "{:?}", found(&snapshot));
    }

    #[test]
    fn an_empty_vault_waits_for_its_first_deposit() {
        let mut snapshot = fixture::snapshot();
        snapshot.vault.total_supply = U256::ZERO;
        assert_eq!(found(&snapshot), [("valuation", Level::Warning)]);
        snapshot.vault.epoch_open = true;
        assert_eq!(found(&snapshot), [("valuation", Level::Error)]);
    }

    #[test]
    fn a_pool_of_other_tokens_is_an_error_and_one_that_is_not_allowed_is_told_elsewhere() {
        let mut snapshot = fixture::snapshot();
        let Pool::UniswapV3 { state, .. } = &mut snapshot.pools[0] else { unreachable!() };
        state.token1 = Address::repeat_byte(9);
        assert_eq!(found(&snapshot), [("pool", Level::Error)]);
        snapshot.vault.allowed_pools.clear();
        assert_eq!(found(&snapshot), []);
    }

    #[test]
    fn what_the_window_does_not_show_cannot_be_sold_into() {
        let mut snapshot = fixture::snapshot();
        let Pool::UniswapV3 { state, .. } = &mut snapshot.pools[0] else { unreachable!() };
        (state.window.lower, state.window.upper) = (state.tick - 1, state.tick + 1);
        state.ticks.clear();
        let levels = found(&snapshot);
        assert!(levels.contains(&("exit", Level::Error)), "{levels:?}");
        assert_eq!(levels.iter().filter(|f| **f == ("largest_trade", Level::Warning)).count(), 2);
    }

    #[test]
    fn a_trade_that_loses_too_much_will_be_cut() {
        let value = Usd::new(1_000.into());
        let lost = |bps| trade("sale", value, Ok(Ratio::from_bps(bps)), 100);
        assert_eq!(lost(100).level, Level::Ok);
        assert_eq!(lost(101).level, Level::Warning);
        assert_eq!(
            lost(101).what,
            "the largest sale of 1000 loses 101 bps; 100 bps are allowed, so it will be cut"
        );
    }

    #[test]
    fn each_fault_of_a_pool_has_its_own_remedy() {
        let pool = Address::ZERO;
        let price = "1".parse().unwrap();
        let apart = Reason::PriceDeviation {
            pool,
            spot: price,
            reference: PriceReference::Oracle,
            price,
            limit_bps: 1,
        };
        let dry = Reason::NoLiquidity { pool, size: Units::ZERO };
        let remedies = [apart, dry].map(|r| no_market(&r).unwrap().remedy.unwrap());
        assert!(remedies[0].starts_with("wait until pool and oracle agree"), "{remedies:?}");
        assert!(remedies[1].starts_with("name a Uniswap pool"), "{remedies:?}");
    }
}
