// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IRebalancingVault as V} from "../src/interfaces/IRebalancingVault.sol";
import {TestToken} from "./support/TestToken.sol";
import {TestVenue} from "./support/TestVenue.sol";
import {VaultFixture} from "./support/VaultFixture.sol";

/// @title The floor as a part of NAV: whatever users do, it stays
contract ProportionTest is VaultFixture {
    uint256 private constant VIRTUAL_SHARES = 1e6;
    uint256 private _unit;

    /// @dev A new vault over an asset of other decimals.
    function begin(uint256 decimals, V.FloorKind kind) private {
        stable = new TestToken("Stable", "S", uint8(decimals));
        venue = new TestVenue(stable, risky);
        _unit = 10 ** decimals;
        V.Deployment memory d = deployment();
        d.parameters.rewardCap = 0;
        d.parameters.floorKind = kind;
        vault = newVault(d);
    }

    // ---------------------------------------------------------------- who leaves little behind

    function testFuzz_what_somebody_leaves_behind_never_weakens_the_floor_of_the_next(
        uint256 first,
        uint256 left,
        uint256 next,
        bool wide
    ) public {
        begin(wide ? 18 : 6, V.FloorKind.Fixed);
        uint256 shares = deposit(bob, bound(first, _unit, 100_000_000 * _unit));
        // Any number of shares, few as often as many.
        left = Math.min(left >> (left % 256), shares);
        vm.prank(bob);
        vault.redeem(shares - left, bob, bob);
        deposit(alice, bound(next, _unit, 1_000_000 * _unit));
        V.State memory s = vault.state();
        // The first floor is rounded down, by two in the last digit of a share, or in the 18th of NAV.
        uint256 rounding = 2 * s.totalSupply / 1e24 + s.nav / 1e17 + 2;
        assertGe((s.floor.assets + rounding) * 10_000, s.nav * 8_000, "the floor is 80 % of NAV");
        assertApproxEqRel(s.floor.assets, s.nav * 8 / 10, 1e13);
        assertFalse(s.floor.cashLock);
    }

    function test_leaving_again_and_again_does_not_weaken_the_floor_either() public {
        begin(18, V.FloorKind.Accruing);
        for (uint256 i = 0; i < 20; ++i) {
            deposit(bob, 50_000_000 * _unit);
            uint256 left = vault.balanceOf(bob) - 1;
            vm.prank(bob);
            vault.redeem(left, bob, bob);
        }
        deposit(alice, 1_000_000 * _unit);
        V.State memory s = vault.state();
        assertGt(s.floor.perShare, type(uint128).max, "a hundred thousand dollars of fees on one share");
        assertApproxEqRel(s.floor.assets, s.nav * 8 / 10, 1e9);
    }

    /// @dev The fee is part of NAV when the deposit's own shares are there: who brings most of NAV gets most of it back.
    function test_the_entry_fee_is_shared_with_those_who_pay_it() public {
        deposit(bob, 2 * USD);
        uint256 shares = deposit(alice, 1_001_000 * USD);
        assertApproxEqAbs(vault.convertToAssets(shares), 1_001_000 * USD, USD, "not a thousand less");
        assertLt(vault.convertToAssets(vault.balanceOf(bob)), 2.01e6, "a part of 2 in 1,000,000 of the fee of 1,000");
    }

    function test_a_gift_that_the_owner_takes_in_lifts_the_floor_too() public {
        invested();
        V.State memory a = vault.state();
        stable.mint(address(vault), 500_000 * USD);
        risky.mint(address(vault), 100e18);
        vm.prank(owner);
        vault.sync();
        V.State memory b = vault.state();
        assertEq(b.nav, a.nav + 800_000 * USD);
        inProportion(a, b, false);
        assertApproxEqRel(b.floor.peakPerShare, a.floor.peakPerShare * 18 / 10, 1e12);
        assertApproxEqRel(b.floor.candidatePerShare, a.floor.candidatePerShare * 18 / 10, 1e12);
    }

    function test_a_gift_that_cannot_be_valued_waits() public {
        invested();
        risky.mint(address(vault), 100e18);
        riskyFeed.setBroken(true);
        vm.startPrank(owner);
        vault.sync();
        assertEq(vault.state().trackedRisky, 200e18);
        riskyFeed.setBroken(false);
        vault.sync();
        assertEq(vault.state().trackedRisky, 300e18);
    }

    function test_a_loss_taken_in_leaves_the_floor() public {
        invested();
        V.State memory a = vault.state();
        stable.burn(address(vault), 100_000 * USD);
        vault.sync();
        assertEq(vault.state().floor.perShare, a.floor.perShare);
    }

    // ---------------------------------------------------------------- any action

    /// forge-config: default.fuzz.runs = 48
    function testFuzz_no_user_moves_the_floor_against_nav(uint256 seed, uint8 kind, bool wide) public {
        begin(wide ? 18 : 6, V.FloorKind(kind % 3));
        deposit(alice, 1_000_000 * _unit);
        risky.mint(address(vault), 200e18);
        vm.prank(owner);
        vault.sync();
        for (uint256 i = 0; i < 24; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            pass(bound(seed, 1, 30 days));
            riskyFeed.set(int256(bound(seed >> 32, 1_500e8, 9_000e8)));
            // What time and the market do is done, so that the action alone is seen.
            vault.poke();
            V.State memory a = vault.state();
            address user = (seed >> 64) % 2 == 0 ? alice : bob;
            uint256 action = (seed >> 72) % 6;
            act(user, action, seed >> 96);
            // The floor begins anew, as documented.
            if (vault.totalSupply() == 0 || a.nav < _unit) continue;
            inProportion(a, vault.state(), action == 4);
        }
    }

    function act(address user, uint256 action, uint256 size) private {
        uint256 most = vault.maxRedeem(user);
        // Any size, small ones as often as large ones; and all but little.
        uint256 shares = bound(size >> (size % 64), 0, most);
        if (size % 3 == 0) shares = most - shares;
        if (action == 0) deposit(user, bound(size, 0, 10_000_000 * _unit));
        if (action == 1) deposit(user, bound(size >> (size % 128), 0, 1_000 * _unit));
        vm.startPrank(user);
        if (action == 2) vault.redeem(shares, user, user);
        if (action == 3) vault.withdraw(bound(size, 0, vault.maxWithdraw(user)), user, user);
        if (action == 4) vault.redeemInKind(bound(size >> (size % 128), 0, vault.balanceOf(user)), user, user);
        vm.stopPrank();
        if (action == 5) {
            stable.mint(address(vault), bound(size, 0, 1_000_000 * _unit));
            vm.prank(owner);
            vault.sync();
        }
    }

    /// @dev Never lower. Higher by the last digits only, but where the action confirmed a peak, as any poke may.
    function inProportion(V.State memory a, V.State memory b, bool inKind) private pure {
        uint256 up = (b.nav + 1) * (a.totalSupply + VIRTUAL_SHARES);
        uint256 down = (a.nav + 1) * (b.totalSupply + VIRTUAL_SHARES);
        uint256 expected = Math.mulDiv(a.floor.perShare, up, down);
        // What an exit in kind pays is rounded down by a unit of each token, and no fee is on it.
        uint256 least = inKind ? Math.mulDiv(expected, Math.saturatingSub(b.nav, 2), b.nav + 1) : expected;
        assertGe(b.floor.perShare, least, "the floor fell against NAV");
        assertGe(b.floor.perShare, a.floor.perShare, "the floor fell");
        if (b.floor.peakPerShare > Math.mulDiv(a.floor.peakPerShare, up, down) + up / down + 2) return;
        // NAV itself is rounded down by a unit.
        expected = Math.mulDiv(expected, b.nav + 2, b.nav + 1, Math.Rounding.Ceil);
        assertLe(b.floor.perShare, expected + 2 * Math.ceilDiv(up, down) + 2, "the floor rose against NAV");
    }
}
