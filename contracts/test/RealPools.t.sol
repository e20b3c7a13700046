// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IRebalancingVault as V} from "../src/interfaces/IRebalancingVault.sol";
import {IUniswapV2Factory} from "../src/interfaces/IUniswapV2Factory.sol";
import {IUniswapV3Factory} from "../src/interfaces/IUniswapV3Factory.sol";
import {UniswapV2Venue} from "../src/venues/UniswapV2Venue.sol";
import {UniswapV3Venue} from "../src/venues/UniswapV3Venue.sol";
import {TestVenue} from "./support/TestVenue.sol";
import {UniswapFixture} from "./support/UniswapFixture.sol";
import {VaultFixture} from "./support/VaultFixture.sol";

/// @title A vault with a million on a real Uniswap v3 pool and a real v2 pair
abstract contract RealPoolsSetup is VaultFixture, UniswapFixture {
    address internal v3Pool;
    address internal pair;
    address internal v3;
    address internal v2;

    function riskyIsToken0() internal view virtual returns (bool);

    function setUp() public virtual override {
        super.setUp();
        makeTokens(riskyIsToken0());
        venue = new TestVenue(stable, risky);
        vault = newVault(deployment());
        IUniswapV3Factory v3Factory = makeV3Factory();
        IUniswapV2Factory v2Factory = makeV2Factory();
        v3 = address(new UniswapV3Venue(v3Factory));
        v2 = address(new UniswapV2Venue(v2Factory));
        v3Pool = address(makeV3Pool(v3Factory, 500, 1e19));
        pair = makeV2Pair(v2Factory, 100_000e18);
        vm.startPrank(owner);
        vault.disallowPool(pool);
        vault.allowPool(v3Pool, v3);
        vault.allowPool(pair, v2);
        vm.stopPrank();
        deposit(alice, 1_000_000 * USD);
        pass(1 hours);
    }

    function through(bool sale, uint256 amountIn, address pool_, address venue_)
        internal
        view
        returns (V.Rebalance memory r)
    {
        r = request(sale, amountIn);
        r.swaps[0].pool = pool_;
        r.swaps[0].venue = venue_;
        r.swaps[0].minAmountOut = r.swaps[0].minAmountOut * 998 / 1000;
    }
}

/// @title The vault on real Uniswap pools; each test runs in both token orders
abstract contract RealPoolsTest is RealPoolsSetup {
    function test_the_pools_are_described() public view {
        V.Pool[] memory pools = vault.state().pools;
        assertEq(pools[0].kind, "uniswap-v3");
        assertEq(pools[0].fee, 500);
        assertEq(pools[0].riskyIsToken0, riskyIsToken0());
        assertEq(pools[1].kind, "uniswap-v2");
        assertEq(pools[1].fee, 3000);
        assertEq(pools[1].riskyIsToken0, riskyIsToken0());
    }

    function test_v3_buys_and_sells_for_the_vault() public {
        passes(through(false, 300_000 * USD, v3Pool, v3));
        V.State memory s = vault.state();
        assertApproxEqRel(s.exposure, 299_850 * USD, 0.001e18);
        assertEq(s.trackedRisky, risky.balanceOf(address(vault)));
        pass(1 hours);
        passes(through(true, s.trackedRisky, v3Pool, v3));
        assertEq(vault.state().trackedAsset, stable.balanceOf(address(vault)));
        assertEq(vault.state().trackedRisky, 0);
        assertEq(risky.allowance(address(vault), v3), 0);
        assertEq(stable.allowance(address(vault), v3), 0);
    }

    function test_v2_buys_and_sells_for_the_vault() public {
        passes(through(false, 300_000 * USD, pair, v2));
        pass(1 hours);
        passes(through(true, vault.state().trackedRisky, pair, v2));
        V.State memory s = vault.state();
        assertEq(s.trackedRisky, 0);
        assertEq(s.trackedAsset, stable.balanceOf(address(vault)));
        // Two fees of 0.3 % on 300,000, and impact.
        assertApproxEqAbs(s.nav, 998_200 * USD, 20 * USD);
    }

    function test_one_rebalance_may_use_both() public {
        V.Rebalance memory r = through(false, 150_000 * USD, v3Pool, v3);
        V.Swap memory first = r.swaps[0];
        V.Swap memory second = through(false, 150_000 * USD, pair, v2).swaps[0];
        r.swaps = new V.Swap[](2);
        (r.swaps[0], r.swaps[1]) = (first, second);
        passes(r);
        assertApproxEqRel(vault.state().exposure, 299_475 * USD, 0.001e18);
    }

    function test_degraded_the_v3_pool_gives_the_price() public {
        passes(through(false, 300_000 * USD, v3Pool, v3));
        vm.warp(block.timestamp + 3 hours);
        V.State memory s = vault.state();
        assertEq(uint8(s.oracleStatus), uint8(V.OracleStatus.StaleRiskyAnswer));
        assertApproxEqRel(s.price, 3000e18, 0.002e18);
        V.Rebalance memory r = through(true, 50e18, v3Pool, v3);
        r.swaps[0].minAmountOut = 50e18 * s.price / 1e30 * 9_701 / 10_000;
        passes(r);
    }

    function test_a_sandwiched_buy_fails() public {
        // Somebody buys first: the price has gone up by some 2 %.
        stable.mint(bob, 60_000_000 * USD);
        vm.startPrank(bob);
        stable.approve(v3, type(uint256).max);
        UniswapV3Venue(v3).swapExactIn(v3Pool, address(stable), 6_000_000 * USD, 0, bob);
        vm.stopPrank();
        V.Rebalance memory r = through(false, 300_000 * USD, v3Pool, v3);
        vm.expectPartialRevert(bytes4(keccak256("InsufficientOutput(uint256,uint256)")));
        rebalance(r);
    }

    function test_deleverage_sells_through_a_real_pool() public {
        passes(through(false, 600_000 * USD, v3Pool, v3));
        riskyFeed.set(1900e8);
        vault.poke();
        pass(1 hours);
        (uint256 amountIn, uint256 amountOut) = vault.deleverage(v3Pool, type(uint256).max);
        assertGt(amountIn, 199e18);
        assertGt(amountOut, amountIn * 2_900 * USD / 1e18);
        assertEq(vault.state().exposure, 0);
    }
}

contract RealPoolsRiskyToken0Test is RealPoolsTest {
    function riskyIsToken0() internal pure override returns (bool) {
        return true;
    }
}

contract RealPoolsRiskyToken1Test is RealPoolsTest {
    function riskyIsToken0() internal pure override returns (bool) {
        return false;
    }
}
