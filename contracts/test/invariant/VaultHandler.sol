// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IRebalancingVault as V} from "../../src/interfaces/IRebalancingVault.sol";
import {IVenue} from "../../src/interfaces/IVenue.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {KeeperActions} from "./KeeperActions.sol";
import {Market} from "./Market.sol";

/// @title Everything that can happen to a vault; every action checks what it must not do
contract VaultHandler is KeeperActions {
    V.FloorKind private immutable FLOOR_KIND;

    constructor(bool riskyIsToken0_, V.FloorKind floorKind) Market(riskyIsToken0_) {
        FLOOR_KIND = floorKind;
    }

    function parameters() internal view override returns (V.Parameters memory p) {
        p = super.parameters();
        p.floorKind = FLOOR_KIND;
        p.pauseDuration = 1 hours;
        p.turnoverCapBps = 10_000;
        p.boundBps = 30_000;
    }

    /// @dev What should happen more often is there more often.
    function selectors() external pure returns (bytes4[] memory s) {
        s = new bytes4[](38);
        (s[0], s[1], s[2]) = (this.deposits.selector, this.deposits.selector, this.deposits.selector);
        (s[3], s[4], s[5]) = (this.withdraws.selector, this.redeems.selector, this.redeemsInKind.selector);
        (s[6], s[7], s[8]) = (this.movesShares.selector, this.gives.selector, this.takesGiftsIn.selector);
        for (uint256 i = 9; i < 15; ++i) {
            s[i] = this.rebalances.selector;
        }
        (s[15], s[16], s[17]) = (this.asksWrongly.selector, this.sellsWhenForced.selector, this.pokes.selector);
        (s[18], s[19], s[20]) = (this.deleverages.selector, this.deleverages.selector, this.sellsWhenForced.selector);
        (s[21], s[22], s[23]) = (this.waits.selector, this.waits.selector, this.waits.selector);
        (s[24], s[25], s[26]) = (this.answers.selector, this.answers.selector, this.answers.selector);
        (s[27], s[28], s[29]) = (this.pauses.selector, this.rearms.selector, this.feedsFail.selector);
        (s[30], s[31]) = (this.changesParameters.selector, this.meddles.selector);
        (s[32], s[33], s[34]) = (this.rearms.selector, this.waitsOutAFall.selector, this.waitsOutAFall.selector);
        (s[35], s[36], s[37]) = (this.rearms.selector, this.waitsOutAFall.selector, this.waitsOutAFall.selector);
    }

    function vaultAddress() external view returns (V, address, address) {
        return (vault, v3, v2);
    }

    function tokens() external view returns (address, address) {
        return (address(stable), address(risky));
    }

    // ---------------------------------------------------------------- anyone

    function pokes(uint256 who) external harmless floorHolds {
        vm.prank(users[who % users.length]);
        vault.poke();
        V.State memory s = vault.state();
        if (s.totalSupply == 0) return;
        if (s.price != 0) assertEq(s.deleverageSince != 0, isBroken(s), "timer");
        if (isFresh(s) && s.nav <= s.floor.assets) assertTrue(s.floor.cashLock, "no cash-lock at the floor");
    }

    function deleverages(uint256 who, uint256 size, bool onV3) external floorHolds {
        tryDeleverage(users[who % users.length], size, onV3);
    }

    function tryDeleverage(address caller, uint256 size, bool onV3) private {
        V.State memory s = vault.state();
        if (isBroken(s) && size % 4 != 0) s = waitsOutTheGrace(size);
        uint256 paid = stable.balanceOf(caller);
        vm.prank(caller);
        try vault.deleverage(onV3 ? v3Pool : pair, sized(size, 1_000e18)) returns (uint256 sold, uint256 got) {
            checkDeleverage(s, sold, got, stable.balanceOf(caller) - paid);
            ++times[s.floor.cashLock ? bytes32("locked deleverage") : bytes32("deleverage")];
        } catch (bytes memory err) {
            bytes4 e = bytes4(err);
            bool due = isBroken(s) && s.deleverageSince != 0
                && block.timestamp >= s.deleverageSince + s.parameters.deleverageGrace;
            assertTrue(!due || s.price == 0 || e == IVenue.InsufficientOutput.selector, "due, and refused");
        }
    }

    /// @dev Somebody saw the breach; time passes, with or without answers of the feeds, and the market is where it was.
    function waitsOutTheGrace(uint256 seed) private returns (V.State memory s) {
        vault.poke();
        vm.warp(block.timestamp + bound(seed, 50 minutes, 3 hours));
        vm.roll(block.number + 300);
        if (seed % 4 == 1 && !riskyFeed.broken()) refresh();
        s = vault.state();
        if (s.price != 0) movePools(s.price);
    }

    function checkDeleverage(V.State memory s, uint256 sold, uint256 got, uint256 reward) private view {
        V.State memory b = vault.state();
        assertTrue(isBroken(s), "sold below the bound");
        assertGe(block.timestamp, s.deleverageSince + s.parameters.deleverageGrace, "too soon");
        assertNotEq(s.deleverageSince, 0, "nobody had seen it");
        assertEq(s.trackedRisky - b.trackedRisky, sold);
        // Without the sale's own cost the exposure would be at the bound, less a rounding of one unit of each.
        assertGe(worth(b.trackedRisky + 1, s.price) + 1 + s.price / SCALE, Math.min(boundOf(s), s.exposure));
        uint256 slippage = Math.max(s.parameters.deleverageMaxSlippageBps, s.parameters.degradedSlippageBps);
        assertGe(got, worth(sold, s.price) * (BPS - slippage) / BPS, "too little");
        assertLe(reward, got * s.parameters.rewardBps / BPS, "reward");
        assertLe(reward, s.parameters.rewardCap, "reward");
        assertEq(b.trackedAsset + reward, s.trackedAsset + got);
    }

    // ---------------------------------------------------------------- owner, guardian, and those who are neither

    function pauses(bool ends) external harmless floorHolds {
        vm.prank(ends ? owner : guardian);
        if (ends) vault.unpause();
        else vault.pause();
    }

    function rearms(uint256 part) external {
        V.State memory s = vault.state();
        if (!s.floor.cashLock || !isFresh(s) || s.totalSupply == 0) return;
        uint256 navPerShare = Math.mulDiv(s.nav + 1, WAD * VIRTUAL_SHARES, s.totalSupply + VIRTUAL_SHARES);
        vm.prank(owner);
        vault.rearm(navPerShare * bound(part, 0, 9_900) / BPS);
        floorBelow = vault.state().floor.perShare;
        ++times["rearm"];
    }

    function changesParameters(uint256 seed) external harmless floorHolds {
        V.Parameters memory p = vault.state().parameters;
        p.floorKind = V.FloorKind(seed % 3);
        p.ratchetShareBps = uint16(bound(seed >> 8, 5_000, 9_000));
        p.accrualRate = uint64(bound(seed >> 16, 0, 0.5e18));
        setParameters(p);
    }

    function meddles(uint256 who, uint256 what) external harmless floorHolds {
        bytes[9] memory calls = [
            abi.encodeCall(V.setParameters, (parameters())),
            abi.encodeCall(V.setPolicyHash, (POLICY)),
            abi.encodeCall(V.setKeeper, (users[who % users.length])),
            abi.encodeCall(V.setGuardian, (users[who % users.length])),
            abi.encodeCall(V.allowPool, (pool, address(venue))),
            abi.encodeCall(V.disallowPool, (v3Pool)),
            abi.encodeCall(V.rearm, (1)),
            abi.encodeCall(V.pause, ()),
            abi.encodeCall(V.unpause, ())
        ];
        vm.prank(what % 2 == 0 ? users[who % users.length] : keeper);
        (bool ok,) = address(vault).call(calls[what % calls.length]);
        assertFalse(ok, "somebody is the owner");
    }

    // ---------------------------------------------------------------- the world

    /// @dev With or without new answers of the feeds.
    function waits(uint256 time, uint256 silence) external floorHolds {
        time = bound(time, 12, 4 hours);
        vm.warp(block.timestamp + time);
        vm.roll(block.number + time / 12);
        if (silence % 4 != 0 && !riskyFeed.broken()) refresh();
    }

    /// @dev A fall that breaks the bound of a vault that leans out far; then, perhaps, silence.
    function waitsOutAFall(uint256 seed) external floorHolds {
        if (riskyFeed.broken() || latestAnswer() < 600e8) return;
        riskyFeed.set(latestAnswer() * int256(bound(seed, 8_700, 9_500)) / 10_000);
        movePools(feedPrice());
        if (seed % 3 == 0) return tryDeleverage(users[seed % users.length], seed | 1, true);
        if (seed % 3 == 1) return;
        vm.warp(block.timestamp + 2 hours);
        vm.roll(block.number + 600);
    }

    /// @dev The feeds answer again; the price moves by up to 15 %, and the market follows in most cases.
    function answers(uint256 seed) external floorHolds {
        riskyFeed.setBroken(false);
        uint256 price = uint256(latestAnswer()) * bound(seed, 8_500, 11_600) / BPS;
        price = Math.min(Math.max(price, 300e8), 30_000e8);
        riskyFeed.set(int256(price));
        assetFeed.set(1e8);
        if (seed % 5 != 0) movePools(price * 1e10);
    }

    function feedsFail(uint256 how) external floorHolds {
        if (how % 3 == 0) riskyFeed.setBroken(true);
        if (how % 3 == 1) assetFeed.set(int256(bound(how, 0.9e8, 1.1e8)));
        if (how % 3 == 2) assetFeed.push(0, block.timestamp, block.timestamp);
        ++times["failure"];
    }
}
