//! What the vault's contract would say to a trade: its guards, written down again from the Solidity, in its integers.

use alloy::primitives::U256;
use vault_keeper::domain::decision::{Swap, Trade};
use vault_keeper::domain::snapshot::{Snapshot, Vault};

const BPS: u64 = 10_000;

fn mul_div(a: U256, b: U256, c: U256) -> U256 {
    a.checked_mul(b).unwrap() / c
}

fn mul_div_up(a: U256, b: U256, c: U256) -> U256 {
    a.checked_mul(b).unwrap().div_ceil(c)
}

fn of_bps(amount: U256, bps: u32) -> U256 {
    mul_div(amount, U256::from(bps), U256::from(BPS))
}

/// `Oracle.read`: both answers in WAD, their quotient rounded down.
fn price(snapshot: &Snapshot) -> U256 {
    let wad = |feed: &vault_keeper::domain::snapshot::Feed| {
        feed.latest.unwrap().answer.unsigned_abs() * U256::from(10).pow(U256::from(18 - feed.decimals))
    };
    mul_div(wad(&snapshot.feeds.risky_usd), U256::from(10_u64.pow(18)), wad(&snapshot.feeds.asset_usd))
}

/// `VaultBase._revalue`.
struct Mark {
    price: U256,
    scale: U256,
    exposure: U256,
    nav: U256,
    cushion: U256,
}

impl Mark {
    fn of(vault: &Vault, price: U256) -> Self {
        let places = 18 + u64::from(vault.risky.decimals) - u64::from(vault.asset.decimals);
        let scale = U256::from(10).pow(U256::from(places));
        let exposure = mul_div(vault.risky_holdings, price, scale);
        let nav = vault.asset_holdings + exposure;
        Self { price, scale, exposure, nav, cushion: nav.saturating_sub(vault.floor) }
    }
}

/// `VaultKeeper.rebalance`: the guards, the swap at `amount_out`, the guards after it, with `rebate` of gas paid back.
pub(super) fn rebalance(
    snapshot: &Snapshot,
    trade: &Trade,
    amount_out: U256,
    rebate: U256,
) -> Result<Vault, &'static str> {
    let (vault, guards, now) = (&snapshot.vault, &snapshot.vault.guards, snapshot.block.timestamp);
    let (m, sale) = (Mark::of(vault, price(snapshot)), trade.sell_risky);
    let require = |holds: bool, error: &'static str| if holds { Ok(()) } else { Err(error) };
    require(sale || now >= vault.paused_until, "Paused")?;
    let for_sale = if vault.cash_lock { U256::ZERO } else { of_bps(m.cushion, guards.bound_bps) };
    let exempt = sale && m.exposure > for_sale.max(m.nav / U256::from(BPS));
    require(exempt || now >= vault.last_rebalance + guards.cooldown, "CoolingDown")?;
    require(!trade.amount_in.is_zero(), "EmptySwap")?;
    let allowed = |s: &Swap| vault.allowed_pools.iter().any(|p| p.pool == s.pool && p.venue == s.venue);
    require(trade.swaps.iter().all(allowed), "PoolNotAllowed")?;
    let sum = |amount: fn(&Swap) -> U256| trade.swaps.iter().map(amount).fold(U256::ZERO, |a, b| a + b);
    require(sum(|s| s.amount_in) == trade.amount_in, "another amount in than that of the swaps")?;
    require(sum(|s| s.quoted_out) == trade.quoted_out, "another amount out than that of the swaps")?;
    require(sale || (!vault.cash_lock && !m.cushion.is_zero()), "CashLocked")?;
    let held = if sale { vault.risky_holdings } else { vault.asset_holdings };
    require(trade.amount_in <= held, "HoldingExceeded")?;
    let value = if sale { mul_div_up(trade.amount_in, m.price, m.scale) } else { trade.amount_in };
    let limit = mul_div_up(m.nav, U256::from(guards.max_call_bps), U256::from(BPS));
    require(value <= limit, "TradeTooLarge")?;
    require(exempt || value <= guards.turnover_left, "TurnoverExceeded")?;
    for swap in &trade.swaps {
        let fair = if sale {
            mul_div_up(swap.amount_in, m.price, m.scale)
        } else {
            mul_div_up(swap.amount_in, m.scale, m.price)
        };
        let kept = U256::from(BPS - u64::from(guards.slippage_bps));
        require(swap.min_amount_out >= mul_div_up(fair, kept, U256::from(BPS)), "MinAmountOutTooLow")?;
        require(swap.quoted_out >= swap.min_amount_out, "InsufficientAmountOut")?;
    }
    require(amount_out >= sum(|s| s.min_amount_out), "InsufficientAmountOut")?;
    let mut after = vault.clone();
    if sale {
        after.risky_holdings -= trade.amount_in;
        after.asset_holdings += amount_out;
    } else {
        after.asset_holdings -= trade.amount_in;
        after.risky_holdings += amount_out;
    }
    let then = Mark::of(&after, m.price);
    require(then.nav + of_bps(m.nav, guards.nav_loss_bps) >= m.nav, "NavLossTooLarge")?;
    after.asset_holdings -= rebate.min(after.asset_holdings);
    let then = Mark::of(&after, m.price);
    let limit = of_bps(then.nav, guards.cap_bps).min(of_bps(then.cushion, guards.bound_bps));
    require(sale || then.exposure <= limit, "ExposureTooLarge")?;
    Ok(after)
}
