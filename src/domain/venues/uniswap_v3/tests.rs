use std::collections::BTreeMap;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use alloy::primitives::aliases::U24;
use alloy::primitives::{I256, address};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use uniswap_v3_sdk::prelude::{Tick as SdkTick, TickListDataProvider, compute_swap_step, v3_swap};

use super::*;

/// Whole tokens of 18 decimals.
fn e18(whole: u64) -> U256 {
    U256::from(whole) * U256::from(10u64).pow(U256::from(18))
}

/// A pool of positions `(lower, upper, liquidity)`, all ticks known, its price at `part`/1000 of the way through
/// `tick`, its fee 0.30 %.
fn with_positions(tick_spacing: i32, tick: i32, part: u32, positions: &[(i32, i32, u128)]) -> Pool {
    let mut ticks = BTreeMap::<i32, (i128, u128)>::new();
    let mut liquidity = 0;
    for &(lower, upper, amount) in positions {
        let net = i128::try_from(amount).unwrap();
        for (index, net) in [(lower, net), (upper, -net)] {
            let entry = ticks.entry(index).or_default();
            *entry = (entry.0 + net, entry.1 + amount);
        }
        liquidity += if (lower..upper).contains(&tick) { amount } else { 0 };
    }
    let (floor, ceiling) = (sqrt_price_at_tick(tick).unwrap(), sqrt_price_at_tick(tick + 1).unwrap());
    Pool {
        address: address!("8ad599c3a0ff1de082011efddc58f1908eb6e6d8"),
        token0: address!("a0b86991c6218b36c1d19d4a2e9eb0ce3606eb48"),
        token1: address!("c02aaa39b223fe8d0a0e5c4f27ead9083c756cc2"),
        fee: 3000,
        tick_spacing,
        sqrt_price_x96: floor + (ceiling - floor) * U256::from(part) / U256::from(1000),
        tick,
        liquidity,
        ticks: ticks
            .into_iter()
            .map(|(index, (liquidity_net, liquidity_gross))| Tick { index, liquidity_net, liquidity_gross })
            .collect(),
        window: Window { lower: MIN_TICK_I32, upper: MAX_TICK_I32 },
    }
}

/// Real price and liquidity of USDC/WETH 0.30 %, with a few positions around it and nothing known further out.
fn usdc_weth() -> Pool {
    let positions = [
        (196_800, 197_220, 400_000_000_000_000_000),
        (197_160, 197_940, 600_000_000_000_000_000),
        (196_800, 197_940, 172_977_496_694_614_619),
    ];
    Pool {
        sqrt_price_x96: "1516464245868122564135291323356374".parse().unwrap(),
        window: Window { lower: 184_320, upper: 199_679 },
        ..with_positions(60, 197_201, 0, &positions)
    }
}

/// One position over the whole range at price 1, fee 0.30 %.
fn constant(tick_spacing: i32, liquidity: u128) -> Pool {
    let end = MAX_TICK_I32 - MAX_TICK_I32 % tick_spacing;
    with_positions(tick_spacing, 0, 0, &[(-end, end, liquidity)])
}

/// The state that the swap of `quote` leaves.
fn after(pool: &Pool, quote: &Quote) -> Pool {
    Pool {
        sqrt_price_x96: quote.sqrt_price_after,
        tick: quote.tick_after(),
        liquidity: quote.liquidity_after,
        ..pool.clone()
    }
}

