// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IRebalancingVault as V} from "../src/interfaces/IRebalancingVault.sol";
import {TestFeed} from "./support/TestFeed.sol";
import {VaultFixture} from "./support/VaultFixture.sol";

/// @title Which answers are believed, and what still works without them
contract OracleTest is VaultFixture {
    function setUp() public override {
        sequencerFeed = new TestFeed(0, 0);
        sequencerFeed.push(0, START - 1 days, START - 1 days);
        super.setUp();
        invested();
    }

    function test_good_answers_are_fresh() public view {
        is_(V.OracleStatus.Fresh);
        assertEq(vault.state().price, 3000e18);
    }

    function test_the_price_is_in_the_asset_not_in_dollars() public {
        assetFeed.set(0.99e8);
        assertEq(vault.state().price, uint256(3000e18) * 100 / 99);
        is_(V.OracleStatus.Fresh);
    }

    function test_each_feed_has_its_own_heartbeat() public {
        vm.warp(block.timestamp + 1 hours + 5 minutes);
        is_(V.OracleStatus.Fresh);
        vm.warp(block.timestamp + 1);
        is_(V.OracleStatus.StaleRiskyAnswer);
        vm.warp(block.timestamp + 23 hours);
        riskyFeed.set(3000e8);
        is_(V.OracleStatus.StaleAssetAnswer);
    }

    function test_zero_negative_future_and_unset_answers_are_invalid() public {
        riskyFeed.set(0);
        is_(V.OracleStatus.InvalidRiskyAnswer);
        riskyFeed.set(-1);
        is_(V.OracleStatus.InvalidRiskyAnswer);
        riskyFeed.push(3000e8, block.timestamp, block.timestamp + 1);
        is_(V.OracleStatus.InvalidRiskyAnswer);
        riskyFeed.push(3000e8, 0, 0);
        is_(V.OracleStatus.InvalidRiskyAnswer);
        riskyFeed.set(type(int256).max);
        is_(V.OracleStatus.InvalidRiskyAnswer);
        riskyFeed.set(3000e8);
        is_(V.OracleStatus.Fresh);
        riskyFeed.setLatest(0);
        is_(V.OracleStatus.InvalidRiskyAnswer);
    }

    function test_a_feed_that_reverts_or_has_gone_is_invalid() public {
        assetFeed.setBroken(true);
        is_(V.OracleStatus.InvalidAssetAnswer);
        assetFeed.setBroken(false);
        vm.etch(address(riskyFeed), "");
        is_(V.OracleStatus.InvalidRiskyAnswer);
        vm.etch(address(riskyFeed), hex"5f5ff3");
        is_(V.OracleStatus.InvalidRiskyAnswer);
    }

    function test_decimals_may_be_any_and_may_change() public {
        riskyFeed.setDecimals(18);
        riskyFeed.set(3000e18);
        assetFeed.setDecimals(24);
        assetFeed.set(1e24);
        assertEq(vault.state().price, 3000e18);
        riskyFeed.setDecimals(8);
        is_(V.OracleStatus.RiskyOutOfBounds);
        riskyFeed.setDecimals(58);
        is_(V.OracleStatus.InvalidRiskyAnswer);
    }

    function test_bounds_are_inclusive() public {
        riskyFeed.set(10e8);
        is_(V.OracleStatus.Fresh);
        riskyFeed.set(10e8 - 1);
        is_(V.OracleStatus.RiskyOutOfBounds);
        riskyFeed.set(1_000_000e8);
        is_(V.OracleStatus.Fresh);
        riskyFeed.set(1_000_000e8 + 1);
        is_(V.OracleStatus.RiskyOutOfBounds);
    }

    function test_the_peg_holds_both_ways() public {
        assetFeed.set(0.98e8);
        is_(V.OracleStatus.Fresh);
        assetFeed.set(0.98e8 - 1);
        is_(V.OracleStatus.AssetDepegged);
        assetFeed.set(1.02e8);
        is_(V.OracleStatus.Fresh);
        assetFeed.set(1.02e8 + 1);
        is_(V.OracleStatus.AssetDepegged);
    }

    function test_the_sequencer_must_be_up_for_the_grace_period() public {
        sequencerFeed.push(1, block.timestamp, block.timestamp);
        is_(V.OracleStatus.SequencerDown);
        sequencerFeed.push(0, block.timestamp, block.timestamp);
        is_(V.OracleStatus.SequencerGrace);
        pass(1 hours);
        is_(V.OracleStatus.SequencerGrace);
        pass(1);
        is_(V.OracleStatus.Fresh);
        sequencerFeed.push(0, 0, block.timestamp);
        is_(V.OracleStatus.SequencerDown);
        sequencerFeed.push(0, type(uint256).max, block.timestamp);
        is_(V.OracleStatus.SequencerDown);
        sequencerFeed.setBroken(true);
        is_(V.OracleStatus.SequencerDown);
    }

    // ---------------------------------------------------------------- degraded

    function test_degraded_values_at_the_highest_mean_price() public {
        vm.warp(block.timestamp + 2 hours);
        assertEq(vault.state().price, 0);
        venue.setMeanPrice(2500 * USD);
        assertEq(vault.state().price, 2500e18);
        assertEq(vault.state().nav, 900_000 * USD);
        venue.setBroken(true);
        assertEq(vault.state().price, 0, "a venue that fails is passed over");
    }

    function test_degraded_sales_are_bounded_by_the_mean_price_and_buys_refused() public {
        vm.warp(block.timestamp + 2 hours);
        venue.setMeanPrice(2500 * USD);
        venue.setPrice(2430 * USD);
        V.Rebalance memory r = request(true, 10e18);
        r.swaps[0].minAmountOut = 24_250 * USD - 1;
        refused(r, abi.encodeWithSelector(V.MinAmountOutTooLow.selector, 0, 24_250 * USD - 1, 24_250 * USD));
        r.swaps[0].minAmountOut = 24_250 * USD;
        passes(r);
        vm.warp(block.timestamp + 1 hours);
        refused(request(false, USD), abi.encodeWithSelector(V.OracleNotFresh.selector, V.OracleStatus.StaleRiskyAnswer));
    }

    function test_degraded_by_depeg_sells_too() public {
        assetFeed.set(0.9e8);
        venue.setMeanPrice(3300 * USD);
        venue.setPrice(3300 * USD);
        V.Rebalance memory r = request(true, 10e18);
        r.swaps[0].minAmountOut = 32_500 * USD;
        passes(r);
    }

    function test_degraded_sales_beyond_the_bound_wait_for_nothing() public {
        sell(1e18);
        vm.warp(block.timestamp + 2 hours);
        venue.setMeanPrice(2300 * USD);
        venue.setPrice(2300 * USD);
        V.Rebalance memory r = request(true, 1e18);
        r.swaps[0].minAmountOut = 2290 * USD;
        passes(r);
        r.nonce += 1;
        passes(r);
    }

    function test_degraded_deleverage_works_by_the_mean_price_with_the_wider_bound() public {
        vm.warp(block.timestamp + 2 hours);
        venue.setMeanPrice(2300 * USD);
        vault.poke();
        assertEq(vault.state().deleverageSince, block.timestamp);
        vm.warp(block.timestamp + 1 hours);
        venue.setPrice(2300 * USD * 9_699 / 10_000);
        vm.expectPartialRevert(V.InsufficientAmountOut.selector);
        vault.deleverage(pool, 10e18);
        venue.setPrice(2300 * USD * 9_701 / 10_000);
        vault.deleverage(pool, 10e18);
    }

    function test_without_any_price_the_timer_keeps_still() public {
        setPrice(2330);
        vault.poke();
        uint64 since = vault.state().deleverageSince;
        vm.warp(block.timestamp + 2 hours);
        vault.poke();
        assertEq(vault.state().deleverageSince, since);
        vm.expectRevert(V.NoReferencePrice.selector);
        vault.deleverage(pool, 1e18);
    }

    function testFuzz_reading_the_oracle_never_reverts(
        int256 answer,
        uint256 startedAt,
        uint256 updatedAt,
        uint8 decimals,
        uint8 which
    ) public {
        TestFeed feed = which % 3 == 0 ? riskyFeed : which % 3 == 1 ? assetFeed : sequencerFeed;
        feed.push(answer, startedAt, updatedAt);
        if (which % 3 != 2) feed.setDecimals(decimals);
        V.State memory s = vault.state();
        vault.totalAssets();
        vault.maxWithdraw(alice);
        vault.maxDeposit(alice);
        vault.previewDeposit(USD);
        vault.poke();
        if (s.oracleStatus == V.OracleStatus.Fresh) assertGt(s.price, 0);
    }

    function is_(V.OracleStatus expected) private view {
        assertEq(uint8(vault.state().oracleStatus), uint8(expected));
    }
}
