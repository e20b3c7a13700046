use alloy::primitives::address;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;

/// 10,000 ether against 30 million USDC, as a busy pair holds.
fn weth_usdc() -> Pool {
    Pool {
        address: address!("b4e16d0168e52d35cacd2c6185b44281ec28c9dc"),
        token0: address!("a0b86991c6218b36c1d19d4a2e9eb0ce3606eb48"),
        token1: address!("c02aaa39b223fe8d0a0e5c4f27ead9083c756cc2"),
        reserve0: 30_000_000_000_000,
        reserve1: 10_000_000_000_000_000_000_000,
    }
}

fn with(reserve0: u128, reserve1: u128) -> Pool {
    Pool { reserve0, reserve1, ..weth_usdc() }
}

fn after(pool: &Pool, quote: &Quote) -> Pool {
    Pool { reserve0: quote.reserve0_after, reserve1: quote.reserve1_after, ..*pool }
}

/// Whether `UniswapV2Pair.swap` lets the amounts pass: its invariant over balances less 0.3 % of what came in, and the
/// width of its reserves.
fn pair_accepts(pool: &Pool, zero_for_one: bool, amount_in: U256, amount_out: U256) -> bool {
    let (reserve_in, reserve_out) = pool.quoter().unwrap().reserves(zero_for_one);
    let (r_in, r_out) = (U512::from(reserve_in), U512::from(reserve_out));
    let (paid, out, thousand) = (U512::from(amount_in), U512::from(amount_out), U512::from(1000));
    let balance_in = r_in + paid;
    if amount_out.is_zero() || out >= r_out || balance_in > U512::from(MOST_RESERVE) {
        return false;
    }
    let adjusted = balance_in * thousand - paid * U512::from(3);
    adjusted * (r_out - out) * thousand >= r_in * r_out * thousand * thousand
}

#[test]
fn a_quote_has_the_figures_of_the_library() {
    // 10 ether: 10·997·30,000,000/(10,000·1000 + 10·997) = 29,880.2094…
    let pool = weth_usdc();
    let quoter = pool.quoter().unwrap();
    let ten = U256::from(10_000_000_000_000_000_000_u64);
    let quote = quoter.quote_exact_in(false, ten).unwrap();
    assert_eq!(quote.amount_out, U256::from(29_880_209_431_u64));
    assert_eq!((quote.reserve0_after, quote.reserve1_after), (29_970_119_790_569, 10_010 * 10_u128.pow(18)));
    let back = quoter.quote_exact_out(false, quote.amount_out).unwrap();
    assert_eq!(back.amount_in, U256::from(9_999_999_999_933_972_016_u64));
}

#[test]
fn an_invalid_state_is_no_quoter() {
    let why = |pool: Pool| match pool.quoter() {
        Ok(_) => "",
        Err(QuoteError::InvalidPool { why, .. }) => why,
        Err(other) => panic!("{other}"),
    };
    let reserve = "a reserve is empty or beyond 112 bits";
    assert_eq!(why(weth_usdc()), "");
    assert_eq!(why(with(0, 1)), reserve);
    assert_eq!(why(with(1, 0)), reserve);
    assert_eq!(why(with(MOST_RESERVE, MOST_RESERVE)), "");
    assert_eq!(why(with(MOST_RESERVE + 1, 1)), reserve);
    assert_eq!(why(Pool { token1: weth_usdc().token0, ..weth_usdc() }), "its tokens are not in order");
}

#[test]
fn what_the_pair_refuses_is_refused() {
    let pool = with(1_000_000, 1_000_000_000);
    let (quoter, dry) = (pool.quoter().unwrap(), QuoteError::NoLiquidity { pool: pool.address });
    assert_eq!(quoter.quote_exact_in(true, U256::ZERO), Err(QuoteError::ZeroAmount));
    assert_eq!(quoter.quote_exact_out(true, U256::ZERO), Err(QuoteError::ZeroAmount));
    assert_eq!(quoter.quote_exact_in(false, U256::from(1_000)), Err(QuoteError::NothingOut));
    assert_eq!(quoter.quote_exact_out(true, U256::from(1_000_000_000)), Err(dry.clone()));
    assert!(quoter.quote_exact_out(true, U256::from(999_999_999)).is_ok());
    assert_eq!(quoter.quote_exact_in(true, U256::MAX), Err(dry));
}

