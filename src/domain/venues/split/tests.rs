use alloy::primitives::Address;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::super::uniswap_v3::{Tick, Window, sqrt_price_at_tick};
use super::super::{uniswap_v2, uniswap_v3};
use super::*;

const E18: u128 = 1_000_000_000_000_000_000;

/// A pool of either kind that owns its state.
#[derive(Debug, Clone)]
enum Owned {
    V2(uniswap_v2::Pool),
    V3(uniswap_v3::Pool),
}

impl Owned {
    fn curve(&self) -> Curve<'_> {
        match self {
            Self::V2(pool) => Curve::UniswapV2(pool.quoter().unwrap()),
            Self::V3(pool) => Curve::UniswapV3(pool.quoter().unwrap()),
        }
    }
}

fn curves(pools: &[Owned]) -> Vec<Curve<'_>> {
    pools.iter().map(Owned::curve).collect()
}

fn tokens() -> (Address, Address) {
    (Address::with_last_byte(1), Address::with_last_byte(2))
}

fn pair(reserve0: u128, reserve1: u128) -> Owned {
    let (token0, token1) = tokens();
    Owned::V2(uniswap_v2::Pool { address: Address::with_last_byte(0x22), token0, token1, reserve0, reserve1 })
}

/// A pool at the lower edge of `tick` with positions `(half width in spacings, liquidity)` around it, known over five
/// words.
fn pool(fee: u32, spacing: i32, tick: i32, positions: &[(i32, u128)]) -> Owned {
    let (token0, token1) = tokens();
    let middle = tick.div_euclid(spacing) * spacing;
    let mut ticks: Vec<(i32, i128)> = Vec::new();
    for (half, liquidity) in positions {
        let net = i128::try_from(*liquidity).unwrap();
        ticks.push((middle - half * spacing, net));
        ticks.push((middle + half * spacing, -net));
    }
    ticks.sort_unstable();
    ticks.dedup_by(|next, last| {
        let same = next.0 == last.0;
        last.1 += if same { next.1 } else { 0 };
        same
    });
    let word = tick.div_euclid(spacing * 256);
    let window = Window { lower: (word - 2) * 256 * spacing, upper: (word + 3) * 256 * spacing - 1 };
    let known = ticks.into_iter().filter(|(index, _)| (window.lower..=window.upper).contains(index));
    let ticks = known.map(|(index, liquidity_net)| {
        let liquidity_gross = liquidity_net.unsigned_abs();
        Tick { index, liquidity_net, liquidity_gross: liquidity_gross.max(1) }
    });
    Owned::V3(uniswap_v3::Pool {
        address: Address::with_last_byte(0x33),
        token0,
        token1,
        fee,
        tick_spacing: spacing,
        sqrt_price_x96: sqrt_price_at_tick(tick).unwrap(),
        tick,
        liquidity: positions.iter().map(|(_, liquidity)| liquidity).sum(),
        window,
        ticks: ticks.collect(),
    })
}

/// Three fee tiers and a pair at one price of 1.
fn market() -> Vec<Owned> {
    vec![
        pool(500, 10, 0, &[(40, 3_000_000 * E18), (200, 1_000_000 * E18)]),
        pool(3000, 60, 0, &[(10, 2_000_000 * E18), (100, 700_000 * E18)]),
        pool(10_000, 200, 0, &[(20, 400_000 * E18)]),
        pair(150_000 * E18, 150_000 * E18),
    ]
}

fn out_of(split: &Split) -> U256 {
    split.parts.iter().fold(U256::ZERO, |sum, part| sum + part.swap.amount_out)
}

fn given(split: &Split) -> U256 {
    split.parts.iter().fold(U256::ZERO, |sum, part| sum + part.swap.amount_in)
}

