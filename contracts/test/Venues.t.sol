// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IUniswapV2Factory} from "../src/interfaces/IUniswapV2Factory.sol";
import {IUniswapV3Factory} from "../src/interfaces/IUniswapV3Factory.sol";
import {IUniswapV3Pool} from "../src/interfaces/IUniswapV3Pool.sol";
import {IVenue} from "../src/interfaces/IVenue.sol";
import {UniswapV2Venue} from "../src/venues/UniswapV2Venue.sol";
import {UniswapV3Venue} from "../src/venues/UniswapV3Venue.sol";
import {TestToken} from "./support/TestToken.sol";
import {UniswapFixture} from "./support/UniswapFixture.sol";

/// @title Both venues on real pools; each test runs in both token orders
abstract contract VenuesTest is UniswapFixture {
    IUniswapV3Factory private v3Factory;
    IUniswapV3Pool private v3Pool;
    UniswapV3Venue private v3;
    UniswapV2Venue private v2;
    address private pair;
    address private trader = makeAddr("trader");

    function riskyIsToken0() internal pure virtual returns (bool);

    function setUp() public {
        vm.warp(1_800_000_000);
        makeTokens(riskyIsToken0());
        v3Factory = makeV3Factory();
        v3Pool = makeV3Pool(v3Factory, 500, 1e18);
        v3 = new UniswapV3Venue(v3Factory);
        IUniswapV2Factory v2Factory = makeV2Factory();
        pair = makeV2Pair(v2Factory, 1_000e18);
        v2 = new UniswapV2Venue(v2Factory);
    }

    function test_v3_describes_its_pools_and_no_others() public {
        assertEq(v3.kind(), "uniswap-v3");
        (address token0, address token1, uint24 fee) = v3.describe(address(v3Pool));
        assertEq(token0, riskyIsToken0() ? address(risky) : address(stable));
        assertEq(token1, riskyIsToken0() ? address(stable) : address(risky));
        assertEq(fee, 500);
        IUniswapV3Pool foreign = makeV3Pool(makeV3Factory(), 500, 1e18);
        vm.expectRevert(abi.encodeWithSelector(IVenue.UnknownPool.selector, address(foreign)));
        v3.describe(address(foreign));
    }

    function test_v2_describes_its_pairs_and_no_others() public {
        assertEq(v2.kind(), "uniswap-v2");
        (address token0, address token1, uint24 fee) = v2.describe(pair);
        assertEq(token0, riskyIsToken0() ? address(risky) : address(stable));
        assertEq(token1, riskyIsToken0() ? address(stable) : address(risky));
        assertEq(fee, 3000);
        address foreign = makeV2Pair(makeV2Factory(), 1e18);
        vm.expectRevert(abi.encodeWithSelector(IVenue.UnknownPool.selector, foreign));
        v2.describe(foreign);
    }

    function test_v3_sells_and_buys_near_the_price_and_keeps_nothing() public {
        uint256 dollars = swap(v3, address(v3Pool), risky, 1e18, 2_990e6);
        assertApproxEqRel(dollars, 2_998.5e6, 0.0005e18);
        uint256 coins = swap(v3, address(v3Pool), stable, 3_000e6, 0.99e18);
        assertApproxEqRel(coins, 0.9995e18, 0.0005e18);
        clean(address(v3));
    }

    function test_v2_sells_and_buys_by_the_constant_product() public {
        uint256 dollars = swap(v2, pair, risky, 1e18, 0);
        assertEq(dollars, uint256(997e15) * 3_000_000e6 / (1_000e18 + 997e15));
        uint256 coins = swap(v2, pair, stable, 3_000e6, 0);
        uint256 reserve = 3_000_000e6 - dollars;
        assertEq(coins, uint256(2_991e6) * 1_001e18 / (reserve + 2_991e6));
        clean(address(v2));
    }

    function test_a_minimum_is_held() public {
        give(address(v3), risky, 1e18);
        vm.expectPartialRevert(IVenue.InsufficientOutput.selector);
        vm.prank(trader);
        v3.swapExactIn(address(v3Pool), address(risky), 1e18, 3_000e6, trader);
        give(address(v2), risky, 1e18);
        vm.expectPartialRevert(IVenue.InsufficientOutput.selector);
        vm.prank(trader);
        v2.swapExactIn(pair, address(risky), 1e18, 3_000e6, trader);
    }

    function test_v3_refuses_what_the_pool_cannot_take_whole() public {
        give(address(v3), risky, 1_000_000e18);
        vm.expectPartialRevert(IVenue.PartialFill.selector);
        vm.prank(trader);
        v3.swapExactIn(address(v3Pool), address(risky), 1_000_000e18, 0, trader);
    }

    function test_a_token_the_pool_does_not_hold_is_refused() public {
        vm.expectRevert(abi.encodeWithSelector(IVenue.UnknownToken.selector, address(v3Pool), trader));
        v3.swapExactIn(address(v3Pool), trader, 1, 0, trader);
        vm.expectRevert(abi.encodeWithSelector(IVenue.UnknownToken.selector, pair, trader));
        v2.swapExactIn(pair, trader, 1, 0, trader);
        vm.expectRevert(abi.encodeWithSelector(IVenue.UnknownToken.selector, address(v3Pool), trader));
        v3.meanQuote(address(v3Pool), trader, 1e18, 60);
    }

    function test_nobody_else_can_call_back() public {
        give(address(v3), risky, 1e18);
        vm.expectRevert(abi.encodeWithSelector(IVenue.UnexpectedCallback.selector, address(this)));
        v3.uniswapV3SwapCallback(1e18, 0, "");
    }

    function test_a_pool_of_the_attackers_own_cannot_take_anothers_approval() public {
        give(address(v3), risky, 1e18);
        FalsePool falsePool = new FalsePool(v3, address(risky), address(stable));
        vm.expectRevert();
        v3.swapExactIn(address(falsePool), address(risky), 1e18, 0, address(this));
        assertEq(risky.balanceOf(trader), 1e18);
    }

    function test_v3_has_a_mean_price_only_as_far_back_as_it_observed() public {
        (bool available,) = v3.meanQuote(address(v3Pool), address(risky), 1e18, 1800);
        assertFalse(available);
        vm.warp(block.timestamp + 1800);
        uint256 quote;
        (available, quote) = v3.meanQuote(address(v3Pool), address(risky), 1e18, 1800);
        assertTrue(available);
        // A tick is a basis point, rounded down.
        assertApproxEqRel(quote, 3_000e6, 0.0001e18);
        (, quote) = v3.meanQuote(address(v3Pool), address(stable), 3_000e6, 1800);
        assertApproxEqRel(quote, 1e18, 0.0001e18);
    }

    function test_the_mean_price_is_a_mean_over_the_window() public {
        vm.warp(block.timestamp + 900);
        swap(v3, address(v3Pool), risky, 900e18, 0);
        (, int24 after_,,,,,) = v3Pool.slot0();
        vm.warp(block.timestamp + 900);
        (, uint256 whole) = v3.meanQuote(address(v3Pool), address(risky), 1e18, 1800);
        (, uint256 half) = v3.meanQuote(address(v3Pool), address(risky), 1e18, 900);
        uint256 spot = price(after_);
        assertApproxEqRel(half, spot, 0.0002e18);
        // The geometric mean of 3,000 and the price after.
        assertApproxEqRel(whole * whole / 1e6, 3_000 * spot, 0.0004e18);
        assertLt(spot, 2_990e6);
    }

    function test_one_block_does_not_move_the_mean_price() public {
        vm.warp(block.timestamp + 1800);
        (, uint256 before) = v3.meanQuote(address(v3Pool), address(risky), 1e18, 1800);
        swap(v3, address(v3Pool), risky, 900e18, 0);
        (, uint256 quote) = v3.meanQuote(address(v3Pool), address(risky), 1e18, 1800);
        assertEq(quote, before);
    }

    function test_v2_has_no_mean_price() public view {
        (bool available,) = v2.meanQuote(pair, address(risky), 1e18, 1800);
        assertFalse(available);
    }

    function testFuzz_the_mean_quote_holds_over_all_ticks(int24 tick, uint128 amount) public {
        tick = int24(bound(tick, -800_000, 800_000));
        amount = uint128(bound(amount, 1e24, 1e30));
        FlatPool pool = new FlatPool(address(risky), address(stable), tick);
        (bool available, uint256 quote) = v3.meanQuote(address(pool), address(risky), amount, 1800);
        assertTrue(available);
        (, uint256 back) = v3.meanQuote(address(pool), address(stable), amount, 1800);
        // There and back is the square of the amount, where both have digits enough to say so.
        if (quote > 1e12 && back > 1e12) {
            assertApproxEqRel(Math.mulDiv(quote, back, amount), amount, 1e8);
        }
    }

    function testFuzz_v2_output_keeps_the_product(uint256 amount, bool sale) public {
        TestToken token = sale ? risky : stable;
        amount = sale ? bound(amount, 1e12, 100_000e18) : bound(amount, 1e3, 300_000_000e6);
        uint256 before = stable.balanceOf(pair) * risky.balanceOf(pair);
        swap(v2, pair, token, amount, 0);
        assertGe(stable.balanceOf(pair) * risky.balanceOf(pair), before);
    }

    // ---------------------------------------------------------------- support

    function give(address venue, TestToken token, uint256 amount) private {
        token.mint(trader, amount);
        vm.prank(trader);
        token.approve(venue, amount);
    }

    function swap(IVenue venue, address pool, TestToken token, uint256 amount, uint256 least)
        private
        returns (uint256 received)
    {
        TestToken out = token == risky ? stable : risky;
        uint256 before = out.balanceOf(trader);
        give(address(venue), token, amount);
        vm.prank(trader);
        uint256 said = venue.swapExactIn(pool, address(token), amount, least, trader);
        received = out.balanceOf(trader) - before;
        assertEq(said, received);
        assertEq(token.allowance(trader, address(venue)), 0);
    }

    function clean(address venue) private view {
        assertEq(stable.balanceOf(venue), 0);
        assertEq(risky.balanceOf(venue), 0);
    }

    /// @dev Dollars per coin at a tick, by a flat pool.
    function price(int24 tick) private returns (uint256 quote) {
        (address token0, address token1) =
            riskyIsToken0() ? (address(risky), address(stable)) : (address(stable), address(risky));
        FlatPool pool = new FlatPool(token0, token1, tick);
        (, quote) = v3.meanQuote(address(pool), address(risky), 1e18, 1800);
    }
}

