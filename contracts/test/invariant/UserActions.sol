// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IRebalancingVault as V} from "../../src/interfaces/IRebalancingVault.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Market} from "./Market.sol";

/// @title Users who come, leave, give and move shares, an attacker among them
abstract contract UserActions is Market {
    address[] internal users;
    /// @dev Lowest floor per share that may be seen next.
    uint256 internal floorBelow;
    mapping(bytes32 what => uint256) public times;

    function setUp() public virtual override {
        super.setUp();
        users = [alice, bob, makeAddr("carol"), makeAddr("attacker")];
        for (uint256 i = 0; i < users.length; ++i) {
            vm.prank(users[i]);
            stable.approve(address(vault), type(uint256).max);
        }
        floorBelow = vault.state().floor.perShare;
    }

    /// @dev After every action of anyone: the floor of a share has not fallen.
    modifier floorHolds() {
        _;
        uint256 floor = vault.state().floor.perShare;
        if (vault.totalSupply() == 0) floorBelow = 0;
        assertGe(floor, floorBelow, "floor fell");
        floorBelow = floor;
    }

    /// @dev Nobody's share loses by what another user does, and no user makes the vault trade.
    modifier harmless() {
        V.State memory a = vault.state();
        _;
        V.State memory b = vault.state();
        if (isFresh(a)) {
            uint256 before = Math.mulDiv(a.nav + 1, WAD * VIRTUAL_SHARES, a.totalSupply + VIRTUAL_SHARES);
            uint256 less = Math.mulDiv(b.nav + 2, WAD * VIRTUAL_SHARES, b.totalSupply + VIRTUAL_SHARES);
            assertGe(less, before, "a share lost value");
        }
        assertLe(b.trackedRisky, a.trackedRisky, "a user made the vault buy");
    }

    /// @dev No user moves the floor against NAV; a ratchet may find its peak confirmed, as by any poke.
    modifier inProportion() {
        V.State memory a = vault.state();
        _;
        V.State memory b = vault.state();
        if (a.price != 0 && b.totalSupply != 0 && a.nav >= USD) proportional(a, b);
    }

    function proportional(V.State memory a, V.State memory b) private pure {
        uint256 up = (b.nav + 1) * (a.totalSupply + VIRTUAL_SHARES);
        uint256 down = (a.nav + 1) * (b.totalSupply + VIRTUAL_SHARES);
        uint256 expected = Math.mulDiv(a.floor.perShare, up, down);
        // An exit in kind is rounded by a unit of each token.
        assertGe(b.floor.perShare, Math.mulDiv(expected, Math.saturatingSub(b.nav, 2), b.nav + 1), "floor against NAV");
        if (a.parameters.floorKind == V.FloorKind.Ratchet) return;
        // NAV is rounded by a unit too.
        expected = Math.mulDiv(expected, b.nav + 2, b.nav + 1, Math.Rounding.Ceil);
        assertLe(b.floor.perShare, expected + 2 * Math.ceilDiv(up, down) + 2, "NAV against floor");
    }

    function deposits(uint256 who, uint256 size) external harmless inProportion floorHolds {
        address user = users[who % users.length];
        V.State memory s = vault.state();
        bool open = isFresh(s) && !isPaused(s);
        uint256 assets = sized(size, 200_000 * USD);
        stable.mint(user, assets);
        assertEq(vault.maxDeposit(user) != 0, open);
        vm.prank(user);
        try vault.deposit(assets, user) returns (uint256 shares) {
            assertTrue(open, "deposit while closed");
            if (s.nav < USD) floorBelow = 0;
            notRobbed(s, assets, shares);
            ++times["deposit"];
        } catch {
            assertFalse(open, "deposit refused");
        }
    }

    /// @dev What came back is worth the deposit, less the fee and a rounding of one share and one unit.
    function notRobbed(V.State memory before, uint256 assets, uint256 shares) private view {
        uint256 nav = before.nav + assets;
        uint256 supply = before.totalSupply + shares + VIRTUAL_SHARES;
        uint256 fee = Math.max(
            before.parameters.entryFeeBps,
            before.nav == 0 ? 0 : Math.ceilDiv(before.parameters.feedDeviationBps * before.exposure, before.nav)
        );
        uint256 least = assets * BPS / (BPS + fee);
        assertGe(Math.mulDiv(shares, nav + 1, supply) + (nav + 1) / supply + 2, least, "deposit was robbed");
    }

    function withdraws(uint256 who, uint256 part) external harmless inProportion floorHolds {
        address user = users[who % users.length];
        uint256 most = vault.maxWithdraw(user);
        uint256 assets = sized(part, most);
        uint256 held = stable.balanceOf(user);
        V.State memory s = vault.state();
        bool open = isFresh(s) && !isPaused(s);
        vm.prank(user);
        try vault.withdraw(assets, user, user) {
            assertTrue(open, "withdrawal while closed");
            assertEq(stable.balanceOf(user) - held, assets);
            withinBound(assets);
            ++times["withdraw"];
        } catch {
            assertFalse(open, "withdrawal refused");
        }
        most = vault.maxWithdraw(user);
        vm.prank(user);
        vm.expectRevert();
        vault.withdraw(most + 1, user, user);
    }

    function redeems(uint256 who, uint256 part) external harmless inProportion floorHolds {
        address user = users[who % users.length];
        uint256 most = vault.maxRedeem(user);
        if (most == 0) return;
        vm.prank(user);
        withinBound(vault.redeem(sized(part, most), user, user));
        ++times["redeem"];
    }

    /// @dev An exit for asset leaves the exposure inside the bound of those who stay.
    function withinBound(uint256 paid) private view {
        V.State memory s = vault.state();
        if (paid != 0 && s.totalSupply != 0) assertFalse(isBroken(s), "withdrawal broke the bound");
    }

    function redeemsInKind(uint256 who, uint256 part) external harmless inProportion floorHolds {
        address user = users[who % users.length];
        leavesInKind(user, sized(part, vault.balanceOf(user)));
        ++times["in kind"];
    }

    /// @dev Works in every state there is: nothing is caught here.
    function leavesInKind(address user, uint256 shares) internal {
        V.State memory s = vault.state();
        uint256[2] memory held = [stable.balanceOf(user), risky.balanceOf(user)];
        vm.prank(user);
        vault.redeemInKind(shares, user, user);
        uint256 supply = s.totalSupply + VIRTUAL_SHARES;
        assertEq(stable.balanceOf(user) - held[0], s.trackedAsset * shares / supply);
        assertEq(risky.balanceOf(user) - held[1], s.trackedRisky * shares / supply);
    }

    /// @dev At the end of a run everybody leaves, whatever state the vault is in; what they get is what was there.
    function everybodyLeaves() external {
        V.State memory s = vault.state();
        uint256 stableBefore = stable.balanceOf(address(vault));
        uint256 riskyBefore = risky.balanceOf(address(vault));
        for (uint256 i = 0; i < users.length; ++i) {
            leavesInKind(users[i], vault.balanceOf(users[i]));
        }
        assertEq(vault.totalSupply(), 0, "shares of nobody");
        uint256 paid = stableBefore - stable.balanceOf(address(vault));
        uint256 paidRisky = riskyBefore - risky.balanceOf(address(vault));
        assertLe(paid, s.trackedAsset);
        assertLe(paidRisky, s.trackedRisky);
        // Only the part of the virtual shares stays, and a unit of rounding for each.
        uint256 supply = s.totalSupply + VIRTUAL_SHARES;
        assertGe(paid + s.trackedAsset * VIRTUAL_SHARES / supply + users.length + 1, s.trackedAsset);
        assertGe(paidRisky + s.trackedRisky * VIRTUAL_SHARES / supply + users.length + 1, s.trackedRisky);
    }

    function movesShares(uint256 from, uint256 to, uint256 part) external harmless floorHolds {
        address user = users[from % users.length];
        uint256 amount = bound(part, 0, vault.balanceOf(user));
        vm.prank(user);
        assertTrue(vault.transfer(users[to % users.length], amount));
    }

    /// @dev Gifts count for nothing until the owner takes them in.
    function gives(uint256 size, bool ofRisky) external harmless inProportion floorHolds {
        uint256 nav = vault.totalAssets();
        if (ofRisky) risky.mint(address(vault), sized(size, 1_000e18));
        else stable.mint(address(vault), sized(size, 3_000_000 * USD));
        vm.prank(users[3]);
        vault.sync();
        assertEq(vault.totalAssets(), nav, "a gift counts");
        ++times["gift"];
    }

    function takesGiftsIn() external inProportion floorHolds {
        vm.prank(owner);
        vault.sync();
        V.State memory s = vault.state();
        if (s.price == 0) return;
        assertEq(s.trackedAsset, stable.balanceOf(address(vault)));
        assertEq(s.trackedRisky, risky.balanceOf(address(vault)));
    }
}
