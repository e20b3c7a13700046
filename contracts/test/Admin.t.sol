// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IRebalancingVault as V} from "../src/interfaces/IRebalancingVault.sol";
import {RebalancingVault} from "../src/RebalancingVault.sol";
import {TestToken} from "./support/TestToken.sol";
import {TestVenue} from "./support/TestVenue.sol";
import {VaultFixture} from "./support/VaultFixture.sol";

/// @title Owner, guardian, roles, pools, and what a new vault may be made of
contract AdminTest is VaultFixture {
    function test_only_the_owner_sets_things() public {
        bytes memory err = abi.encodeWithSignature("OwnableUnauthorizedAccount(address)", keeper);
        vm.startPrank(keeper);
        vm.expectRevert(err);
        vault.setParameters(parameters());
        vm.expectRevert(err);
        vault.setPolicyHash(bytes32(0));
        vm.expectRevert(err);
        vault.setKeeper(keeper);
        vm.expectRevert(err);
        vault.setGuardian(keeper);
        vm.expectRevert(err);
        vault.allowPool(alice, address(venue));
        vm.expectRevert(err);
        vault.disallowPool(pool);
        vm.expectRevert(err);
        vault.unpause();
    }

    function test_ownership_takes_two_steps() public {
        vm.prank(owner);
        vault.transferOwnership(alice);
        assertEq(vault.state().owner, owner);
        vm.expectRevert(abi.encodeWithSignature("OwnableUnauthorizedAccount(address)", bob));
        vm.prank(bob);
        vault.acceptOwnership();
        vm.prank(alice);
        vault.acceptOwnership();
        assertEq(vault.state().owner, alice);
    }

    function test_roles_and_policy_are_named_by_the_owner() public {
        vm.startPrank(owner);
        vm.expectEmit();
        emit V.KeeperChanged(alice);
        vault.setKeeper(alice);
        vm.expectEmit();
        emit V.GuardianChanged(bob);
        vault.setGuardian(bob);
        vm.expectEmit();
        emit V.PolicyHashChanged(keccak256("new"));
        vault.setPolicyHash(keccak256("new"));
        V.State memory s = vault.state();
        assertEq(s.keeper, alice);
        assertEq(s.guardian, bob);
        assertEq(s.policyHash, keccak256("new"));
    }

    function test_a_pause_ends_by_itself() public {
        vm.prank(guardian);
        vault.pause();
        uint256 until = block.timestamp + 1 days;
        assertEq(vault.state().pausedUntil, until);
        vm.warp(until - 1);
        refresh();
        assertEq(vault.maxDeposit(alice), 0);
        vm.warp(until);
        refresh();
        assertGt(vault.maxDeposit(alice), 0);
    }

    function test_owner_and_guardian_pause_and_only_the_owner_ends_it() public {
        vm.expectRevert(abi.encodeWithSelector(V.NotGuardian.selector, alice));
        vm.prank(alice);
        vault.pause();
        vm.startPrank(owner);
        vault.pause();
        vault.unpause();
        assertEq(vault.state().pausedUntil, 0);
    }

    // ---------------------------------------------------------------- pools

    function test_state_lists_the_pools() public {
        vm.prank(owner);
        vault.allowPool(alice, address(venue));
        V.Pool[] memory pools = vault.state().pools;
        assertEq(pools.length, 2);
        assertEq(pools[1].pool, alice);
        assertEq(pools[1].venue, address(venue));
        assertEq(pools[1].kind, "test");
        assertEq(pools[1].fee, 500);
        assertTrue(pools[1].riskyIsToken0);
    }

    function test_a_pool_is_listed_once_and_can_be_taken_off() public {
        vm.startPrank(owner);
        vm.expectRevert(abi.encodeWithSelector(V.PoolAlreadyAllowed.selector, pool));
        vault.allowPool(pool, address(venue));
        vault.allowPool(alice, address(venue));
        vault.allowPool(bob, address(venue));
        vm.expectEmit();
        emit V.PoolDisallowed(pool);
        vault.disallowPool(pool);
        V.Pool[] memory pools = vault.state().pools;
        assertEq(pools.length, 2);
        assertEq(pools[0].pool, bob);
        assertEq(pools[1].pool, alice);
        vm.expectRevert(abi.encodeWithSelector(V.PoolNotAllowed.selector, pool, address(0)));
        vault.disallowPool(pool);
        vault.disallowPool(alice);
        vault.disallowPool(bob);
        assertEq(vault.state().pools.length, 0);
    }

    function test_there_are_at_most_eight_pools() public {
        vm.startPrank(owner);
        for (uint160 i = 1; i < 8; ++i) {
            vault.allowPool(address(i), address(venue));
        }
        vm.expectRevert(V.TooManyPools.selector);
        vault.allowPool(address(8), address(venue));
    }

    function test_a_pool_of_other_tokens_is_refused() public {
        TestToken other = new TestToken("Other", "O", 18);
        TestVenue wrongAsset = new TestVenue(other, risky);
        TestVenue wrongRisky = new TestVenue(stable, other);
        vm.startPrank(owner);
        vm.expectRevert(abi.encodeWithSelector(V.WrongPoolTokens.selector, alice));
        vault.allowPool(alice, address(wrongAsset));
        vm.expectRevert(abi.encodeWithSelector(V.WrongPoolTokens.selector, alice));
        vault.allowPool(alice, address(wrongRisky));
    }

    // ---------------------------------------------------------------- a new vault

    function test_a_new_vault_shows_what_it_was_made_of() public view {
        V.State memory s = vault.state();
        assertEq(s.asset, address(stable));
        assertEq(s.risky, address(risky));
        assertEq(s.assetDecimals, 6);
        assertEq(s.riskyDecimals, 18);
        assertEq(s.shareDecimals, 12);
        assertEq(s.riskyFeed, address(riskyFeed));
        assertEq(s.assetFeed, address(assetFeed));
        assertEq(s.sequencerUptimeFeed, address(0));
        assertEq(s.owner, owner);
        assertEq(s.keeper, keeper);
        assertEq(s.guardian, guardian);
        assertEq(s.policyHash, POLICY);
        assertEq(s.nextNonce, 0);
        assertEq(s.lastRebalanceAt, 0);
        assertEq(s.floor.assets, 0);
        assertEq(s.optionBook, address(0));
        assertFalse(s.epochOpen);
        assertEq(keccak256(abi.encode(s.parameters)), keccak256(abi.encode(parameters())));
        assertEq(vault.name(), "Floor Vault");
        assertEq(vault.symbol(), "fTUSD");
    }

    function test_unfit_tokens_and_feeds_are_refused() public {
        V.Deployment memory d = deployment();
        d.risky = d.asset;
        unfit(d, abi.encodeWithSelector(V.UnsupportedToken.selector, d.asset));
        d.risky = alice;
        unfit(d, abi.encodeWithSelector(V.UnsupportedToken.selector, alice));
        d.risky = address(new TestToken("T", "T", 5));
        unfit(d, abi.encodeWithSelector(V.UnsupportedToken.selector, d.risky));
        d.risky = address(new TestToken("T", "T", 19));
        unfit(d, abi.encodeWithSelector(V.UnsupportedToken.selector, d.risky));
        d.risky = address(new TestToken("T", "T", 8));
        unfit(d, abi.encodeWithSelector(V.UnsupportedToken.selector, d.risky));
        d = deployment();
        d.riskyFeed = address(0);
        unfit(d, abi.encodeWithSelector(V.ZeroAddress.selector));
        d = deployment();
        d.assetFeed = address(0);
        unfit(d, abi.encodeWithSelector(V.ZeroAddress.selector));
        d = deployment();
        d.owner = address(0);
        unfit(d, abi.encodeWithSignature("OwnableInvalidOwner(address)", address(0)));
    }

    function unfit(V.Deployment memory d, bytes memory err) private {
        vm.expectRevert(err);
        new RebalancingVault(d);
    }
}
