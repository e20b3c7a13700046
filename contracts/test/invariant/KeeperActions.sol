// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IRebalancingVault as V} from "../../src/interfaces/IRebalancingVault.sol";
import {IVenue} from "../../src/interfaces/IVenue.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {UserActions} from "./UserActions.sol";

/// @title The keeper, who asks for anything, and those who would like to be the keeper
abstract contract KeeperActions is UserActions {
    /// @notice A trade that counted against the daily cap.
    /// @param part Of NAV, WAD
    struct Traded {
        uint256 at;
        uint256 part;
    }

    Traded[] private _traded;

    /// @dev A request of any size, direction and price; every success is measured against every bound.
    function rebalances(uint256 seed, uint256 size, uint256 offset, bool sale) external floorHolds {
        if (seed % 16 > 3) {
            vm.warp(block.timestamp + 10 minutes);
            vm.roll(block.number + 50);
        }
        V.State memory s = vault.state();
        uint256 held = sale ? s.trackedRisky : s.trackedAsset;
        if (held == 0 || s.price == 0) return;
        // The market stands within 0.3 % of what the vault believes, or wherever it was.
        if (seed % 4 != 0) movePools(s.price * bound(offset, 9_970, 10_030) / BPS);
        // A keeper that looks ahead asks for no more than may pass, and often for all of that.
        V.Rebalance memory r = anyRequest(s, sale, seed, seed % 8 > 4 ? held : sized(size, held));
        if (seed % 8 > 1) fit(r, s, sale);
        if (r.swaps[0].amountIn == 0) return;
        vm.prank(keeper);
        (bool ok,, bytes memory refusal) = vault.previewRebalance(r);
        vm.prank(keeper);
        try vault.rebalance(r) {
            assertTrue(ok, "preview refused what passed");
            checkTrade(s, vault.state(), r.swaps[0].amountIn, sale);
            ++times[sale ? bytes32("sale") : bytes32("buy")];
        } catch (bytes memory err) {
            if (ok) assertTrue(isMarketsRefusal(bytes4(err)), "a guard that the preview does not know");
            else assertEq(err, refusal, "another refusal than the preview's");
        }
    }

    /// @dev Whoever else asks, and whatever is not in order, is refused.
    function asksWrongly(uint256 seed, uint256 size, bool sale) external floorHolds {
        V.State memory s = vault.state();
        uint256 held = sale ? s.trackedRisky : s.trackedAsset;
        if (held == 0 || s.price == 0) return;
        movePools(s.price);
        V.Rebalance memory r = anyRequest(s, sale, seed, sized(size, held));
        address caller = spoil(r, seed, s);
        vm.prank(caller);
        (bool ok,,) = vault.previewRebalance(r);
        assertFalse(ok, "preview lets a wrong request pass");
        vm.prank(caller);
        vm.expectRevert();
        vault.rebalance(r);
    }

    /// @dev A sale that the market can pay passes once the bound is broken: paused, cooling, spent or degraded.
    function sellsWhenForced(uint256 size) external floorHolds {
        V.State memory s = corner(size >> 128);
        if (!isBroken(s) || s.price == 0) return;
        movePools(s.price);
        // What half a million moves the pool is well inside the slippage bound, at any price of this world.
        uint256 value = Math.min(s.nav * s.parameters.maxTradeBps / BPS, 500_000 * USD);
        uint256 most = Math.min(Math.mulDiv(value, SCALE, s.price), s.trackedRisky);
        // Of some units the rounding alone is more than any slippage.
        if (most <= 0.01e18) return;
        uint256 units = bound(size, 0.01e18, most);
        V.Rebalance memory r = anyRequest(s, true, 0, units);
        vm.prank(keeper);
        vault.rebalance(r);
        checkTrade(s, vault.state(), units, true);
        ++times[isFresh(s) ? bytes32("forced sale") : bytes32("degraded forced sale")];
        if (isPaused(s)) ++times["paused forced sale"];
        if (block.timestamp < s.lastRebalanceAt + s.parameters.cooldown) ++times["early forced sale"];
        if (s.turnoverLevel + worth(units, s.price) > s.turnoverCapacity) ++times["spent forced sale"];
    }

    /// @dev The price falls until the bound is broken, if anything is held; then comes whatever could stop a sale.
    function corner(uint256 seed) internal returns (V.State memory s) {
        riskyFeed.setBroken(false);
        assetFeed.set(1e8);
        riskyFeed.set(latestAnswer() < 1000e8 ? int256(3000e8) : latestAnswer());
        s = vault.state();
        for (uint256 i = 0; i < 3 && s.trackedRisky != 0 && !isBroken(s); ++i) {
            riskyFeed.set(latestAnswer() * 92 / 100);
            s = vault.state();
        }
        // A gap through the floor.
        if (seed % 5 == 0) riskyFeed.set(latestAnswer() * 60 / 100);
        movePools(feedPrice());
        if (seed % 2 == 0) {
            vm.prank(guardian);
            vault.pause();
        }
        if (seed % 3 == 0) {
            vm.warp(block.timestamp + 80 minutes);
            vm.roll(block.number + 400);
        }
        return vault.state();
    }

    // ---------------------------------------------------------------- requests

    function anyRequest(V.State memory s, bool sale, uint256 seed, uint256 amountIn)
        internal
        view
        returns (V.Rebalance memory r)
    {
        r.nonce = s.nextNonce;
        r.policyHash = s.policyHash;
        r.decisionHash = keccak256(abi.encode(seed));
        r.decisionBlock = uint64(block.number - 1 - seed % s.parameters.maxDecisionAge);
        r.decisionBlockHash = blockhash(r.decisionBlock);
        r.deadline = uint64(block.timestamp);
        r.swaps = new V.Swap[](1);
        (address at, address through_) = seed % 2 == 0 ? (v3Pool, v3) : (pair, v2);
        r.swaps[0] = V.Swap(at, through_, sale, amountIn, lowest(s, sale, amountIn));
    }

    /// @dev The least the vault may accept.
    function lowest(V.State memory s, bool sale, uint256 amountIn) internal pure returns (uint256) {
        uint256 kept = BPS - (isFresh(s) ? s.parameters.slippageBps : s.parameters.degradedSlippageBps);
        uint256 fair = sale
            ? Math.mulDiv(amountIn, s.price, SCALE, Math.Rounding.Ceil)
            : Math.mulDiv(amountIn, SCALE, s.price, Math.Rounding.Ceil);
        return Math.mulDiv(fair, kept, BPS, Math.Rounding.Ceil);
    }

    function fit(V.Rebalance memory r, V.State memory s, bool sale) internal pure {
        uint256 value = Math.min(Math.saturatingSub(s.turnoverCapacity, s.turnoverLevel), s.nav * 8 / 10);
        if (!sale) value = Math.min(value, Math.saturatingSub(boundOf(s), s.exposure) * 99 / 100);
        uint256 most = sale ? Math.mulDiv(value, SCALE, s.price) : value;
        V.Swap memory swap = r.swaps[0];
        swap.amountIn = Math.min(swap.amountIn, most);
        swap.minAmountOut = lowest(s, sale, swap.amountIn);
    }

    /// @dev One thing is wrong, by at least one unit, and nothing else.
    function spoil(V.Rebalance memory r, uint256 seed, V.State memory s) private view returns (address caller) {
        uint256 fault = (seed >> 32) % 12;
        caller = keeper;
        V.Swap memory swap = r.swaps[0];
        if (fault == 0) caller = users[seed % users.length];
        if (fault == 1) r.nonce = seed % 2 == 0 ? r.nonce + 1 : ~r.nonce;
        if (fault == 2) r.policyHash = ~r.policyHash;
        if (fault == 3) r.decisionBlock = uint64(block.number - 1 - s.parameters.maxDecisionAge);
        if (fault == 4) r.decisionBlock = uint64(block.number + 1);
        if (fault == 5) r.decisionBlockHash = ~r.decisionBlockHash;
        if (fault == 6) r.deadline = uint64(block.timestamp - 1);
        if (fault == 7) swap.venue = swap.venue == v3 ? v2 : v3;
        if (fault == 8) (swap.pool, swap.venue) = (pool, address(0));
        if (fault == 9) swap.minAmountOut = swap.minAmountOut - 1;
        if (fault == 10) swap.amountIn = (swap.sellRisky ? s.trackedRisky : s.trackedAsset) + 1;
        if (fault == 11) r.swaps = new V.Swap[](0);
        if (fault == 3 || fault == 4) r.decisionBlockHash = blockhash(r.decisionBlock);
    }

    /// @dev What only the swap itself can show.
    function isMarketsRefusal(bytes4 selector) private pure returns (bool) {
        return selector == IVenue.InsufficientOutput.selector || selector == V.NavLossTooLarge.selector
            || selector == V.ExposureTooLarge.selector;
    }

    // ---------------------------------------------------------------- every bound, measured

    function checkTrade(V.State memory a, V.State memory b, uint256 amountIn, bool sale) internal {
        uint256 sold = sale ? a.trackedRisky - b.trackedRisky : a.trackedAsset - b.trackedAsset;
        uint256 got = sale ? b.trackedAsset - a.trackedAsset : b.trackedRisky - a.trackedRisky;
        uint256 value = sale ? worth(sold, a.price) : sold;
        assertEq(sold, amountIn);
        assertEq(b.nextNonce, a.nextNonce + 1);
        assertLe(value, a.nav * a.parameters.maxTradeBps / BPS + 1, "too large");
        assertGe(got, lowest(a, sale, sold), "too little");
        if (isFresh(a)) {
            assertGe(b.nav + a.nav * a.parameters.navLossBps / BPS, a.nav, "lost too much");
        }
        if (!sale) checkBuy(a, b);
        if (sale && isBroken(a)) return;
        assertGe(block.timestamp, a.lastRebalanceAt + a.parameters.cooldown, "too soon");
        checkDay(a, value);
    }

    function checkBuy(V.State memory a, V.State memory b) private view {
        assertTrue(isFresh(a) && !isPaused(a) && !a.floor.cashLock, "a buy in the wrong state");
        assertLe(b.exposure, b.nav * b.parameters.capBps / BPS, "above the cap");
        assertLe(b.exposure, boundOf(b), "above the bound");
    }

    /// @dev All that was not forced, in the 24 hours up to now.
    function checkDay(V.State memory s, uint256 value) private {
        _traded.push(Traded(block.timestamp, Math.mulDiv(value, WAD, s.nav)));
        uint256 sum = 0;
        for (uint256 i = _traded.length; i > 0 && _traded[i - 1].at + 1 days >= block.timestamp; --i) {
            sum += _traded[i - 1].part;
        }
        assertLe(sum, s.parameters.turnoverCapBps * WAD / BPS, "more than a day's turnover");
    }
}
