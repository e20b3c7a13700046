// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IRebalancingVault as V} from "../src/interfaces/IRebalancingVault.sol";
import {VaultFixture} from "./support/VaultFixture.sol";

/// @title What the review in `contracts/AUDIT.md` found, one test each
contract FindingsTest is VaultFixture {
    function test_a_deposit_makes_no_room_in_the_turnover_bucket() public {
        invested();
        uint256 part = vault.state().turnoverLevel * 1e18 / vault.state().nav;
        deposit(bob, 9_000_000 * USD);
        V.State memory s = vault.state();
        assertApproxEqRel(s.turnoverLevel * 1e18 / s.nav, part, 1e9);
    }

    function test_whoever_leaves_does_not_leave_the_turnover_bucket_full() public {
        uint256 shares = deposit(bob, 9_000_000 * USD);
        deposit(alice, 1_000_000 * USD);
        buy(6_000_000 * USD);
        vm.prank(bob);
        vault.redeemInKind(shares, bob, bob);
        V.State memory s = vault.state();
        assertApproxEqRel(s.turnoverLevel, s.nav * 6 / 10, 0.001e18);
        pass(1 hours);
        passes(request(true, 50e18));
    }

    function test_a_forced_sale_counts_in_full() public {
        invested();
        setPrice(2330);
        // 199 coins of 463,670: 53.5 % of NAV on top of the 60 % less what an hour leaked; the bucket holds 100 %.
        passes(request(true, 199e18));
        V.State memory s = vault.state();
        assertApproxEqRel(s.turnoverLevel, s.nav * 10_937 / 10_000, 0.001e18);
        pass(1 hours);
        refused(request(false, 1_000 * USD), abi.encodeWithSelector(V.TurnoverExceeded.selector, 1_000 * USD, 0));
    }

    function test_padded_calldata_is_not_paid_back() public {
        V.Parameters memory p = parameters();
        p.rebateCap = uint128(1_000 * USD);
        setParameters(p);
        invested();
        vm.fee(1 gwei);
        uint256 snapshot = vm.snapshotState();
        bytes memory call = abi.encodeCall(vault.rebalance, (request(true, 1e18)));
        uint256 plain = rebateOf(call);
        vm.revertToState(snapshot);
        uint256 padded = rebateOf(abi.encodePacked(call, new bytes(20_000)));
        assertGt(plain, 0.2e6);
        // Memory for the copy costs a little.
        assertApproxEqRel(padded, plain, 0.02e18);
    }

    function test_only_the_owner_takes_gifts_in() public {
        deposit(bob, 2 * USD);
        stable.mint(address(vault), 2_000 * USD);
        vault.sync();
        assertEq(vault.state().nav, 2 * USD);
        deposit(alice, 1_000_000 * USD);
        V.State memory s = vault.state();
        assertApproxEqRel(s.floor.assets, 800_000 * USD, 0.002e18, "the floor protects what alice brought");
        vm.prank(owner);
        vault.sync();
        assertEq(vault.state().trackedAsset, 1_002_002 * USD);
    }

    function test_who_leaves_the_fee_of_a_large_exit_on_few_shares_weakens_no_floor() public {
        deposit(bob, 100_000 * USD);
        uint256 shares = vault.balanceOf(bob);
        vm.prank(bob);
        vault.redeem(shares - 2e12, bob, bob);
        V.State memory s = vault.state();
        assertApproxEqAbs(s.nav, 102 * USD, USD, "the fee of 100 stays with two dollars of shares");
        assertApproxEqRel(s.floor.assets, s.nav * 8 / 10, 1e11);
        deposit(alice, 1_000_000 * USD);
        s = vault.state();
        assertApproxEqRel(s.floor.assets, s.nav * 8 / 10, 1e11);
        assertGt(s.floor.perShare, 40e18, "NAV per share is fifty times the first");
    }

    function test_a_trade_moves_neither_peak_nor_floor() public {
        V.Parameters memory p = parameters();
        p.floorKind = V.FloorKind.Ratchet;
        setParameters(p);
        invested();
        setPrice(5000);
        vault.poke();
        bytes memory floor = abi.encode(vault.state().floor);
        pass(2 hours);
        sell(1e18);
        pass(2 hours);
        sell(1e18);
        assertEq(abi.encode(vault.state().floor), floor, "the keeper chose a moment");
        vault.poke();
        assertGt(vault.state().floor.peakPerShare, 1.3e18);
        setPrice(3700);
        vault.poke();
        floor = abi.encode(vault.state().floor);
        setPrice(3690);
        pass(2 hours);
        vault.deleverage(pool, type(uint256).max);
        assertEq(abi.encode(vault.state().floor), floor, "whoever deleverages chose a moment");
    }

    function test_a_trade_still_locks_and_starts_the_timer() public {
        invested();
        setPrice(2330);
        sell(1e18);
        assertEq(vault.state().deleverageSince, block.timestamp);
        setPrice(1800);
        sell(1e18);
        assertTrue(vault.state().floor.cashLock);
    }

    /// @dev Two thirds at risk, and an answer that is as much too high as the feeds may be, 75 bps.
    function test_the_exit_fee_covers_all_that_an_answer_may_be_too_high() public {
        deposit(alice, 1_000_000 * USD);
        uint256 shares = deposit(bob, 500_000 * USD);
        buy(1_000_000 * USD);
        uint256 truth = 2977.5e18;
        uint256 before = worth(bob, truth);
        vm.prank(bob);
        vault.redeem(shares * 9 / 10, bob, bob);
        assertLe(worth(bob, truth), before + 2);
        assertApproxEqRel(worth(bob, truth), before, 0.00003e18, "and not more than that");
    }

    /// @dev What a user has, at this WAD price.
    function worth(address user, uint256 price) private view returns (uint256) {
        V.State memory s = vault.state();
        uint256 nav = s.trackedAsset + s.trackedRisky * price / 1e30;
        return stable.balanceOf(user) + vault.balanceOf(user) * (nav + 1) / (s.totalSupply + 1e6);
    }

    function test_dust_locks_nobody_who_comes_later() public {
        deposit(bob, 2);
        assertTrue(vault.state().floor.cashLock, "two units are below the floor of two units");
        deposit(alice, 1_000_000 * USD);
        V.State memory s = vault.state();
        assertFalse(s.floor.cashLock);
        assertApproxEqRel(s.floor.assets, 800_000 * USD, 0.002e18);
        buy(500_000 * USD);
    }

    function test_the_last_to_leave_does_not_choose_the_floor_of_the_next() public {
        uint256 shares = deposit(bob, 1_000_000 * USD);
        vm.prank(bob);
        vault.redeemInKind(shares - 1, bob, bob);
        assertEq(vault.totalSupply(), 1);
        vault.poke();
        deposit(alice, 1_000_000 * USD);
        V.State memory s = vault.state();
        assertFalse(s.floor.cashLock);
        assertApproxEqRel(s.floor.assets, 800_000 * USD, 0.002e18);
    }

    function rebateOf(bytes memory call) private returns (uint256) {
        uint256 before = stable.balanceOf(keeper);
        vm.prank(keeper);
        (bool ok,) = address(vault).call(call);
        assertTrue(ok);
        return stable.balanceOf(keeper) - before;
    }
}
