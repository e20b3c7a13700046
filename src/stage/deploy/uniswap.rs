//! Uniswap v3: the published contracts, pools, and concentrated liquidity in several ranges.

use alloy::{
    primitives::{
        Address, U256,
        aliases::{I24, U24, U160},
    },
    sol_types::SolValue,
};
use eyre::{Context, Result, eyre};
use rust_decimal::{Decimal, prelude::FromPrimitive, prelude::ToPrimitive};
use uniswap_v3_sdk::utils::{
    get_amount_0_delta, get_amount_1_delta, get_sqrt_ratio_at_tick, get_tick_at_sqrt_ratio,
};

use super::{Deployer, tokens::Tokens};
use crate::stage::interfaces::{
    IERC20, INonfungiblePositionManager, INonfungiblePositionManager::MintParams, IUniswapV3Pool,
};

/// The contracts around the pools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uniswap {
    /// UniswapV3Factory.
    pub factory: Address,
    /// SwapRouter.
    pub router: Address,
    /// QuoterV2.
    pub quoter: Address,
    /// NonfungiblePositionManager.
    pub positions: Address,
    /// TickLens.
    pub tick_lens: Address,
}

/// One pool of the stable and the risky token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Its address.
    pub address: Address,
    /// Fee in hundredths of a basis point: 500 is 0.05 %.
    pub fee: u32,
    /// Distance between usable ticks.
    pub tick_spacing: i32,
}

/// Liquidity over a range of prices.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// Lower and upper price in stable per risky; `None` for all prices.
    pub prices: Option<(Decimal, Decimal)>,
    /// How much stable moves the price up by 1 % at `at`, by this range alone.
    pub depth: Decimal,
    /// The price in stable per risky at which `depth` holds.
    pub at: Decimal,
}

/// The ends of every tick range, whatever the spacing (Uniswap v3 Core, §6.1).
const MAX_TICK: i32 = 887_272;

/// A market around `price`: some liquidity everywhere, more near today's price, and bands above and below it, so
/// that a price on its way finds its depth changing as it does on mainnet. `depth` is the stable that moves the
/// price up by 1 % at the start, about a third of it from the narrowest range.
#[must_use]
pub fn ladder(price: Decimal, depth: Decimal) -> Vec<Range> {
    let percent = |percent: i64| price.saturating_mul(Decimal::new(percent, 2));
    let share = |percent: i64| depth.saturating_mul(Decimal::new(percent, 2));
    let band = |(low, high, of_depth): (i64, i64, i64)| Range {
        prices: Some((percent(low), percent(high))),
        depth: share(of_depth),
        at: price,
    };
    let everywhere = Range { prices: None, depth: share(40), at: price };
    let bands = [
        (97, 103, 35),
        (85, 118, 25),
        (60, 80, 30),
        (40, 65, 30),
        (75, 97, 15),
        (103, 130, 15),
        (120, 170, 30),
    ];
    std::iter::once(everywhere).chain(bands.map(band)).collect()
}

/// Creates the contracts around the pools.
///
/// # Errors
/// An artifact is missing or a transaction fails.
pub async fn uniswap(deployer: &mut Deployer<'_>, weth: Address) -> Result<Uniswap> {
    let factory = create(deployer, "v3-core", "UniswapV3Factory", "", &[]).await?;
    let shared = (factory, weth).abi_encode_params();
    let router = create(deployer, "v3-periphery", "SwapRouter", "", &shared).await?;
    let quoter = create(deployer, "v3-periphery", "QuoterV2", "lens/", &shared).await?;
    let tick_lens = create(deployer, "v3-periphery", "TickLens", "lens/", &[]).await?;
    let descriptor = Address::ZERO; // Only asked for the picture of a position.
    let arguments = (factory, weth, descriptor).abi_encode_params();
    let positions = create(deployer, "v3-periphery", "NonfungiblePositionManager", "", &arguments).await?;
    Ok(Uniswap { factory, router, quoter, positions, tick_lens })
}

async fn create(
    deployer: &mut Deployer<'_>,
    package: &str,
    name: &str,
    directory: &str,
    arguments: &[u8],
) -> Result<Address> {
    let path = format!("@uniswap/{package}/artifacts/contracts/{directory}{name}.sol/{name}.json");
    let code = deployer.artifacts.package(&path)?.creation_code()?;
    deployer.create(name, code, arguments).await
}

