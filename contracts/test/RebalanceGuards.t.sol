// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IRebalancingVault as V} from "../src/interfaces/IRebalancingVault.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {VaultFixture} from "./support/VaultFixture.sol";

/// @title One test per guard of `rebalance`, each with its exact error, in preview and in execution
contract RebalanceGuardsTest is VaultFixture {
    function setUp() public override {
        super.setUp();
        invested();
    }

    function test_only_the_keeper_may_rebalance() public {
        V.Rebalance memory r = request(true, 1e18);
        vm.prank(alice);
        (bool ok, bytes4 selector,) = vault.previewRebalance(r);
        assertFalse(ok);
        assertEq(selector, V.NotKeeper.selector);
        vm.expectRevert(abi.encodeWithSelector(V.NotKeeper.selector, alice));
        vm.prank(alice);
        vault.rebalance(r);
    }

    function test_a_pause_stops_buys() public {
        vm.prank(guardian);
        vault.pause();
        refused(request(false, USD), abi.encodeWithSelector(V.Paused.selector, block.timestamp + 1 days));
    }

    function test_a_pause_does_not_stop_sales() public {
        vm.prank(guardian);
        vault.pause();
        passes(request(true, 1e18));
    }

    function test_a_nonce_works_once() public {
        V.Rebalance memory r = request(true, 1e18);
        rebalance(r);
        pass(1 hours);
        refused(r, abi.encodeWithSelector(V.WrongNonce.selector, 2, 1));
        r.nonce = 3;
        refused(r, abi.encodeWithSelector(V.WrongNonce.selector, 2, 3));
    }

    function test_another_policy_is_refused() public {
        V.Rebalance memory r = request(true, 1e18);
        r.policyHash = keccak256("another");
        refused(r, abi.encodeWithSelector(V.WrongPolicy.selector, POLICY, r.policyHash));
    }

    function test_an_old_decision_is_refused() public {
        V.Rebalance memory r = request(true, 1e18);
        r.decisionBlock = uint64(block.number - 51);
        r.decisionBlockHash = blockhash(block.number - 51);
        bytes memory err = abi.encodeWithSelector(
            V.DecisionBlockOutOfRange.selector, block.number - 51, block.number - 50, block.number - 1
        );
        vm.expectRevert(err);
        rebalance(r);
        r.decisionBlock += 1;
        r.decisionBlockHash = blockhash(block.number - 50);
        passes(r);
    }

    function test_a_decision_on_the_block_itself_can_be_previewed_but_not_executed() public {
        V.Rebalance memory r = request(true, 1e18);
        r.decisionBlock = uint64(block.number);
        r.decisionBlockHash = keccak256("not known yet");
        vm.prank(keeper);
        (bool ok,,) = vault.previewRebalance(r);
        assertTrue(ok);
        vm.expectRevert(
            abi.encodeWithSelector(
                V.DecisionBlockOutOfRange.selector, block.number, block.number - 50, block.number - 1
            )
        );
        rebalance(r);
        r.decisionBlock += 1;
        previewRefused(
            r,
            abi.encodeWithSelector(
                V.DecisionBlockOutOfRange.selector, block.number + 1, block.number - 50, block.number
            )
        );
    }

    function test_a_decision_on_another_fork_is_refused() public {
        V.Rebalance memory r = request(true, 1e18);
        bytes32 expected = r.decisionBlockHash;
        r.decisionBlockHash = keccak256("fork");
        refused(r, abi.encodeWithSelector(V.WrongDecisionBlockHash.selector, expected, r.decisionBlockHash));
    }

    function test_a_late_decision_is_refused() public {
        V.Rebalance memory r = request(true, 1e18);
        r.deadline = uint64(block.timestamp - 1);
        refused(r, abi.encodeWithSelector(V.DeadlinePassed.selector, block.timestamp - 1));
        r.deadline = uint64(block.timestamp);
        passes(r);
    }

    function test_the_cooldown_holds_to_the_second() public {
        sell(1e18);
        uint256 until = block.timestamp + 10 minutes;
        vm.warp(until - 1);
        refused(request(true, 1e18), abi.encodeWithSelector(V.CoolingDown.selector, until));
        vm.warp(until);
        passes(request(true, 1e18));
    }

    function test_a_rebalance_of_nothing_is_refused() public {
        V.Rebalance memory r = request(true, 0);
        refused(r, abi.encodeWithSelector(V.EmptySwap.selector));
        r.swaps = new V.Swap[](0);
        refused(r, abi.encodeWithSelector(V.EmptySwap.selector));
    }

    function test_sales_and_buys_do_not_mix() public {
        V.Rebalance memory r = request(true, 1e18);
        V.Swap memory sale = r.swaps[0];
        V.Swap memory purchase = request(false, USD).swaps[0];
        r.swaps = new V.Swap[](2);
        (r.swaps[0], r.swaps[1]) = (sale, purchase);
        refused(r, abi.encodeWithSelector(V.MixedSwaps.selector));
    }

    function test_an_unknown_pool_is_refused() public {
        V.Rebalance memory r = request(true, 1e18);
        r.swaps[0].pool = alice;
        refused(r, abi.encodeWithSelector(V.PoolNotAllowed.selector, alice, address(venue)));
        r.swaps[0].venue = address(0);
        refused(r, abi.encodeWithSelector(V.PoolNotAllowed.selector, alice, address(0)));
    }

    function test_a_pool_through_another_venue_is_refused() public {
        V.Rebalance memory r = request(true, 1e18);
        r.swaps[0].venue = alice;
        refused(r, abi.encodeWithSelector(V.PoolNotAllowed.selector, pool, alice));
    }

    function test_a_buy_needs_a_fresh_oracle() public {
        vm.warp(block.timestamp + 1 hours + 5 minutes);
        passes(request(false, USD));
        vm.warp(block.timestamp + 10 minutes);
        refused(request(false, USD), abi.encodeWithSelector(V.OracleNotFresh.selector, V.OracleStatus.StaleRiskyAnswer));
    }

    function test_a_degraded_sale_needs_a_mean_price() public {
        vm.warp(block.timestamp + 2 hours);
        refused(request(true, 1e18), abi.encodeWithSelector(V.NoReferencePrice.selector));
    }

    function test_cash_lock_stops_buys() public {
        setPrice(1800);
        vault.poke();
        assertTrue(vault.state().floor.cashLock);
        setPrice(3000);
        refused(request(false, USD), abi.encodeWithSelector(V.CashLocked.selector));
    }

    function test_a_buy_below_the_floor_is_refused_before_anyone_pokes() public {
        setPrice(1800);
        refused(request(false, USD), abi.encodeWithSelector(V.CashLocked.selector));
        assertFalse(vault.state().floor.cashLock);
    }

    function test_more_than_the_vault_holds_is_refused() public {
        uint256 held = vault.state().trackedRisky;
        risky.mint(address(vault), 1e18);
        refused(request(true, held + 1), abi.encodeWithSelector(V.HoldingExceeded.selector, held + 1, held));
    }

    function test_the_size_of_a_call_is_bounded() public {
        V.Parameters memory p = parameters();
        p.maxTradeBps = 1_000;
        setParameters(p);
        // The entry fee stayed in the vault, so NAV is what was deposited.
        refused(
            request(false, 100_000 * USD + 1),
            abi.encodeWithSelector(V.TradeTooLarge.selector, 100_000 * USD + 1, 100_000 * USD)
        );
        passes(request(false, 100_000 * USD));
    }

    function test_many_swaps_count_as_one_size() public {
        V.Parameters memory p = parameters();
        p.maxTradeBps = 1_000;
        setParameters(p);
        V.Rebalance memory r = request(false, 60_000 * USD);
        V.Swap memory s = r.swaps[0];
        r.swaps = new V.Swap[](2);
        (r.swaps[0], r.swaps[1]) = (s, s);
        refused(r, abi.encodeWithSelector(V.TradeTooLarge.selector, 120_000 * USD, 100_000 * USD));
    }

    function test_turnover_of_a_day_is_bounded_and_leaks_evenly() public {
        // The bucket holds NAV; 600,000 was bought an hour ago, of which a 24th of NAV has leaked.
        uint256 level = 600_000 * USD - uint256(1_000_000 * USD) / 24;
        assertEq(vault.state().turnoverCapacity, 1_000_000 * USD);
        assertApproxEqAbs(vault.state().turnoverLevel, level, 1);
        uint256 left = 1_000_000 * USD - vault.state().turnoverLevel;
        V.Rebalance memory r = request(true, 199e18);
        refused(r, abi.encodeWithSelector(V.TurnoverExceeded.selector, 597_000 * USD, left));
        passes(request(true, 140e18));
        assertEq(vault.state().turnoverLevel, 1_000_000 * USD - left + 420_000 * USD);
        pass(1 days);
        assertEq(vault.state().turnoverLevel, 0);
    }

    function test_a_low_minimum_is_refused_in_both_directions() public {
        V.Rebalance memory r = request(true, 1e18);
        r.swaps[0].minAmountOut = 2985 * USD - 1;
        refused(r, abi.encodeWithSelector(V.MinAmountOutTooLow.selector, 0, 2985 * USD - 1, 2985 * USD));
        r.swaps[0].minAmountOut = 2985 * USD;
        passes(r);
        pass(1 hours);
        r = request(false, 3000 * USD);
        r.swaps[0].minAmountOut = 0.995e18 - 1;
        refused(r, abi.encodeWithSelector(V.MinAmountOutTooLow.selector, 0, 0.995e18 - 1, 0.995e18));
        r.swaps[0].minAmountOut = 0.995e18;
        passes(r);
    }

    function test_the_second_minimum_is_checked_too() public {
        V.Rebalance memory r = request(true, 1e18);
        V.Swap memory first = r.swaps[0];
        V.Swap memory second = V.Swap(pool, address(venue), true, 1e18, 0);
        r.swaps = new V.Swap[](2);
        (r.swaps[0], r.swaps[1]) = (first, second);
        refused(r, abi.encodeWithSelector(V.MinAmountOutTooLow.selector, 1, 0, 2985 * USD));
    }

    // ---------------------------------------------------------------- exemptions

    function test_a_sale_while_the_bound_is_broken_waits_for_nothing() public {
        sell(1e18);
        breakBound();
        V.State memory s = vault.state();
        assertGt(s.exposure, 6 * (s.nav - s.floor.assets));
        vm.warp(block.timestamp + 1);
        passes(request(true, 100e18));
        assertEq(vault.state().lastRebalanceAt, block.timestamp);
    }

    function test_an_exempt_sale_overfills_the_turnover_bucket() public {
        sell(1e18);
        breakBound();
        passes(request(true, 180e18));
        V.State memory s = vault.state();
        assertApproxEqRel(s.turnoverLevel, s.turnoverCapacity * 10_453 / 10_000, 0.001e18);
        pass(1 hours);
        refused(request(false, 100_000 * USD), abi.encodeWithSelector(V.TurnoverExceeded.selector, 100_000 * USD, 0));
        pass(1 hours);
        passes(request(false, 10_000 * USD));
    }

    function test_a_buy_is_never_exempt() public {
        sell(1e18);
        breakBound();
        uint256 until = block.timestamp + 10 minutes;
        refused(request(false, USD), abi.encodeWithSelector(V.CoolingDown.selector, until));
    }

    // ---------------------------------------------------------------- after the swaps

    function test_a_venue_that_takes_less_is_caught() public {
        venue.setPart(9_999, 10_000);
        V.Rebalance memory r = request(true, 1e18);
        vm.expectRevert(abi.encodeWithSelector(V.WrongAmountIn.selector, 1e18, 0.9999e18));
        rebalance(r);
    }

    function test_a_venue_that_pays_less_is_caught() public {
        venue.setPart(10_000, 9_900);
        V.Rebalance memory r = request(true, 1e18);
        vm.expectRevert(abi.encodeWithSelector(V.InsufficientAmountOut.selector, 2970 * USD, 2994 * USD));
        rebalance(r);
    }

    function test_a_loss_of_nav_is_bounded() public {
        V.Parameters memory p = parameters();
        p.navLossBps = 5;
        setParameters(p);
        venue.setPart(10_000, 9_981);
        pass(1 days);
        V.Rebalance memory r = request(true, 180e18);
        // 540,000 at 19 bps is 1,026; five basis points of NAV are 500.
        vm.expectRevert(abi.encodeWithSelector(V.NavLossTooLarge.selector, 1_000_000 * USD, 998_974 * USD));
        rebalance(r);
        passes(request(true, 80e18));
    }

    function test_a_buy_past_the_cap_is_refused() public {
        V.Parameters memory p = parameters();
        p.capBps = 6_900;
        setParameters(p);
        V.Rebalance memory r = request(false, 90_000 * USD + 3000);
        vm.expectRevert(abi.encodeWithSelector(V.ExposureTooLarge.selector, 690_000 * USD + 3000, 690_000 * USD));
        rebalance(r);
        passes(request(false, 90_000 * USD));
    }

    function test_a_buy_past_the_bound_is_refused() public {
        V.Parameters memory p = parameters();
        p.boundBps = 35_000;
        setParameters(p);
        V.State memory s = vault.state();
        uint256 limit = (s.nav - s.floor.assets) * 35 / 10;
        uint256 assets = (limit - s.exposure) / 3000 * 3000 + 3000;
        V.Rebalance memory r = request(false, assets);
        vm.expectRevert(abi.encodeWithSelector(V.ExposureTooLarge.selector, s.exposure + assets, limit));
        rebalance(r);
        passes(request(false, assets - 3000));
    }

    function test_sales_down_to_nothing_pass() public {
        pass(1 days);
        passes(request(true, vault.state().trackedRisky));
        assertEq(vault.state().exposure, 0);
    }

    function test_a_venue_cannot_reenter() public {
        venue.setCallback(vault.poke);
        V.Rebalance memory r = request(true, 1e18);
        vm.expectRevert(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);
        rebalance(r);
    }

    function test_no_approval_is_left() public {
        sell(10e18);
        assertEq(risky.allowance(address(vault), address(venue)), 0);
        assertEq(stable.allowance(address(vault), address(venue)), 0);
    }

    function test_the_event_says_everything() public {
        V.Rebalance memory r = request(true, 10e18);
        venue.setPart(10_000, 9_990);
        vm.expectEmit();
        emit V.Rebalanced(
            1,
            POLICY,
            DECISION,
            uint64(block.number - 1),
            true,
            10e18,
            29_970 * USD,
            3000e18,
            1_000_000 * USD,
            999_970 * USD
        );
        rebalance(r);
        assertEq(vault.state().nextNonce, 2);
    }

    function test_a_sale_at_the_floor_sets_cash_lock() public {
        setPrice(1800);
        V.Rebalance memory r = request(true, 200e18);
        passes(r);
        V.State memory s = vault.state();
        assertTrue(s.floor.cashLock);
        assertEq(s.exposure, 0);
    }

    // ---------------------------------------------------------------- rebate

    function test_gas_is_paid_back_up_to_the_cap_and_only_after_a_cooldown() public {
        V.Parameters memory p = parameters();
        p.rebateCap = uint128(5 * USD);
        setParameters(p);
        assertEq(vault.state().gasRebate, 5 * USD);
        vm.fee(100 gwei);
        sell(1e18);
        assertEq(stable.balanceOf(keeper), 5 * USD);
        breakBound();
        sell(1e18);
        assertEq(stable.balanceOf(keeper), 5 * USD, "an exempt sale within the cooldown pays nothing");
        pass(1 hours);
        vm.fee(1 gwei);
        uint256 before = vault.state().trackedAsset;
        sell(1e18);
        uint256 paid = stable.balanceOf(keeper) - 5 * USD;
        // Some 100,000 to 400,000 gas at 1 gwei and 2,330 a coin.
        assertGt(paid, 0.2e6);
        assertLt(paid, 1e6);
        assertEq(vault.state().trackedAsset, before + latestPrice() - paid);
    }

    function test_no_rebate_is_paid_unless_risky_is_the_native_coin() public {
        V.Deployment memory d = deployment();
        d.riskyIsNative = false;
        d.parameters.rebateCap = uint128(5 * USD);
        vault = newVault(d);
        invested();
        vm.fee(100 gwei);
        sell(1e18);
        assertEq(stable.balanceOf(keeper), 0);
        assertEq(vault.state().gasRebate, 0);
    }

    // ---------------------------------------------------------------- fuzz

    function testFuzz_a_minimum_at_the_bound_passes_and_one_below_does_not(uint256 amount, uint256 dollars) public {
        dollars = bound(dollars, 2700, 3300);
        setPrice(dollars);
        amount = bound(amount, 1, 100e18);
        V.Rebalance memory r = request(true, amount);
        uint256 fair = ceilDiv(amount * dollars * USD, 1e18);
        uint256 lowest = ceilDiv(fair * 9950, 10_000);
        r.swaps[0].minAmountOut = lowest;
        vm.prank(keeper);
        (bool ok,,) = vault.previewRebalance(r);
        assertTrue(ok);
        r.swaps[0].minAmountOut = lowest - 1;
        previewRefused(r, abi.encodeWithSelector(V.MinAmountOutTooLow.selector, 0, lowest - 1, lowest));
    }

    function testFuzz_exposure_after_any_buy_is_inside_cap_and_bound(uint256 assets, uint16 cap, uint32 bound_) public {
        V.Parameters memory p = parameters();
        p.capBps = uint16(bound(cap, 1, 10_000));
        p.boundBps = uint32(bound(bound_, 10_000, 200_000));
        setParameters(p);
        assets = bound(assets, 3000, 399_000 * USD);
        V.Rebalance memory r = request(false, assets);
        vm.prank(keeper);
        try vault.rebalance(r) {
            V.State memory s = vault.state();
            assertLe(s.exposure, s.nav * p.capBps / 10_000);
            assertLe(s.exposure, (s.nav - s.floor.assets) * p.boundBps / 10_000);
        } catch (bytes memory err) {
            assertEq(bytes4(err), V.ExposureTooLarge.selector);
            assertEq(vault.state().nextNonce, 1);
        }
    }

    /// forge-config: default.fuzz.runs = 48
    function testFuzz_no_day_sees_more_than_the_turnover_cap(uint256 seed) public {
        // Trades at random times and of random sizes; the cap is 200 % of a NAV that stays.
        pass(2 days);
        uint256[40] memory at;
        uint256[40] memory traded;
        for (uint256 i = 0; i < 40; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            pass(bound(seed, 10 minutes, 4 hours));
            bool sale = vault.state().exposure > 300_000 * USD;
            uint256 value = bound(seed >> 128, 3000, 290_000 * USD) / 3000 * 3000;
            V.Rebalance memory r = request(sale, sale ? value * 1e18 / (3000 * USD) : value);
            vm.prank(keeper);
            try vault.rebalance(r) {
                (at[i], traded[i]) = (block.timestamp, value);
            } catch (bytes memory err) {
                assertEq(bytes4(err), V.TurnoverExceeded.selector);
            }
        }
        for (uint256 i = 0; i < 40; ++i) {
            uint256 sum = 0;
            for (uint256 j = i; j < 40 && at[j] <= at[i] + 1 days; ++j) {
                sum += traded[j];
            }
            assertLe(sum, 2_000_000 * USD);
        }
    }

    // ---------------------------------------------------------------- support

    /// @dev NAV 866,000 on a floor of 800,000: exposure is above six times the cushion of 66,000.
    function breakBound() private {
        setPrice(2330);
    }

    function latestPrice() private view returns (uint256) {
        return uint256(latestAnswer()) * USD / 1e8;
    }

    function ceilDiv(uint256 a, uint256 b) private pure returns (uint256) {
        return (a + b - 1) / b;
    }
}