contract VenuesRiskyToken0Test is VenuesTest {
    function riskyIsToken0() internal pure override returns (bool) {
        return true;
    }
}

contract VenuesRiskyToken1Test is VenuesTest {
    function riskyIsToken0() internal pure override returns (bool) {
        return false;
    }
}

/// @title A pool that stood at one tick for ever
contract FlatPool {
    address public immutable token0;
    address public immutable token1;
    int24 private immutable TICK;

    constructor(address token0_, address token1_, int24 tick) {
        (token0, token1, TICK) = (token0_, token1_, tick);
    }

    function observe(uint32[] calldata ago) external view returns (int56[] memory ticks, uint160[] memory nothing) {
        ticks = new int56[](2);
        ticks[1] = int56(TICK) * int56(uint56(ago[0]));
        nothing = new uint160[](2);
    }
}

/// @title A pool that asks for the input of whoever called, and of others
contract FalsePool {
    UniswapV3Venue private immutable VENUE;
    address public immutable token0;
    address public immutable token1;

    constructor(UniswapV3Venue venue, address token0_, address token1_) {
        (VENUE, token0, token1) = (venue, token0_, token1_);
    }

    function swap(address, bool, int256 amount, uint160, bytes calldata) external returns (int256, int256) {
        VENUE.uniswapV3SwapCallback(amount, 0, "");
        return (amount, 0);
    }
}