/// Creates a pool of the two tokens at `price` (stable per risky) with liquidity in `ranges`, which `provider`, an
/// account that is not the vault's, pays for and owns. `observations` is how many TWAP observations it keeps.
///
/// # Errors
/// A transaction fails or a price has no tick.
pub async fn pool(
    provider: &mut Deployer<'_>,
    uniswap: &Uniswap,
    tokens: &Tokens,
    plan: &PoolPlan,
) -> Result<Pool> {
    let sqrt_price =
        tokens.pair.sqrt_price_x96(plan.price).ok_or_else(|| eyre!("no tick for {}", plan.price))?;
    let (token0, token1) = tokens.sorted();
    let fee = U24::from(plan.fee);
    let create = INonfungiblePositionManager::createAndInitializePoolIfNecessaryCall {
        token0,
        token1,
        fee,
        sqrtPriceX96: sqrt_price,
    };
    provider.call(uniswap.positions, &create).await?;
    let lookup =
        crate::stage::interfaces::IUniswapV3Factory::getPoolCall { tokenA: token0, tokenB: token1, fee };
    let address = provider.read(uniswap.factory, &lookup).await?;
    let spacing = provider.read(address, &IUniswapV3Pool::tickSpacingCall {}).await?;
    let pool = Pool { address, fee: plan.fee, tick_spacing: spacing.as_i32() };
    let observations = IUniswapV3Pool::increaseObservationCardinalityNextCall {
        observationCardinalityNext: plan.observations,
    };
    provider.call(address, &observations).await?;
    for token in [token0, token1] {
        let amount = U256::from(u128::MAX);
        provider.chain.deal(token, provider.address(), amount).await?;
        provider.call(token, &IERC20::approveCall { spender: uniswap.positions, amount: U256::MAX }).await?;
    }
    for range in &plan.ranges {
        let mint = mint(range, tokens, &pool, sqrt_price, provider.address())
            .ok_or_else(|| eyre!("no liquidity for {range:?}"))?;
        provider
            .call(uniswap.positions, &INonfungiblePositionManager::mintCall { params: mint })
            .await
            .wrap_err_with(|| format!("{range:?}"))?;
    }
    Ok(pool)
}

/// What a pool begins with.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolPlan {
    /// Fee in hundredths of a basis point: 500 is 0.05 %.
    pub fee: u32,
    /// Stable per risky.
    pub price: Decimal,
    /// Its liquidity.
    pub ranges: Vec<Range>,
    /// How many TWAP observations it keeps.
    pub observations: u16,
}

impl Tokens {
    /// The two tokens, the lower address first.
    #[must_use]
    pub const fn sorted(&self) -> (Address, Address) {
        if self.pair.stable_is_token0 { (self.stable, self.weth) } else { (self.weth, self.stable) }
    }
}

fn mint(
    range: &Range,
    tokens: &Tokens,
    pool: &Pool,
    sqrt_price: U160,
    recipient: Address,
) -> Option<MintParams> {
    let (lower, upper) = ticks(range, tokens, pool.tick_spacing)?;
    let liquidity = liquidity(range, tokens)?;
    let (low, high) = (get_sqrt_ratio_at_tick(lower).ok()?, get_sqrt_ratio_at_tick(upper).ok()?);
    let inside = sqrt_price.clamp(low, high);
    let (token0, token1) = tokens.sorted();
    Some(MintParams {
        token0,
        token1,
        fee: U24::from(pool.fee),
        tickLower: lower,
        tickUpper: upper,
        amount0Desired: get_amount_0_delta(inside, high, liquidity, true).ok()?,
        amount1Desired: get_amount_1_delta(low, inside, liquidity, true).ok()?,
        amount0Min: U256::ZERO,
        amount1Min: U256::ZERO,
        recipient,
        deadline: U256::MAX,
    })
}

/// The range's usable ticks: prices rounded down to the spacing, at least one spacing apart.
fn ticks(range: &Range, tokens: &Tokens, spacing: i32) -> Option<(I24, I24)> {
    let usable = |tick: i32| tick.checked_div_euclid(spacing)?.checked_mul(spacing);
    let (lower, upper) = match range.prices {
        None => (usable(MAX_TICK)?.checked_neg()?, usable(MAX_TICK)?),
        Some((low, high)) => {
            let tick =
                |price| Some(get_tick_at_sqrt_ratio(tokens.pair.sqrt_price_x96(price)?).ok()?.as_i32());
            let (a, b) = (usable(tick(low)?)?, usable(tick(high)?)?);
            (a.min(b), a.max(b).max(a.min(b).checked_add(spacing)?))
        }
    };
    Some((I24::try_from(lower).ok()?, I24::try_from(upper).ok()?))
}

/// `L = Δy / (√(1.01·p) − √p)` in raw units: the liquidity of which `Δy` of the stable moves the price up by 1 %
/// (Uniswap v3 Core, Adams et al. 2021, eq. 6.14, the stable taken as token1).
fn liquidity(range: &Range, tokens: &Tokens) -> Option<u128> {
    let scale = |decimals: u8| libm::pow(10.0, f64::from(decimals));
    let stable_unit = scale(tokens.pair.stable_decimals);
    let raw_price = range.at.to_f64()? * stable_unit / scale(tokens.pair.risky_decimals);
    let per_unit_of_liquidity = libm::sqrt(1.01 * raw_price) - libm::sqrt(raw_price);
    Decimal::from_f64(range.depth.to_f64()? * stable_unit / per_unit_of_liquidity)?.to_u128()
}
