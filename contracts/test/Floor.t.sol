// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IRebalancingVault as V} from "../src/interfaces/IRebalancingVault.sol";
import {VaultFixture} from "./support/VaultFixture.sol";

/// @title Floor, peak and cash-lock
contract FloorTest is VaultFixture {
    /// @dev What the virtual shares change in these figures, of 1e18.
    uint256 private constant VIRTUAL = 1e6;

    function use(V.FloorKind kind) private {
        V.Parameters memory p = parameters();
        p.floorKind = kind;
        p.entryFeeBps = 0;
        setParameters(p);
        deposit(alice, 1_000_000 * USD);
    }

    function test_the_first_floor_is_a_share_of_the_first_nav_per_share() public {
        use(V.FloorKind.Fixed);
        V.State memory s = vault.state();
        assertEq(s.floor.perShare, 0.8e18);
        assertEq(s.floor.storedPerShare, 0.8e18);
        assertEq(s.floor.peakPerShare, 1e18);
        // Rounded up, with the virtual shares' part of a unit.
        assertEq(s.floor.assets, 800_000 * USD + 1);
    }

    function test_a_fixed_floor_stays() public {
        use(V.FloorKind.Fixed);
        pass(365 days);
        vault.poke();
        assertEq(vault.state().floor.perShare, 0.8e18);
    }

    function test_an_accruing_floor_grows_at_its_rate_however_often_it_is_poked() public {
        use(V.FloorKind.Accruing);
        for (uint256 i = 0; i < 73; ++i) {
            pass(5 days);
            if (i % 7 == 0) vault.poke();
        }
        assertEq(vault.state().floor.perShare, 0.84e18);
        assertLt(vault.state().floor.storedPerShare, 0.84e18);
        vault.poke();
        assertEq(vault.state().floor.storedPerShare, 0.84e18);
    }

    function test_accrual_stops_in_cash_lock() public {
        use(V.FloorKind.Accruing);
        buy(600_000 * USD);
        pass(73 days);
        setPrice(1800);
        vm.expectEmit(false, false, false, false);
        emit V.CashLockEntered(0, 0);
        vault.poke();
        pass(365 days);
        vault.poke();
        assertEq(vault.state().floor.perShare, 0.808e18);
    }

    function test_time_alone_can_lock_an_accruing_vault() public {
        use(V.FloorKind.Accruing);
        pass(5 * 365 days - 1);
        vault.poke();
        assertFalse(vault.state().floor.cashLock);
        pass(1);
        vault.poke();
        assertTrue(vault.state().floor.cashLock);
    }

    function test_a_ratchet_follows_the_peak_and_never_comes_back() public {
        use(V.FloorKind.Ratchet);
        buy(600_000 * USD);
        pass(1 hours);
        setPrice(4000);
        vault.poke();
        assertEq(vault.state().floor.perShare, 0.8e18);
        pass(1 hours);
        vm.expectEmit(false, false, false, false);
        emit V.FloorMoved(0, 0);
        vault.poke();
        setPrice(3600);
        pass(1 hours);
        vault.poke();
        V.State memory s = vault.state();
        assertApproxEqRel(s.floor.peakPerShare, 1.2e18, VIRTUAL);
        assertApproxEqRel(s.floor.perShare, 0.96e18, VIRTUAL);
    }

    function test_a_peak_is_the_lower_of_two_pokes_an_interval_apart() public {
        use(V.FloorKind.Ratchet);
        buy(600_000 * USD);
        pass(1 hours);
        setPrice(5000);
        vault.poke();
        pass(1 hours - 1);
        vault.poke();
        assertEq(vault.state().floor.peakPerShare, 1e18, "too soon");
        setPrice(3500);
        pass(1);
        vault.poke();
        assertApproxEqRel(vault.state().floor.peakPerShare, 1.1e18, VIRTUAL);
        assertEq(vault.state().floor.candidatePerShare, vault.state().floor.peakPerShare);
    }

    function test_one_extreme_block_makes_no_peak() public {
        use(V.FloorKind.Ratchet);
        buy(600_000 * USD);
        pass(2 hours);
        setPrice(6000);
        vault.poke();
        setPrice(3000);
        pass(2 hours);
        vault.poke();
        pass(2 hours);
        vault.poke();
        assertEq(vault.state().floor.peakPerShare, 1e18);
    }

    function test_a_stale_oracle_moves_no_peak_and_no_lock() public {
        use(V.FloorKind.Ratchet);
        buy(600_000 * USD);
        pass(1 hours);
        setPrice(1000);
        vm.warp(block.timestamp + 2 hours);
        vault.poke();
        V.State memory s = vault.state();
        assertFalse(s.floor.cashLock);
        assertEq(s.floor.peakPerShare, 1e18);
        refresh();
        vault.poke();
        assertTrue(vault.state().floor.cashLock);
    }

    function test_a_user_action_pokes_too() public {
        use(V.FloorKind.Fixed);
        buy(600_000 * USD);
        setPrice(1800);
        deposit(bob, USD);
        assertTrue(vault.state().floor.cashLock);
    }

    function test_another_kind_of_floor_never_lowers_it() public {
        use(V.FloorKind.Accruing);
        pass(365 days);
        V.Parameters memory p = parameters();
        p.floorKind = V.FloorKind.Ratchet;
        p.ratchetShareBps = 5_000;
        setParameters(p);
        assertEq(vault.state().floor.perShare, 0.84e18);
        p.floorKind = V.FloorKind.Accruing;
        p.accrualRate = 0.1e18;
        setParameters(p);
        assertEq(vault.state().floor.perShare, 0.84e18);
        pass(365 days);
        assertEq(vault.state().floor.perShare, 0.924e18, "the new rate counts from the change");
    }

    // ---------------------------------------------------------------- rearm

    function test_rearm_needs_cash_lock_and_the_owner() public {
        use(V.FloorKind.Fixed);
        vm.prank(owner);
        vm.expectRevert(V.NotCashLocked.selector);
        vault.rearm(0.5e18);
        vm.expectRevert(abi.encodeWithSignature("OwnableUnauthorizedAccount(address)", alice));
        vm.prank(alice);
        vault.rearm(0.5e18);
    }

    function test_rearm_sets_a_floor_below_nav_and_forgets_the_peak() public {
        use(V.FloorKind.Ratchet);
        buy(600_000 * USD);
        setPrice(1800);
        vault.poke();
        vm.startPrank(owner);
        uint256 navPerShare = (vault.state().nav + 1) * 1e24 / (vault.totalSupply() + 1e6);
        vm.expectRevert(abi.encodeWithSelector(V.FloorNotBelowNav.selector, navPerShare, navPerShare));
        vault.rearm(navPerShare);
        vm.expectEmit();
        emit V.Rearmed(0.7e18, navPerShare);
        vault.rearm(0.7e18);
        vm.stopPrank();
        V.State memory s = vault.state();
        assertFalse(s.floor.cashLock);
        assertEq(s.floor.perShare, 0.7e18);
        assertEq(s.floor.peakPerShare, navPerShare);
    }

    function test_rearm_needs_a_fresh_oracle() public {
        use(V.FloorKind.Fixed);
        buy(600_000 * USD);
        setPrice(1800);
        vault.poke();
        vm.warp(block.timestamp + 2 hours);
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(V.OracleNotFresh.selector, V.OracleStatus.StaleRiskyAnswer));
        vault.rearm(0.5e18);
    }

    function test_a_ratchet_share_close_to_one_relocks_at_once_if_nav_is_below() public {
        use(V.FloorKind.Ratchet);
        buy(600_000 * USD);
        setPrice(1800);
        vault.poke();
        vm.prank(owner);
        vault.rearm(0.75e18);
        setPrice(1700);
        vault.poke();
        assertTrue(vault.state().floor.cashLock);
    }

    // ---------------------------------------------------------------- fuzz

    /// forge-config: default.fuzz.runs = 64
    function testFuzz_the_floor_never_falls(uint256 seed, uint8 kind) public {
        use(V.FloorKind(kind % 3));
        buy(600_000 * USD);
        uint256 highest = 0;
        for (uint256 i = 0; i < 30; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            pass(bound(seed, 1, 30 days));
            setPrice(bound(seed >> 32, 1_000, 9_000));
            uint256 action = (seed >> 96) % 4;
            if (action == 0) vault.poke();
            if (action == 1) deposit(bob, bound(seed >> 128, 1, 2_000_000 * USD));
            if (action == 2) redeem(bound(seed >> 128, 0, vault.maxRedeem(alice)));
            if (action == 3) inKind(bound(seed >> 128, 0, vault.balanceOf(alice) / 2));
            uint256 floor = vault.state().floor.perShare;
            assertGe(floor, highest);
            assertLe(vault.state().floor.storedPerShare, floor);
            highest = floor;
        }
    }

    function redeem(uint256 shares) private {
        vm.prank(alice);
        vault.redeem(shares, alice, alice);
    }

    function inKind(uint256 shares) private {
        vm.prank(alice);
        vault.redeemInKind(shares, alice, alice);
    }
}