fn why(pool: &Pool) -> &'static str {
    match pool.validate() {
        Ok(()) => "",
        Err(QuoteError::InvalidPool { why, .. }) => why,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_consistent_state_is_accepted_and_every_broken_rule_is_named() {
    let broken = |change: fn(&mut Pool)| {
        let mut pool = usdc_weth();
        change(&mut pool);
        why(&pool)
    };
    assert_eq!(broken(|_| ()), "");
    assert_eq!(broken(|pool| pool.token0 = pool.token1), "its tokens are not in order");
    assert_eq!(broken(|pool| pool.fee = 1_000_000), "the fee is not below one");
    assert_eq!(broken(|pool| pool.tick_spacing = 0), "the tick spacing is not positive");
    assert_eq!(broken(|pool| pool.sqrt_price_x96 = U256::ZERO), "its price is out of range");
    assert_eq!(broken(|pool| pool.sqrt_price_x96 = U256::MAX), "its price is out of range");
    assert_eq!(broken(|pool| pool.tick += 1), "the price is not in its tick");
    assert_eq!(broken(|pool| pool.window.lower = -887_273), "the window is too wide");
    assert_eq!(broken(|pool| pool.window.upper = 197_200), "the price lies outside the window");
    assert_eq!(broken(|pool| pool.ticks.swap(0, 1)), "the ticks are not in order");
    assert_eq!(broken(|pool| pool.window.lower = 197_000), "a tick lies outside the window");
    assert_eq!(broken(|pool| pool.ticks[0].index += 1), "a tick is off the spacing");
    assert_eq!(broken(|pool| pool.ticks[1].liquidity_gross = 1), "a tick has more net than gross liquidity");
    assert_eq!(broken(|pool| pool.liquidity = 1), "its liquidity does not add up");
}

#[test]
fn liquidity_is_followed_up_to_a_tick_that_is_not_known() {
    let unknown = |at: usize| {
        let mut pool = usdc_weth();
        (pool.ticks[at].liquidity_net, pool.ticks[at].liquidity_gross) = (0, 0);
        why(&pool)
    };
    assert_eq!([unknown(0), unknown(1), unknown(2), unknown(3)], [""; 4]);
}

#[test]
fn liquidity_left_over_at_an_end_of_the_tick_range_does_not_add_up() {
    assert_eq!(why(&constant(1, 1_000_000)), "");
    for at in [0, 1] {
        let mut pool = constant(1, 1_000_000);
        pool.ticks.remove(at);
        assert_eq!(why(&pool), "its liquidity does not add up");
    }
}

#[test]
fn a_quote_on_the_usdc_weth_pool_has_the_figures_of_unbounded_integers() {
    let quote = usdc_weth().quote_exact_in(false, e18(40)).unwrap();
    let expected = Quote {
        amount_in: e18(40),
        amount_out: U256::from(108_640_691_428u64),
        fee: U256::from(120_000_000_000_000_001u64),
        sqrt_price_after: "1519808516531534257689565747664250".parse().unwrap(),
        reached: None,
        liquidity_after: 772_977_496_694_614_619,
        ticks_crossed: 1,
    };
    assert_eq!((quote, quote.tick_after()), (expected, 197_245));
}

#[test]
fn a_swap_through_empty_words_rounds_once_per_word_as_the_contract_does() {
    let pool = constant(1, 1_000_000_000_000);
    let amount = U256::from(100_000_000_000u64);
    let quote = pool.quote_exact_in(true, amount).unwrap();
    // In one step, without the stops at the words' ends: ten units more.
    let start = U160::from(pool.sqrt_price_x96);
    let amount = I256::from_raw(amount);
    let one_step = compute_swap_step(start, MIN_SQRT_RATIO, pool.liquidity, amount, U24::from(3000)).unwrap();
    assert_eq!((one_step.2, one_step.3), (U256::from(90_661_089_388u64), U256::from(300_000_000)));
    assert_eq!((quote.amount_out, quote.fee), (U256::from(90_661_089_378u64), U256::from(300_000_004)));
    assert_eq!((quote.tick_after(), quote.ticks_crossed), (-1901, 0));
}

#[test]
fn the_state_after_a_swap_quotes_the_next_one() {
    let pool = usdc_weth();
    let first = pool.quote_exact_in(false, e18(40)).unwrap();
    let next = after(&pool, &first);
    assert_eq!(why(&next), "");
    let second = next.quote_exact_in(false, e18(40)).unwrap();
    assert!(second.amount_out < first.amount_out);
    assert_eq!(second.sqrt_price_after, pool.quote_exact_in(false, e18(80)).unwrap().sqrt_price_after);
}

#[test]
fn a_price_left_on_a_tick_from_above_crosses_it_again_on_the_way_up() {
    let pool = with_positions(60, 30, 0, &[(-600, 600, 1_000_000_000_000), (0, 600, 1_000_000_000_000)]);
    // 2,997,601,360 fill the range down to tick 0, and the fee on them is 9,019,864.
    let to_tick = U256::from(3_006_621_224u64);
    let down = pool.quote_exact_in(true, to_tick).unwrap();
    assert_eq!(down.sqrt_price_after, U256::ONE << 96);
    assert_eq!((down.tick_after(), down.ticks_crossed, down.liquidity_after), (-1, 1, 1_000_000_000_000));
    assert_eq!(pool.quote_exact_in(true, to_tick - U256::ONE).unwrap().tick_after(), 0);
    let pool = after(&pool, &down);
    assert_eq!(why(&pool), "");
    let up = pool.quote_exact_in(false, U256::from(1_000_000_000u64)).unwrap();
    assert_eq!((up.ticks_crossed, up.liquidity_after), (1, 2_000_000_000_000));
}

#[test]
fn beyond_the_window_and_beyond_all_liquidity_there_is_no_quote() {
    let pool = usdc_weth();
    let no_liquidity = |tick| Err(QuoteError::NoLiquidity { pool: pool.address, tick });
    assert_eq!(pool.quote_exact_in(false, e18(1_000_000)), no_liquidity(215_040 - 60));
    assert_eq!(pool.quote_exact_in(true, e18(1)), no_liquidity(168_960));
    assert_eq!(pool.quote_exact_out(true, e18(1_000_000)), no_liquidity(168_960));
    let whole = constant(60, 1_000_000);
    let end = Err(QuoteError::NoLiquidity { pool: pool.address, tick: MIN_TICK_I32 });
    assert_eq!(whole.quote_exact_in(true, U256::MAX >> 1), end);
}

#[test]
fn a_pool_moved_to_where_a_swap_leaves_it_is_the_pool_after_the_swap() {
    let pool = usdc_weth();
    for (zero_for_one, amount) in [(false, e18(40)), (false, e18(80)), (true, U256::from(50_000_000_000_u64))]
    {
        let quote = pool.quote_exact_in(zero_for_one, amount).unwrap();
        let moved = pool.moved_to(quote.sqrt_price_after).unwrap();
        assert_eq!((moved.tick, moved.liquidity), (quote.tick_after(), quote.liquidity_after));
        assert_eq!(moved.moved_to(pool.sqrt_price_x96).unwrap(), pool);
    }
    assert_eq!(pool.moved_to(U256::ONE << 100), None);
    assert_eq!(pool.moved_to(U256::ZERO), None);
}

#[test]
fn a_pool_moved_past_a_whole_position_has_what_is_left_beyond_it() {
    let at = |tick| with_positions(60, tick, 500, &[(-60_000, 60_000, 10), (-300, 300, 1_000)]);
    for (from, to) in [(600, -600), (-600, 600)] {
        assert_eq!(at(from).moved_to(at(to).sqrt_price_x96), Some(at(to)));
    }
}

#[test]
fn the_most_that_is_known_is_quoted_and_a_little_more_is_not() {
    let mut torn = usdc_weth();
    (torn.ticks[2].liquidity_net, torn.ticks[2].liquidity_gross) = (0, 0);
    for (pool, up) in [(usdc_weth(), true), (usdc_weth(), false), (torn.clone(), true), (torn, false)] {
        let quoter = pool.quoter().unwrap();
        let most = quoter.most_in(!up).unwrap();
        assert!(quoter.quote_exact_in(!up, most).is_ok(), "{most}");
        let more = quoter.quote_exact_in(!up, most + U256::from(2));
        assert!(matches!(more, Err(QuoteError::NoLiquidity { .. })), "{more:?}");
    }
    let empty = Pool { liquidity: 0, ticks: Vec::new(), ..usdc_weth() };
    assert_eq!(empty.quoter().unwrap().most_in(true), None);
}

#[test]
fn a_tick_that_is_not_known_is_no_quote_once_it_is_reached() {
    let mut pool = usdc_weth();
    (pool.ticks[2].liquidity_net, pool.ticks[2].liquidity_gross) = (0, 0);
    assert!(pool.quote_exact_in(false, e18(1)).is_ok());
    let unknown = QuoteError::NoLiquidity { pool: pool.address, tick: 197_220 };
    assert_eq!(pool.quote_exact_in(false, e18(40)), Err(unknown));
}

#[test]
fn amounts_the_contract_refuses_are_refused() {
    let pool = usdc_weth();
    assert_eq!(pool.quote_exact_in(true, U256::ZERO), Err(QuoteError::ZeroAmount));
    assert_eq!(pool.quote_exact_out(true, U256::ZERO), Err(QuoteError::ZeroAmount));
    assert_eq!(pool.quote_exact_in(true, U256::ONE << 255), Err(QuoteError::AmountTooLarge));
    assert_eq!(pool.quote_exact_out(true, U256::ONE << 255), Err(QuoteError::AmountTooLarge));
}

#[test]
fn the_impact_on_constant_liquidity_is_the_closed_form() {
    // Price 1, no ticks on the way: out/in = 1/(1 + in/L), so the impact of in = L/999 is 1/1000 = 10 bp.
    let pool = constant(60, 999_000_000_000_000_000);
    let net = U256::from(1_000_000_000_000_000u64);
    let gross = net * U256::from(1_000_000) / U256::from(997_000) + U256::ONE;
    for zero_for_one in [true, false] {
        let quote = pool.quote_exact_in(zero_for_one, gross).unwrap();
        assert_eq!(quote.amount_in - quote.fee, net);
        assert!((pool.price_impact_bps(&quote, zero_for_one) - 10.0).abs() < 1e-6);
    }
}

#[test]
fn the_mid_price_is_rounded_down_whichever_token_is_the_base() {
    let root = usdc_weth().sqrt_price_x96;
    let price = |base_is_token0, decimals| mid_price(root, base_is_token0, decimals).unwrap().to_string();
    assert_eq!(price(false, (18, 6)), "2729.573649344054647536");
    assert_eq!(price(true, (6, 18)), "0.000366357581243616");
    assert_eq!(mid_price(U256::ZERO, false, (18, 6)), None);
    assert_eq!(mid_price(U256::MAX, true, (18, 0)), None);
    assert_eq!(mid_price(root, false, (255, 6)), None);
}

#[test]
fn the_text_form_has_no_numbers_and_survives_the_round_trip() {
    let pool = usdc_weth();
    let text = serde_json::to_string(&pool).unwrap();
    let start = r#"{"address":"0x8ad599c3a0ff1de082011efddc58f1908eb6e6d8","token0":"#;
    assert!(text.starts_with(start), "{text}");
    assert!(text.contains(
        r#""fee":"3000","tick_spacing":"60","sqrt_price_x96":"1516464245868122564135291323356374","#
    ));
    assert_eq!(serde_json::from_str::<Pool>(&text).unwrap(), pool);
}

/// The same swap by the loop of the software development kit, which looks ticks up word by word: left to do, the other
/// side, price, tick and liquidity after. A positive amount is given, a negative one received.
fn reference(pool: &Pool, zero_for_one: bool, amount: I256) -> (I256, U256, U256, i32, u128) {
    let ticks = pool.ticks.iter().map(|t| SdkTick::new(t.index, t.liquidity_gross, t.liquidity_net));
    let provider = TickListDataProvider::new(ticks.collect(), pool.tick_spacing);
    let mut swap = pin!(v3_swap(
        U24::from(pool.fee),
        U160::from(pool.sqrt_price_x96),
        pool.tick,
        pool.liquidity,
        pool.tick_spacing,
        &provider,
        zero_for_one,
        amount,
        None,
    ));
    let Poll::Ready(state) = swap.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("a list of ticks never waits")
    };
    let state = state.unwrap();
    let other = state.amount_calculated.unsigned_abs();
    let price = U256::from(state.sqrt_price_x96);
    (state.amount_specified_remaining, other, price, state.tick_current, state.liquidity)
}

