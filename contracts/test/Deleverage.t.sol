// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IRebalancingVault as V} from "../src/interfaces/IRebalancingVault.sol";
import {VaultFixture} from "./support/VaultFixture.sol";

/// @title Protection that does not depend on the keeper
contract DeleverageTest is VaultFixture {
    function setUp() public override {
        super.setUp();
        invested();
    }

    function test_the_timer_starts_and_clears_with_the_bound() public {
        setPrice(2330);
        vm.expectEmit(false, false, false, false);
        emit V.BoundBroken(0, 0);
        vault.poke();
        uint64 since = vault.state().deleverageSince;
        assertEq(since, block.timestamp);
        pass(30 minutes);
        vault.poke();
        assertEq(vault.state().deleverageSince, since, "it does not start again");
        setPrice(2500);
        vm.expectEmit();
        emit V.BoundRestored();
        vault.poke();
        assertEq(vault.state().deleverageSince, 0);
    }

    function test_it_is_not_due_before_the_grace_period_has_passed() public {
        setPrice(2330);
        vault.poke();
        uint256 since = block.timestamp;
        pass(1 hours - 1);
        vm.expectRevert(abi.encodeWithSelector(V.DeleverageNotDue.selector, since));
        vault.deleverage(pool, type(uint256).max);
        pass(1);
        vault.deleverage(pool, type(uint256).max);
    }

    function test_without_a_poke_the_first_call_only_finds_it_is_not_due() public {
        setPrice(2330);
        pass(1 days);
        vm.expectRevert(abi.encodeWithSelector(V.DeleverageNotDue.selector, block.timestamp));
        vault.deleverage(pool, type(uint256).max);
    }

    function test_it_sells_only_down_to_the_bound() public {
        due(2330);
        V.State memory before = vault.state();
        uint256 bound = 6 * (before.nav - before.floor.assets);
        (uint256 amountIn, uint256 amountOut) = vault.deleverage(pool, type(uint256).max);
        assertApproxEqRel(amountIn, (before.exposure - bound) * 1e18 / (2330 * USD), 1e9);
        assertEq(amountOut, amountIn * 2330 * USD / 1e18);
        V.State memory s = vault.state();
        assertGe(s.exposure + 1, 6 * (s.nav - s.floor.assets));
        assertLt(s.exposure, bound + 1);
    }

    function test_it_is_refused_while_the_bound_holds() public {
        due(2330);
        setPrice(2500);
        V.State memory s = vault.state();
        vm.expectRevert(abi.encodeWithSelector(V.BoundHolds.selector, s.exposure, 6 * (s.nav - s.floor.assets)));
        vault.deleverage(pool, type(uint256).max);
    }

    function test_below_the_floor_it_sells_everything() public {
        due(1900);
        vault.deleverage(pool, type(uint256).max);
        V.State memory s = vault.state();
        assertEq(s.trackedRisky, 0);
        assertTrue(s.floor.cashLock);
        assertEq(s.deleverageSince, 0);
    }

    function test_in_cash_lock_it_sells_everything_even_after_a_recovery() public {
        setPrice(1800);
        vault.poke();
        setPrice(3000);
        pass(1 hours);
        vault.deleverage(pool, type(uint256).max);
        assertEq(vault.state().trackedRisky, 0);
    }

    function test_it_works_while_paused_in_cooldown_and_without_a_keeper() public {
        due(2330);
        vm.prank(guardian);
        vault.pause();
        vm.prank(owner);
        vault.setKeeper(address(0));
        vm.prank(alice);
        vault.deleverage(pool, type(uint256).max);
    }

    function test_slippage_widens_evenly_up_to_its_limit() public {
        due(2330);
        // 0.5 % at first: a price 0.51 % below is refused, at 0.49 % it passes.
        skew(9_949);
        refusedOutput();
        skew(9_951);
        passesOutput();
        // 2.75 % after half of the widening time.
        pass(30 minutes);
        skew(9_724);
        refusedOutput();
        skew(9_726);
        passesOutput();
        // 5 % after all of it, and no more ever.
        pass(30 days);
        skew(9_499);
        refusedOutput();
        skew(9_501);
        passesOutput();
    }

    function test_the_reward_is_a_share_of_the_sale_up_to_a_cap() public {
        due(1900);
        (, uint256 amountOut) = sellAs(bob, 1e18);
        assertEq(stable.balanceOf(bob), amountOut / 1000);
        assertEq(vault.state().trackedAsset, stable.balanceOf(address(vault)));
        sellAs(bob, 30e18);
        sellAs(bob, 30e18);
        assertEq(stable.balanceOf(bob), 100 * USD, "one breach pays the cap once, however it is split");
    }

    function test_a_new_breach_pays_again() public {
        due(1900);
        (, uint256 amountOut) = sellAs(bob, 100e18);
        assertGt(amountOut / 1000, 100 * USD);
        assertEq(stable.balanceOf(bob), 100 * USD);
        sellAs(bob, type(uint256).max);
        assertEq(stable.balanceOf(bob), 100 * USD);
        assertEq(vault.state().deleverageSince, 0);
    }

    function test_a_partial_sale_wins_no_time() public {
        due(2330);
        uint64 since = vault.state().deleverageSince;
        sellAs(bob, 1e15);
        assertEq(vault.state().deleverageSince, since);
    }

    function test_what_a_full_sale_costs_has_a_grace_period_again() public {
        due(2330);
        skew(9_960);
        vault.deleverage(pool, type(uint256).max);
        assertEq(vault.state().deleverageSince, block.timestamp);
        vm.expectRevert(abi.encodeWithSelector(V.DeleverageNotDue.selector, block.timestamp));
        vault.deleverage(pool, type(uint256).max);
    }

    function test_only_through_an_allowed_pool_and_not_of_nothing() public {
        due(2330);
        vm.expectRevert(abi.encodeWithSelector(V.PoolNotAllowed.selector, alice, address(0)));
        vault.deleverage(alice, 1e18);
        vm.expectRevert(V.EmptySwap.selector);
        vault.deleverage(pool, 0);
    }

    function test_a_keepers_sale_clears_the_timer() public {
        due(2330);
        sell(100e18);
        assertEq(vault.state().deleverageSince, 0);
    }

    function test_dust_breaks_no_bound() public {
        setPrice(1800);
        vault.poke();
        uint256 held = vault.state().trackedRisky;
        sell(held - 0.04e18);
        // 72 of exposure on 760,000, less than a basis point.
        vault.poke();
        assertEq(vault.state().deleverageSince, 0);
        pass(1 days);
        vm.expectRevert(abi.encodeWithSelector(V.BoundHolds.selector, 72 * USD, 0));
        vault.deleverage(pool, type(uint256).max);
    }

    function testFuzz_it_never_sells_below_the_bound(uint256 dollars, uint256 most, uint256 paidBps) public {
        dollars = bound(dollars, 1_000, 2_390);
        due(dollars);
        V.State memory before = vault.state();
        uint256 cushion = before.nav > before.floor.assets ? before.nav - before.floor.assets : 0;
        skew(bound(paidBps, 9_951, 10_100));
        try vault.deleverage(pool, bound(most, 1e15, 300e18)) returns (uint256 amountIn, uint256) {
            uint256 soldAtMost = (before.exposure - 6 * cushion) * 1e18 / (dollars * USD) + 1e12;
            if (cushion != 0) assertLe(amountIn, soldAtMost);
            assertLe(stable.balanceOf(address(this)), 100 * USD);
        } catch (bytes memory err) {
            assertEq(bytes4(err), V.BoundHolds.selector);
            assertLe(before.exposure, 6 * cushion);
        }
    }

    // ---------------------------------------------------------------- support

    function due(uint256 dollars) private {
        setPrice(dollars);
        vault.poke();
        pass(1 hours);
    }

    function skew(uint256 paidBps) private {
        venue.setPart(10_000, paidBps);
    }

    function refusedOutput() private {
        vm.expectPartialRevert(V.InsufficientAmountOut.selector);
        vault.deleverage(pool, 0.01e18);
    }

    function passesOutput() private {
        vault.deleverage(pool, 0.01e18);
    }

    function sellAs(address caller, uint256 units) private returns (uint256 amountIn, uint256 amountOut) {
        vm.prank(caller);
        return vault.deleverage(pool, units);
    }
}
