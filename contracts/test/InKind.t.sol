// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {IRebalancingVault as V} from "../src/interfaces/IRebalancingVault.sol";
import {VaultFixture} from "./support/VaultFixture.sol";

/// @title The exit that always works
contract InKindTest is VaultFixture {
    function setUp() public override {
        super.setUp();
        invested();
    }

    function test_a_half_of_the_shares_takes_a_half_of_both() public {
        uint256 shares = vault.balanceOf(alice) / 2;
        vm.expectEmit(true, true, true, false);
        emit V.RedeemedInKind(alice, bob, alice, shares, 0, 0);
        vm.prank(alice);
        (uint256 assetAmount, uint256 riskyAmount) = vault.redeemInKind(shares, bob, alice);
        assertApproxEqAbs(assetAmount, 200_000 * USD, 1);
        assertApproxEqRel(riskyAmount, 100e18, 1e9);
        assertEq(stable.balanceOf(bob), assetAmount);
        assertEq(risky.balanceOf(bob), riskyAmount);
        V.State memory s = vault.state();
        assertEq(s.trackedAsset, stable.balanceOf(address(vault)));
        assertEq(s.trackedRisky, risky.balanceOf(address(vault)));
    }

    function test_it_works_while_paused() public {
        vm.prank(guardian);
        vault.pause();
        leaves();
    }

    function test_it_works_with_stale_feeds() public {
        vm.warp(block.timestamp + 30 days);
        leaves();
    }

    function test_it_works_with_broken_feeds_and_a_broken_venue() public {
        riskyFeed.setBroken(true);
        assetFeed.setBroken(true);
        venue.setBroken(true);
        leaves();
    }

    function test_it_works_in_cash_lock_and_beyond_the_bound() public {
        setPrice(1500);
        vault.poke();
        leaves();
    }

    function test_it_works_in_cooldown_without_keeper_guardian_and_pools() public {
        sell(1e18);
        vm.startPrank(owner);
        vault.setKeeper(address(0));
        vault.setGuardian(address(0));
        vault.disallowPool(pool);
        vault.renounceOwnership();
        vm.stopPrank();
        leaves();
    }

    function test_the_last_one_out_ends_floor_and_peak() public {
        setPrice(1500);
        vault.poke();
        leaves();
        V.State memory s = vault.state();
        assertEq(s.totalSupply, 0);
        assertEq(s.floor.perShare, 0);
        assertEq(s.floor.peakPerShare, 0);
        assertFalse(s.floor.cashLock);
        assertEq(s.deleverageSince, 0);
        setPrice(3000);
        deposit(bob, 1_000 * USD);
        assertGt(vault.state().floor.perShare, 0);
    }

    function test_anothers_shares_need_an_allowance() public {
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, bob, 0, 1e12));
        vault.redeemInKind(1e12, bob, alice);
        vm.prank(alice);
        vault.approve(bob, 1e12);
        vm.prank(bob);
        vault.redeemInKind(1e12, bob, alice);
        assertEq(vault.allowance(alice, bob), 0);
    }

    function testFuzz_no_split_takes_more_than_the_whole(uint256 first) public {
        uint256 shares = vault.balanceOf(alice);
        first = bound(first, 0, shares);
        uint256 snapshot = vm.snapshotState();
        vm.prank(alice);
        (uint256 assetWhole, uint256 riskyWhole) = vault.redeemInKind(shares, alice, alice);
        vm.revertToState(snapshot);
        vm.startPrank(alice);
        (uint256 assetFirst, uint256 riskyFirst) = vault.redeemInKind(first, alice, alice);
        (uint256 assetRest, uint256 riskyRest) = vault.redeemInKind(shares - first, alice, alice);
        vm.stopPrank();
        // Virtual shares keep their part once per exit, so the parts differ by theirs at most.
        assertApproxEqRel(assetFirst + assetRest, assetWhole, 1e9);
        assertApproxEqRel(riskyFirst + riskyRest, riskyWhole, 1e9);
        assertLe(assetFirst + assetRest, 400_000 * USD);
        assertLe(riskyFirst + riskyRest, 200e18);
    }

    function leaves() private {
        uint256 shares = vault.balanceOf(alice);
        vm.prank(alice);
        (uint256 assetAmount, uint256 riskyAmount) = vault.redeemInKind(shares, alice, alice);
        assertApproxEqRel(assetAmount, 400_000 * USD, 0.01e18);
        assertApproxEqRel(riskyAmount, 200e18, 0.01e18);
        assertEq(vault.balanceOf(alice), 0);
    }
}