prop_compose! {
    /// A pool with positions over many words, and holes between them.
    fn pools()(
        spacing in prop::sample::select(vec![1, 10, 10, 10, 60, 60, 60, 200, 200, 200]),
        fee in prop::sample::select(vec![0u32, 100, 500, 3000, 10_000]),
        tick in -3_000i32..3_000,
        part in 0u32..=1000,
        positions in prop::collection::vec((-80i32..80, 1i32..80, 3u32..26, any::<bool>()), 1..12),
    ) -> Pool {
        let positions: Vec<_> = positions.into_iter().map(|(lower, width, digits, wide)| {
            let scale = if wide { 20 } else { 1 };
            (lower * scale * spacing, (lower + width) * scale * spacing, 10u128.pow(digits) + 7)
        }).collect();
        Pool { fee, ..with_positions(spacing, tick, part, &positions) }
    }
}

prop_compose! {
    fn amounts()(digits in 0u32..26, factor in 1u64..10_000) -> U256 {
        U256::from(10u64).pow(U256::from(digits)) * U256::from(factor)
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400, rng_seed: RngSeed::Fixed(0x5EED), failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn a_mid_price_is_that_of_whole_numbers(limbs in any::<[u64; 4]>(), drop in 96_usize..250, base in 0_u8..=18, quote in 0_u8..=18) {
        let root = U256::from_limbs(limbs).wrapping_shr(drop);
        let square = U512::from(root) * U512::from(root);
        let places = 18 + u32::from(base) - u32::from(quote);
        let whole = (square * U512::from(10).pow(U512::from(places))).wrapping_shr(192);
        prop_assert_eq!(mid_price(root, true, (base, quote)), from_raw(whole.saturating_to(), PRICE_PLACES).ok());
    }

    #[test]
    fn a_quote_is_the_swap_of_an_independent_loop(
        pool in pools(), up in any::<bool>(), exact_in in any::<bool>(), amount in amounts(),
    ) {
        prop_assert_eq!(why(&pool), "");
        let signed = if exact_in { I256::from_raw(amount) } else { -I256::from_raw(amount) };
        let (left, other, price, tick, liquidity) = reference(&pool, !up, signed);
        let quoted =
            if exact_in { pool.quote_exact_in(!up, amount) } else { pool.quote_exact_out(!up, amount) };
        match quoted {
            Ok(quote) => {
                prop_assert_eq!(left, I256::ZERO);
                prop_assert_eq!(if exact_in { quote.amount_out } else { quote.amount_in }, other);
                prop_assert_eq!((quote.sqrt_price_after, quote.tick_after(), quote.liquidity_after), (price, tick, liquidity));
            }
            Err(QuoteError::NoLiquidity { .. }) => prop_assert!(left != I256::ZERO),
            Err(error) => prop_assert!(false, "{error}"),
        }
    }

    #[test]
    fn more_in_is_never_less_out(pool in pools(), up in any::<bool>(), amount in amounts(), more in amounts()) {
        if let Ok(large) = pool.quote_exact_in(up, amount + more) {
            let small = pool.quote_exact_in(up, amount).unwrap();
            prop_assert!(small.amount_out <= large.amount_out && small.fee <= large.fee);
        }
    }

    #[test]
    fn splitting_never_gives_more(pool in pools(), up in any::<bool>(), amount in amounts(), more in amounts()) {
        if let Ok(whole) = pool.quote_exact_in(up, amount + more) {
            let first = pool.quote_exact_in(up, amount).unwrap();
            if let Ok(second) = after(&pool, &first).quote_exact_in(up, more) {
                prop_assert!(first.amount_out + second.amount_out <= whole.amount_out);
            }
        }
    }

    #[test]
    fn a_round_trip_never_gains(pool in pools(), up in any::<bool>(), amount in amounts()) {
        if let Ok(there) = pool.quote_exact_in(up, amount)
            && let Ok(back) = after(&pool, &there).quote_exact_in(!up, there.amount_out)
        {
            prop_assert!(back.amount_out <= amount);
            prop_assert!(pool.fee == 0 || back.amount_out < amount);
        }
    }

    #[test]
    fn paying_what_an_exact_output_costs_brings_that_output(pool in pools(), up in any::<bool>(), wanted in amounts()) {
        if let Ok(asked) = pool.quote_exact_out(up, wanted)
            && let Ok(given) = pool.quote_exact_in(up, asked.amount_in)
        {
            prop_assert!(given.amount_out >= wanted);
        }
    }

    #[test]
    fn inside_a_window_a_quote_is_that_of_the_whole_pool_and_its_price_stays_inside(
        pool in pools(), up in any::<bool>(), amount in amounts(), below in 0i32..4000, above in 0i32..4000,
    ) {
        let window = Window { lower: pool.tick - below, upper: pool.tick + above };
        let inside = |tick: &Tick| (window.lower..=window.upper).contains(&tick.index);
        let ticks = pool.ticks.iter().copied().filter(inside).collect();
        let partial = Pool { window, ticks, ..pool.clone() };
        if let Ok(quote) = partial.quote_exact_in(up, amount) {
            prop_assert!(quote.sqrt_price_after >= sqrt_price_at_tick(window.lower).unwrap());
            prop_assert!(quote.sqrt_price_after <= sqrt_price_at_tick(window.upper + 1).unwrap());
            prop_assert_eq!(Ok(quote), pool.quote_exact_in(up, amount));
        }
    }

    #[test]
    fn no_state_makes_a_quote_panic_or_run_for_ever(
        pool in pools(), flags in any::<u8>(), up in any::<bool>(), shift in 0usize..256, amount in any::<[u8; 32]>(),
        fee in any::<u32>(), spacing in any::<i32>(), liquidity in any::<u128>(), tick in any::<i32>(),
        price in any::<[u8; 32]>(), window in any::<(i32, i32)>(),
        ticks in prop::collection::vec((-90_000i32..90_000, any::<i128>(), any::<u128>()), 0..20),
    ) {
        let mut garbage = pool;
        let mut change = |bit: u32, apply: &dyn Fn(&mut Pool)| if flags >> bit & 1 == 0 { apply(&mut garbage) };
        change(0, &|pool| pool.fee = fee);
        change(1, &|pool| pool.tick_spacing = spacing);
        change(2, &|pool| pool.liquidity = liquidity);
        change(3, &|pool| pool.tick = tick);
        change(4, &|pool| pool.sqrt_price_x96 = U256::from_be_bytes(price) >> shift);
        change(5, &|pool| pool.window = Window { lower: window.0, upper: window.1 });
        change(6, &|pool| pool.ticks = ticks.iter().map(|&(index, liquidity_net, liquidity_gross)| {
            Tick { index, liquidity_net, liquidity_gross }
        }).collect());
        let amount = U256::from_be_bytes(amount) >> shift;
        let (given, received) = (garbage.quote_exact_in(up, amount), garbage.quote_exact_out(up, amount));
        if let Ok(quote) = &given {
            prop_assert_eq!(quote.amount_in, amount);
            prop_assert!(garbage.price_impact_bps(quote, up) >= 0.0);
        }
        if amount > U256::ZERO && amount < U256::ONE << 255 && garbage.validate().is_ok() {
            for quote in [given, received] {
                prop_assert!(!matches!(quote, Err(QuoteError::InvalidPool { .. })), "{quote:?}");
            }
        }
    }
}