fn best_single(curves: &[Curve<'_>], up: bool, amount: U256) -> U256 {
    let each = curves.iter().filter_map(|curve| curve.quote_exact_in(!up, amount).ok());
    each.map(|swap| swap.amount_out).max().unwrap_or_default()
}

fn quoted(curve: &Curve<'_>, up: bool, amount: U256) -> Option<U256> {
    if amount.is_zero() {
        return Some(U256::ZERO);
    }
    match curve.quote_exact_in(!up, amount) {
        Ok(swap) => Some(swap.amount_out),
        Err(QuoteError::UniswapV2(uniswap_v2::QuoteError::NothingOut)) => Some(U256::ZERO),
        Err(_) => None,
    }
}

/// The most that two or three pools pay over all splits in steps of `total/steps`.
fn best_on_a_grid(curves: &[Curve<'_>], up: bool, total: U256, steps: u32) -> U256 {
    let amount = |step: u32| total * U256::from(step) / U256::from(steps);
    let tables: Vec<Vec<Option<U256>>> = curves
        .iter()
        .map(|curve| (0..=steps).map(|step| quoted(curve, up, amount(step))).collect())
        .collect();
    let last = curves.len() - 1;
    let mut best = U256::ZERO;
    for first in 0..=steps {
        for second in 0..=(if last == 2 { steps - first } else { 0 }) {
            // What rounding leaves goes to the last pool.
            let rest = total - amount(first) - amount(second);
            let middle = if last == 2 { tables[1][second as usize] } else { Some(U256::ZERO) };
            let parts = (tables[0][first as usize], middle, quoted(&curves[last], up, rest));
            if let (Some(a), Some(b), Some(c)) = parts {
                best = best.max(a + b + c);
            }
        }
    }
    best
}

#[test]
fn a_policy_names_no_more_pools_than_a_trade_is_split_over() {
    assert_eq!(MAX_POOLS, crate::domain::policy::MOST_VENUES);
}

#[test]
fn equal_pools_share_a_trade_equally() {
    let pools = [pair(E18, 3 * E18), pair(E18, 3 * E18)];
    let split = split_exact_in(&curves(&pools), true, U256::from(E18 / 10), U256::ZERO).unwrap();
    assert_eq!(split.parts.len(), 2);
    let half = U256::from(E18 / 20);
    assert!(split.parts.iter().all(|part| part.swap.amount_in.abs_diff(half) <= U256::from(1_000)));
}

#[test]
fn pools_end_at_one_marginal_price_and_dear_ones_stay_out() {
    let pools = market();
    let curves = curves(&pools);
    let used = |amount: u128| -> Vec<usize> {
        let split = split_exact_in(&curves, true, U256::from(amount), U256::ZERO).unwrap();
        split.parts.iter().map(|part| part.pool).collect()
    };
    // 0.05 % alone until its price has fallen by a quarter of a percent, where 0.30 % begins, and so on.
    assert_eq!(used(4_000 * E18), [0]);
    assert_eq!(used(6_000 * E18), [0, 1, 3]);
    assert_eq!(used(60_000 * E18), [0, 1, 2, 3]);
}

#[test]
fn a_pool_that_does_not_pay_for_its_swap_is_left_out() {
    let pools = market();
    let curves = curves(&pools);
    let total = U256::from(30_000 * E18);
    let pools_at =
        |per_swap: u128| split_exact_in(&curves, true, total, U256::from(per_swap)).unwrap().parts.len();
    assert_eq!([pools_at(0), pools_at(5 * E18), pools_at(1_000_000 * E18)], [4, 2, 1]);
}

#[test]
fn one_pool_is_quoted_as_it_stands() {
    let pools = [pool(500, 10, 0, &[(100, 1_000 * E18)])];
    let curves = curves(&pools);
    let amount = U256::from(E18);
    let split = split_exact_in(&curves, true, amount, U256::ZERO).unwrap();
    assert_eq!(split.parts[0].swap, curves[0].quote_exact_in(true, amount).unwrap());
    let paid = amount_in_for(&curves, true, amount, U256::ZERO).unwrap();
    assert_eq!(paid, curves[0].quote_exact_out(true, amount).unwrap().amount_in);
}

#[test]
fn all_that_is_known_is_taken_and_no_more() {
    let pools = [pool(500, 10, 0, &[(2_000, 1_000 * E18)]), pool(3000, 60, 5, &[(3_000, 900 * E18)])];
    let curves = curves(&pools);
    for zero_for_one in [true, false] {
        let most = most_in(&curves, zero_for_one).unwrap();
        let split = split_exact_in(&curves, zero_for_one, most, U256::ZERO).unwrap();
        assert_eq!(given(&split), most);
        let more = split_exact_in(&curves, zero_for_one, most + U256::from(9), U256::ZERO);
        assert!(matches!(more, Err(QuoteError::NoLiquidity { .. })), "{more:?}");
        let asked = amount_in_for(&curves, zero_for_one, U256::from(1_000_000 * E18), U256::ZERO);
        assert!(matches!(asked, Err(QuoteError::NoLiquidity { .. })), "{asked:?}");
    }
}

#[test]
fn no_pool_and_no_amount_are_no_split() {
    assert_eq!(split_exact_in(&[], true, U256::ONE, U256::ZERO), Err(QuoteError::NoPool));
    assert_eq!(amount_in_for(&[], true, U256::ONE, U256::ZERO), Err(QuoteError::NoPool));
    assert_eq!(most_in(&[], true), None);
    assert!(split_exact_in(&curves(&market()), true, U256::ZERO, U256::ZERO).is_err());
}

#[test]
fn on_small_pairs_it_is_the_best_of_all_splits_but_for_a_unit_per_pool() {
    let pools = [pair(50_000, 51_000), pair(30_000, 30_100)];
    let curves = curves(&pools);
    for total in (1..4_000_u32).step_by(37) {
        let amount = U256::from(total);
        let best = best_on_a_grid(&curves, true, amount, total);
        if best.is_zero() {
            continue;
        }
        let found = split_exact_in(&curves, false, amount, U256::ZERO).unwrap().amount_out;
        assert!(found + U256::from(2) >= best, "{total}: {found} {best}");
    }
}

prop_compose! {
    fn pairs(tick: i32)(digits in 20u32..26, part in 1u128..1_000) -> Owned {
        // Reserves whose price is that of the tick, up to a thousandth.
        let root = f64::from(sqrt_price_at_tick(tick).unwrap()) / 2f64.powi(96);
        let reserve0 = 10u128.pow(digits) / 1_000 * part + 1_000_000;
        let reserve1 = U256::from(f64::from(U256::from(reserve0)) * root * root) + U256::ONE;
        pair(reserve0, reserve1.to())
    }
}

prop_compose! {
    fn pools_near(tick: i32)(
        tier in prop::sample::select(vec![(100u32, 1), (500, 10), (3000, 60), (10_000, 200)]),
        off in -40i32..40,
        positions in prop::collection::vec((1i32..200, 18u32..26), 1..5),
    ) -> Owned {
        let positions: Vec<_> =
            positions.into_iter().map(|(half, digits)| (half, 10u128.pow(digits) + 13)).collect();
        pool(tier.0, tier.1, tick + off, &positions)
    }
}

fn any_pool(tick: i32) -> impl Strategy<Value = Owned> {
    prop_oneof![pairs(tick), pools_near(tick), pools_near(tick)]
}

/// Between prices of 1 and of ether in USDC: 18 against 6 decimals, both ways round.
fn markets(most: usize) -> impl Strategy<Value = Vec<Owned>> {
    prop::sample::select(vec![0, 196_000, -196_000])
        .prop_flat_map(move |tick| prop::collection::vec(any_pool(tick), 2..=most))
}

prop_compose! {
    fn amounts()(digits in 0u32..25, factor in 1u64..10_000) -> U256 {
        U256::from(10u64).pow(U256::from(digits)) * U256::from(factor)
    }
}

/// Raw units out that one raw unit in is worth at most, rounded up.
fn unit_worth(curves: &[Curve<'_>], up: bool) -> U256 {
    let rate = |curve: &Curve<'_>| curve.stretches(!up).next().map_or(0.0, |s| 1.0 / (s.from * s.from));
    let most = curves.iter().map(rate).fold(0.0, f64::max);
    if most > 1.5 { whole_units(most) + U256::ONE } else { U256::ZERO }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 600, rng_seed: RngSeed::Fixed(0x5EED), failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn no_split_on_a_grid_pays_more_but_for_a_unit_per_pool(
        pools in markets(3), up in any::<bool>(), amount in amounts(),
    ) {
        let curves = curves(&pools);
        if let Ok(split) = split_exact_in(&curves, !up, amount, U256::ZERO) {
            let best = best_on_a_grid(&curves, up, amount, if curves.len() == 2 { 400 } else { 40 });
            // A unit per pool: of what is paid, and where a unit of what is given is worth more than that, of it too.
            let unit = U256::ONE + unit_worth(&curves, up);
            let allowed = unit * U256::from(curves.len());
            prop_assert!(split.amount_out + allowed >= best, "{} {best} {allowed}", split.amount_out);
        }
    }

    #[test]
    fn it_pays_at_least_what_the_best_single_pool_pays(
        pools in markets(5), up in any::<bool>(), amount in amounts(), per_swap in any::<u64>(),
    ) {
        let curves = curves(&pools);
        let single = best_single(&curves, up, amount);
        match split_exact_in(&curves, !up, amount, U256::from(per_swap)) {
            Ok(split) => {
                prop_assert!(split.amount_out >= single);
                prop_assert_eq!((given(&split), out_of(&split)), (amount, split.amount_out));
                let exact = |part: &Part| curves[part.pool].quote_exact_in(!up, part.swap.amount_in) == Ok(part.swap);
                prop_assert!(split.parts.iter().all(exact));
                prop_assert!(split.parts.len() == 1 || split.parts.iter().all(|part| !part.swap.amount_out.is_zero()));
            }
            Err(_) => prop_assert_eq!(single, U256::ZERO),
        }
    }

    #[test]
    fn what_an_amount_out_takes_pays_that_amount(
        pools in markets(4), up in any::<bool>(), amount in amounts(),
    ) {
        let curves = curves(&pools);
        if let Ok(paid) = amount_in_for(&curves, !up, amount, U256::ZERO)
            && let Ok(split) = split_exact_in(&curves, !up, paid, U256::ZERO)
        {
            let short = amount.saturating_sub(split.amount_out);
            prop_assert!(short <= U256::from(4 * curves.len()) * (U256::ONE + unit_worth(&curves, up)), "{short}");
        }
    }

    #[test]
    fn the_same_pools_give_the_same_split(pools in markets(4), up in any::<bool>(), amount in amounts()) {
        let split = || split_exact_in(&curves(&pools), up, amount, U256::from(3));
        prop_assert_eq!(split(), split());
    }
}
