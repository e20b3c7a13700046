// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ERC4626} from "@openzeppelin/contracts/token/ERC20/extensions/ERC4626.sol";
import {IRebalancingVault as V} from "../src/interfaces/IRebalancingVault.sol";
import {FeeToken} from "./support/FeeToken.sol";
import {TestToken} from "./support/TestToken.sol";
import {TestVenue} from "./support/TestVenue.sol";
import {VaultFixture} from "./support/VaultFixture.sol";

/// @title Deposits, withdrawals, fees, and what may be withdrawn
contract UsersTest is VaultFixture {
    // ---------------------------------------------------------------- deposits

    function test_a_first_deposit_pays_the_entry_fee_to_the_vault() public {
        uint256 shares = deposit(alice, 1_001 * USD);
        assertEq(shares, 1_000e12);
        assertEq(vault.totalAssets(), 1_001 * USD);
        assertEq(vault.decimals(), 12);
    }

    function test_mint_and_deposit_agree() public {
        deposit(alice, 1_000 * USD);
        uint256 assets = vault.previewMint(500e12);
        stable.mint(bob, assets);
        vm.startPrank(bob);
        stable.approve(address(vault), assets);
        assertEq(vault.mint(500e12, bob), assets);
        vm.stopPrank();
        assertEq(vault.balanceOf(bob), 500e12);
        assertEq(stable.balanceOf(bob), 0);
    }

    function test_the_fee_covers_what_the_feeds_leave_unreported() public {
        invested();
        // 75 bps of deviation at 60 % risky is 45 bps, above the least fee of 10.
        uint256 atNav = vault.convertToShares(100_000 * USD);
        assertApproxEqAbs(vault.previewDeposit(100_450 * USD), atNav, 1e6);
        assertApproxEqAbs(vault.previewRedeem(atNav), 99_550 * USD, 2);
    }

    function test_a_deposit_moves_floor_and_nav_per_share_by_its_fee_alone() public {
        invested();
        V.State memory before = vault.state();
        deposit(bob, 500_000 * USD);
        V.State memory s = vault.state();
        assertApproxEqRel(
            s.floor.perShare * before.nav / s.nav, before.floor.perShare * before.totalSupply / s.totalSupply, 1e12
        );
        assertGt(s.nav * before.totalSupply, before.nav * s.totalSupply);
        assertLt(s.nav * before.totalSupply, before.nav * s.totalSupply * 1002 / 1000);
    }

    function test_a_paused_vault_takes_and_pays_no_asset() public {
        invested();
        vm.prank(guardian);
        vault.pause();
        assertEq(vault.maxDeposit(alice), 0);
        assertEq(vault.maxMint(alice), 0);
        assertEq(vault.maxWithdraw(alice), 0);
        assertEq(vault.maxRedeem(alice), 0);
        closed(abi.encodeWithSelector(V.Paused.selector, block.timestamp + 1 days));
    }

    function test_a_stale_oracle_closes_the_vault_but_values_it_still() public {
        invested();
        vm.warp(block.timestamp + 2 hours);
        assertEq(vault.totalAssets(), 1_000_000 * USD);
        assertEq(vault.maxDeposit(alice), 0);
        assertEq(vault.maxWithdraw(alice), 0);
        closed(abi.encodeWithSelector(V.OracleNotFresh.selector, V.OracleStatus.StaleRiskyAnswer));
    }

    function test_a_broken_feed_closes_the_vault_without_a_revert_in_views() public {
        invested();
        riskyFeed.setBroken(true);
        assertEq(vault.totalAssets(), 400_000 * USD);
        assertEq(vault.maxRedeem(alice), 0);
        assertGt(vault.previewRedeem(1e12), 0);
        closed(abi.encodeWithSelector(V.OracleNotFresh.selector, V.OracleStatus.InvalidRiskyAnswer));
    }

    function test_a_token_that_takes_a_fee_is_refused_on_the_way_in() public {
        FeeToken fee = new FeeToken(6);
        stable = fee;
        venue = new TestVenue(stable, risky);
        venue.setPrice(3000 * USD);
        vault = newVault(deployment());
        deposit(alice, 1_000 * USD);
        fee.setCharging(true);
        stable.mint(bob, 100 * USD);
        vm.startPrank(bob);
        stable.approve(address(vault), 100 * USD);
        vm.expectRevert(abi.encodeWithSelector(V.TransferMismatch.selector, 100 * USD, 99 * USD));
        vault.deposit(100 * USD, bob);
    }

    function test_a_risky_token_that_takes_a_fee_cannot_be_bought_short() public {
        FeeToken fee = new FeeToken(18);
        risky = fee;
        venue = new TestVenue(stable, risky);
        venue.setPrice(3000 * USD);
        vault = newVault(deployment());
        invested();
        fee.setCharging(true);
        V.Rebalance memory r = request(true, 1e18);
        rebalance(r);
        assertEq(risky.balanceOf(address(vault)), vault.state().trackedRisky, "a sale is counted as it happened");
    }

    // ---------------------------------------------------------------- withdrawals

    function test_withdraw_pays_exactly_and_burns_the_fee() public {
        invested();
        uint256 shares = vault.previewWithdraw(1_000 * USD);
        assertApproxEqRel(vault.convertToAssets(shares) * 9_955 / 10_000, 1_000e6, 1e12);
        vm.prank(alice);
        assertEq(vault.withdraw(1_000 * USD, bob, alice), shares);
        assertEq(stable.balanceOf(bob), 1_000 * USD);
    }

    function test_an_allowance_is_needed_and_spent() public {
        invested();
        vm.prank(alice);
        vault.approve(bob, 10e12);
        vm.prank(bob);
        vault.redeem(10e12, bob, alice);
        assertEq(vault.allowance(alice, bob), 0);
        vm.expectRevert();
        vm.prank(bob);
        vault.redeem(1, bob, alice);
    }

    function test_withdrawals_end_where_exposure_meets_the_bound() public {
        invested();
        uint256 most = vault.maxWithdraw(alice);
        // Exposure 600,000 needs a cushion of 100,000; each dollar out takes about 0.2 of cushion with it.
        assertGt(most, 390_000 * USD);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(ERC4626.ERC4626ExceededMaxWithdraw.selector, alice, most + 1, most));
        vault.withdraw(most + 1, alice, alice);
        vm.prank(alice);
        vault.withdraw(most, alice, alice);
        V.State memory s = vault.state();
        assertLe(s.exposure, 6 * (s.nav - s.floor.assets));
    }

    function test_withdrawals_end_at_the_bound_before_idle_asset_does() public {
        invested();
        setPrice(2500);
        // Cushion 100,000 and exposure 500,000: the bound leaves a cushion of 83,333.
        uint256 most = vault.maxWithdraw(alice);
        assertLt(most, 200_000 * USD);
        assertGt(most, 100_000 * USD);
        vm.prank(alice);
        vault.withdraw(most, alice, alice);
        V.State memory s = vault.state();
        uint256 limit = 6 * (s.nav - s.floor.assets);
        assertLe(s.exposure, limit);
        assertApproxEqRel(s.exposure, limit, 1e14);
        assertLt(vault.maxWithdraw(alice), 20 * USD);
    }

    function test_nothing_can_be_withdrawn_while_the_bound_is_broken() public {
        invested();
        setPrice(2300);
        assertEq(vault.maxWithdraw(alice), 0);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(ERC4626.ERC4626ExceededMaxRedeem.selector, alice, 1e12, 0));
        vault.redeem(1e12, alice, alice);
    }

    function test_a_locked_vault_without_exposure_pays_everyone_out() public {
        locked();
        assertApproxEqRel(vault.maxWithdraw(alice), vault.totalAssets() * 1000 / 1001, 1e12);
        uint256 shares = vault.balanceOf(alice);
        assertEq(vault.maxRedeem(alice), shares);
        vm.prank(alice);
        vault.redeem(shares, alice, alice);
        assertEq(vault.totalSupply(), 0);
    }

    function test_dust_of_risky_does_not_lock_anyone_in() public {
        locked();
        risky.mint(address(vault), 0.001e18);
        vm.prank(owner);
        vault.sync();
        // 1.80 of exposure, no cushion: all but the 18,000 that keep it a basis point of NAV.
        uint256 most = vault.maxWithdraw(alice);
        assertGt(most, 730_000 * USD);
        vm.prank(alice);
        vault.withdraw(most, alice, alice);
        V.State memory s = vault.state();
        assertLe(s.exposure, s.nav / 10_000);
    }

    // ---------------------------------------------------------------- gifts and inflation

    function test_gifts_are_ignored_until_sync() public {
        invested();
        stable.mint(address(vault), 1_000 * USD);
        risky.mint(address(vault), 1e18);
        assertEq(vault.totalAssets(), 1_000_000 * USD);
        vm.prank(owner);
        vault.sync();
        assertEq(vault.totalAssets(), 1_004_000 * USD);
    }

    function test_sync_takes_losses_too() public {
        invested();
        stable.burn(address(vault), 1_000 * USD);
        vm.prank(owner);
        vault.sync();
        assertEq(vault.totalAssets(), 999_000 * USD);
    }

    function test_inflating_the_first_share_costs_the_attacker_not_the_victim() public {
        deposit(bob, 2);
        stable.mint(address(vault), 1_000_000 * USD);
        vm.prank(owner);
        vault.sync();
        uint256 shares = deposit(alice, 10_000 * USD);
        vm.prank(alice);
        (uint256 back,) = vault.redeemInKind(shares, alice, alice);
        assertGt(back, 9_970 * USD);
        vm.startPrank(bob);
        (back,) = vault.redeemInKind(vault.balanceOf(bob), bob, bob);
        assertLt(back, 667_000 * USD, "a third of the gift is lost to virtual shares");
    }

    // ---------------------------------------------------------------- fuzz

    function testFuzz_max_withdraw_never_reverts_and_keeps_the_bound(
        uint256 dollars,
        uint256 spent,
        uint32 multiple,
        uint16 floor
    ) public {
        V.Parameters memory p = parameters();
        p.boundBps = uint32(bound(multiple, 10_000, 200_000));
        p.initialFloorBps = uint16(bound(floor, 0, 9_900));
        setParameters(p);
        deposit(alice, 600_000 * USD);
        deposit(bob, 400_000 * USD);
        tryBuy(bound(spent, 1, 790_000 * USD));
        setPrice(bound(dollars, 500, 9_000));
        uint256 most = vault.maxWithdraw(alice);
        uint256 redeemable = vault.maxRedeem(alice);
        assertLe(vault.previewWithdraw(most), redeemable);
        vm.prank(alice);
        uint256 paid = vault.redeem(redeemable, alice, alice);
        assertEq(paid, most);
        V.State memory s = vault.state();
        uint256 cushion = s.nav > s.floor.assets ? s.nav - s.floor.assets : 0;
        if (most != 0) assertTrue(s.exposure <= cushion * p.boundBps / 10_000 || s.exposure <= s.nav / 10_000);
    }

    function testFuzz_a_round_trip_never_profits(uint256 assets, uint256 spent, uint256 dollars, bool up) public {
        deposit(alice, 1_000_000 * USD);
        buy(bound(spent, 3, 790_000 * USD) / 3 * 3);
        setPrice(bound(dollars, 2800, 5_000));
        assets = bound(assets, 1, 10_000_000 * USD);
        uint256 shares = deposit(bob, assets);
        // The feeds move by as much as they may leave unreported.
        int256 answer = latestAnswer();
        riskyFeed.set(up ? answer * 10_075 / 10_000 : answer * 9_925 / 10_000);
        uint256 redeemable = vault.maxRedeem(bob);
        vm.prank(bob);
        uint256 back = vault.redeem(redeemable, bob, bob);
        uint256 left = vault.convertToAssets(shares - redeemable);
        assertLe(back + left, assets);
    }

    function testFuzz_deposit_matches_preview_and_shares_are_backed(uint256 assets, uint256 dollars) public {
        invested();
        setPrice(bound(dollars, 500, 9_000));
        assets = bound(assets, 0, 1_000_000_000 * USD);
        uint256 expected = vault.previewDeposit(assets);
        assertEq(deposit(bob, assets), expected);
        V.State memory s = vault.state();
        assertEq(stable.balanceOf(address(vault)), s.trackedAsset);
        assertEq(risky.balanceOf(address(vault)), s.trackedRisky);
        assertLe(vault.convertToAssets(s.totalSupply), s.nav);
    }

    function testFuzz_decimals_of_both_tokens_change_no_value(uint8 assetDecimals, uint8 riskyDecimals) public {
        assetDecimals = uint8(bound(assetDecimals, 6, 18));
        riskyDecimals = uint8(bound(riskyDecimals, 6, 18));
        stable = new TestToken("Stable", "S", assetDecimals);
        risky = new TestToken("Risky", "R", riskyDecimals);
        venue = new TestVenue(stable, risky);
        V.Deployment memory d = deployment();
        d.riskyIsNative = false;
        d.parameters.rewardCap = 0;
        vault = newVault(d);
        deposit(alice, 30_000 * 10 ** assetDecimals);
        risky.mint(address(vault), 10 * 10 ** riskyDecimals);
        vm.prank(owner);
        vault.sync();
        V.State memory s = vault.state();
        assertEq(s.price, 3000e18);
        assertEq(s.exposure, 30_000 * 10 ** assetDecimals);
        assertEq(s.nav, 60_000 * 10 ** assetDecimals);
        assertEq(s.shareDecimals, assetDecimals + 6);
    }

    // ---------------------------------------------------------------- support

    function tryBuy(uint256 assets) private {
        V.Rebalance memory r = request(false, assets);
        vm.prank(keeper);
        try vault.rebalance(r) {} catch {}
        pass(1 hours);
    }

    /// @dev Cash-lock at 1,800, sold out.
    function locked() private {
        invested();
        setPrice(1800);
        vault.poke();
        sell(vault.state().trackedRisky);
        assertTrue(vault.state().floor.cashLock);
    }

    function closed(bytes memory err) private {
        stable.mint(alice, 10 * USD);
        vm.startPrank(alice);
        stable.approve(address(vault), 10 * USD);
        vm.expectRevert(err);
        vault.deposit(USD, alice);
        vm.expectRevert(err);
        vault.mint(1e12, alice);
        vm.expectRevert(err);
        vault.withdraw(USD, alice, alice);
        vm.expectRevert(err);
        vault.redeem(1e12, alice, alice);
        vm.stopPrank();
    }
}