#[test]
fn the_most_that_fits_is_quoted_and_a_unit_more_is_not() {
    let pool = weth_usdc();
    let quoter = pool.quoter().unwrap();
    for zero_for_one in [true, false] {
        let most = quoter.most_in(zero_for_one).unwrap();
        assert!(quoter.quote_exact_in(zero_for_one, most).is_ok());
        let more = quoter.quote_exact_in(zero_for_one, most + U256::ONE);
        assert_eq!(more, Err(QuoteError::NoLiquidity { pool: pool.address }));
    }
    assert_eq!(with(MOST_RESERVE, 1).quoter().unwrap().most_in(true), None);
}

#[test]
fn the_mid_price_is_rounded_down_whichever_token_is_the_base() {
    let pool = weth_usdc();
    let text = |price: Option<Decimal>| price.unwrap().normalize().to_string();
    assert_eq!(text(mid_price(pool.reserve1, pool.reserve0, (18, 6))), "3000");
    assert_eq!(text(mid_price(pool.reserve0, pool.reserve1, (6, 18))), "0.000333333333333333");
    assert_eq!(mid_price(0, 1, (18, 6)), None);
}

#[test]
fn the_text_form_has_no_numbers_and_survives_the_round_trip() {
    let pool = weth_usdc();
    let text = serde_json::to_string(&pool).unwrap();
    assert!(text.ends_with(r#""reserve0":"30000000000000","reserve1":"10000000000000000000000"}"#), "{text}");
    assert_eq!(serde_json::from_str::<Pool>(&text).unwrap(), pool);
}

prop_compose! {
    fn amounts()(bits in 0u32..112, fill in any::<u128>()) -> u128 {
        (1 << bits) | (fill & ((1 << bits) - 1))
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2000, rng_seed: RngSeed::Fixed(0x5EED), failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn a_quote_is_the_most_that_the_pairs_invariant_lets_out(
        reserves in (amounts(), amounts()), up in any::<bool>(), amount in amounts(),
    ) {
        let pool = with(reserves.0, reserves.1);
        let amount = U256::from(amount);
        match pool.quoter().unwrap().quote_exact_in(up, amount) {
            Ok(quote) => {
                prop_assert_eq!(quote.amount_in, amount);
                prop_assert!(pair_accepts(&pool, up, amount, quote.amount_out));
                prop_assert!(!pair_accepts(&pool, up, amount, quote.amount_out + U256::ONE));
                prop_assert_eq!(pool.validate().and_then(|()| after(&pool, &quote).validate()), Ok(()));
            }
            Err(QuoteError::NothingOut | QuoteError::NoLiquidity { .. }) => {
                prop_assert!(!pair_accepts(&pool, up, amount, U256::ONE));
            }
            Err(error) => prop_assert!(false, "{error}"),
        }
    }

    #[test]
    fn paying_for_an_exact_output_is_accepted_and_two_units_less_are_not(
        reserves in (amounts(), amounts()), up in any::<bool>(), wanted in amounts(),
    ) {
        let pool = with(reserves.0, reserves.1);
        if let Ok(quote) = pool.quoter().unwrap().quote_exact_out(up, U256::from(wanted)) {
            prop_assert!(pair_accepts(&pool, up, quote.amount_in, quote.amount_out));
            if let Some(less) = quote.amount_in.checked_sub(U256::from(2)) {
                prop_assert!(!pair_accepts(&pool, up, less, quote.amount_out));
            }
        }
    }

    #[test]
    fn more_in_is_never_less_out_and_a_round_trip_never_gains(
        reserves in (amounts(), amounts()), up in any::<bool>(), amount in amounts(), more in amounts(),
    ) {
        let pool = with(reserves.0, reserves.1);
        let quoter = pool.quoter().unwrap();
        if let Ok(small) = quoter.quote_exact_in(up, U256::from(amount)) {
            if let Ok(large) = quoter.quote_exact_in(up, U256::from(amount) + U256::from(more)) {
                prop_assert!(small.amount_out <= large.amount_out);
            }
            if let Ok(back) = after(&pool, &small).quoter().unwrap().quote_exact_in(!up, small.amount_out) {
                prop_assert!(back.amount_out < small.amount_in);
            }
        }
    }

    #[test]
    fn no_state_makes_a_quote_panic(
        reserves in any::<(u128, u128)>(), up in any::<bool>(), amount in any::<[u8; 32]>(), shift in 0usize..256,
    ) {
        let (pool, amount) = (with(reserves.0, reserves.1), U256::from_be_bytes(amount) >> shift);
        if let Ok(quoter) = pool.quoter() {
            let _ = (quoter.quote_exact_in(up, amount), quoter.quote_exact_out(up, amount), quoter.most_in(up));
        }
        let _ = mid_price(reserves.0, reserves.1, (18, 6));
    }
}
