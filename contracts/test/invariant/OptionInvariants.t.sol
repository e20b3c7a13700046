// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Test} from "forge-std/Test.sol";
import {IOptionBook as B} from "../../src/interfaces/IOptionBook.sol";
import {IOptionHolder as H} from "../../src/interfaces/IOptionHolder.sol";
import {IRebalancingVault as V} from "../../src/interfaces/IRebalancingVault.sol";
import {OptionBook} from "../../src/OptionBook.sol";
import {OptionFixture} from "../support/OptionFixture.sol";

/// @title Epochs, trades, users and prices in any order
contract OptionHandler is OptionFixture {
    uint64[] private _ids;
    uint64 private _last;
    mapping(bytes32 what => uint256) public times;

    function setUp() public override {
        super.setUp();
        deposit(bob, 100_000 * USD);
    }

    function selectors() external pure returns (bytes4[] memory s) {
        s = new bytes4[](13);
        (s[0], s[1], s[2]) = (this.opens.selector, this.opens.selector, this.settles.selector);
        (s[3], s[4], s[5]) = (this.settles.selector, this.undoes.selector, this.enters.selector);
        (s[6], s[7], s[8]) = (this.leaves.selector, this.leavesInKind.selector, this.trades.selector);
        (s[9], s[10], s[11]) = (this.waits.selector, this.waits.selector, this.moves.selector);
        s[12] = this.rearms.selector;
    }

    function parts() external view returns (V, OptionBook, IERC20) {
        return (vault, book, stable);
    }

    /// @dev Open ones.
    function positions() external view returns (uint64[] memory) {
        return _ids;
    }

    /// @dev Whatever happens: the floor of a share stays, and nobody enters or leaves an epoch.
    modifier closed() {
        V.State memory a = vault.state();
        uint256 shares = vault.totalSupply();
        _;
        if (a.epochOpen && vault.epochOpen()) assertEq(vault.totalSupply(), shares, "entered or left");
        if (a.totalSupply != 0 && vault.totalSupply() != 0) {
            assertGe(vault.state().floor.perShare, a.floor.perShare, "floor fell");
        }
    }

    function opens(uint256 seed, uint256 size, uint256 width) external closed {
        uint256 price = uint256(latestAnswer()) * 1e10;
        B.Terms memory t = writtenCall();
        t.isCall = seed % 2 == 0;
        t.strike = price * bound(seed >> 8, 80, 120) / 100;
        width = bound(width, 1, t.strike / 2);
        t.limit = t.isCall ? t.strike + width : t.strike - width;
        t.size = int256(bound(size, 1, 200e18)) * ((seed >> 16) % 2 == 0 ? int256(1) : int256(-1));
        uint256 most = Math.mulDiv(uint256(t.size > 0 ? t.size : -t.size), width, 1e30, Math.Rounding.Ceil);
        t.premium = bound(seed >> 24, 0, most);
        t.expiry = uint64(block.timestamp + bound(seed >> 32, 2 hours, 10 days));
        uint64 id = offer(t);
        V.State memory a = vault.state();
        vm.prank(owner);
        try vault.openOption(id, keccak256(abi.encode(t)), type(uint128).max) {
            V.State memory b = vault.state();
            uint256 cost = t.size > 0 ? t.premium : most - t.premium;
            assertEq(a.trackedAsset - b.trackedAsset, cost, "cost");
            assertGt(b.nav, b.floor.assets, "no cushion");
            assertFalse(b.floor.cashLock, "opened into cash-lock");
            _ids.push(id);
            ++times["open"];
        } catch {
            assertEq(abi.encode(vault.state()), abi.encode(a));
            vm.prank(maker);
            book.withdrawOffer(id);
        }
    }

    /// @dev Goes to the expiry where it has not come yet.
    function settles(uint256 which, uint256 dollars) external closed {
        if (_ids.length == 0) return;
        uint256 index = which % _ids.length;
        B.Position memory p = book.position(_ids[index]);
        uint80 round;
        if (block.timestamp < p.terms.expiry) {
            round = expire(_ids[index], bound(dollars, 1_500, 5_000));
        } else {
            round = heldAt(p.terms.expiry);
        }
        V.State memory a = vault.state();
        uint256 owed = book.claimable(maker);
        try book.settle(_ids[index], round) {
            p = book.position(_ids[index]);
            assertEq(vault.state().trackedAsset - a.trackedAsset, p.toVault);
            assertEq(p.toVault + book.claimable(maker) - owed, p.collateral, "conserved");
            remove(index);
            ++times["settle"];
        } catch (bytes memory err) {
            assertEq(bytes4(err), B.RoundStale.selector);
        }
    }

    function undoes(uint256 which) external closed {
        if (_ids.length == 0) return;
        uint256 index = which % _ids.length;
        B.Position memory p = book.position(_ids[index]);
        if (block.timestamp < p.terms.expiry + 7 days && which % 3 != 0) return;
        vm.warp(Math.max(block.timestamp, p.terms.expiry + 7 days));
        refresh();
        uint256 before = vault.state().trackedAsset;
        try book.undo(_ids[index]) {
            uint256 cost = p.terms.size > 0 ? p.terms.premium : p.collateral - p.terms.premium;
            assertEq(vault.state().trackedAsset - before, cost, "what it paid");
            remove(index);
            ++times["undo"];
        } catch (bytes memory err) {
            assertEq(bytes4(err), B.Settleable.selector);
            ++times["refused to undo"];
        }
    }

    function enters(uint256 assets) external closed {
        assets = bound(assets, 1e6, 50_000 * USD);
        stable.mint(bob, assets);
        bool open = vault.maxDeposit(bob) != 0;
        vm.startPrank(bob);
        stable.approve(address(vault), assets);
        try vault.deposit(assets, bob) {
            assertEq(open, true, "deposit while closed");
            assertEq(_ids.length, 0, "deposit in an epoch");
            ++times["enter"];
        } catch {
            assertFalse(open, "open, and refused");
        }
        vm.stopPrank();
    }

    function leaves(uint256 shares) external closed {
        uint256 most = vault.maxRedeem(bob);
        if (_ids.length != 0) assertEq(most, 0, "open in an epoch");
        shares = bound(shares, 1, most / 2 + 1);
        vm.prank(bob);
        try vault.redeem(shares, bob, bob) {
            assertEq(_ids.length, 0, "left in an epoch");
            ++times["leave"];
        } catch {
            assertLt(most, 2, "open, and refused");
        }
    }

    function leavesInKind(uint256 shares) external closed {
        shares = bound(shares, 0, vault.balanceOf(bob) / 2);
        vm.prank(bob);
        try vault.redeemInKind(shares, bob, bob) {
            assertEq(_ids.length, 0, "left in an epoch");
            ++times["in kind"];
        } catch (bytes memory err) {
            assertEq(bytes4(err), H.EpochOpen.selector);
            assertNotEq(_ids.length, 0, "kept in without an epoch");
        }
    }

    function trades(uint256 size, bool sale) external {
        V.State memory s = vault.state();
        if (sale) size = bound(size, 0, s.trackedRisky);
        else size = bound(size, 0, s.trackedAsset / 3);
        if (size < 1e6) return;
        V.Rebalance memory r = request(sale, size);
        vm.prank(keeper);
        (bool ok,,) = vault.previewRebalance(r);
        if (!ok) return;
        vm.prank(keeper);
        try vault.rebalance(r) {
            ++times[s.epochOpen ? bytes32("trade in an epoch") : bytes32("trade")];
        } catch {}
    }

    function waits(uint256 time) external closed {
        pass(bound(time, 10 minutes, 1 days));
        vault.poke();
    }

    function moves(uint256 by) external closed {
        uint256 price = uint256(latestAnswer()) * bound(by, 95, 106) / 100 / 1e8;
        setPrice(Math.min(Math.max(price, 1_000), 10_000));
        vault.poke();
    }

    /// @dev An owner who goes on, so that runs do not end in cash-lock.
    function rearms(uint256 part) external {
        V.State memory s = vault.state();
        if (!s.floor.cashLock || s.nav < 1_000 * USD) return;
        uint256 perShare = Math.mulDiv(s.nav + 1, 1e24, s.totalSupply + 1e6);
        vm.prank(owner);
        vault.rearm(perShare * bound(part, 50, 90) / 100);
    }

    function heldAt(uint256 moment) private view returns (uint80 round) {
        round = riskyFeed.latest();
        while (true) {
            (,,, uint256 updatedAt,) = riskyFeed.getRoundData(round);
            if (updatedAt <= moment) return round;
            --round;
        }
    }

    function remove(uint256 index) private {
        _ids[index] = _ids[_ids.length - 1];
        _ids.pop();
    }
}

/// @title What holds whatever happens to a vault with a book
contract OptionInvariants is Test {
    OptionHandler private _handler;
    V private _vault;
    OptionBook private _book;
    IERC20 private _stable;

    function setUp() public {
        _handler = new OptionHandler();
        _handler.setUp();
        (_vault, _book, _stable) = _handler.parts();
        targetContract(address(_handler));
        targetSelector(FuzzSelector(address(_handler), _handler.selectors()));
    }

    /// @dev So the vault pays no more than a position's stated maximum: the book never holds more than what it owes, and
    /// has no hold on anything else.
    function invariant_the_book_holds_the_collateral_of_what_is_open_and_what_can_be_claimed() public view {
        uint64[] memory ids = _handler.positions();
        uint256 owed = _book.claimable(vm.addr(uint256(keccak256("maker"))));
        for (uint256 i = 0; i < ids.length; ++i) {
            owed += _book.position(ids[i]).collateral;
        }
        assertEq(_stable.balanceOf(address(_book)), owed);
        assertEq(_stable.allowance(address(_vault), address(_book)), 0);
        assertEq(_stable.allowance(address(_book), address(_vault)), 0);
    }

    function invariant_the_vault_is_closed_exactly_while_positions_are_open() public view {
        uint256 open = _handler.positions().length;
        assertEq(_vault.epochOpen(), open != 0);
        assertEq(_vault.state().epochOpen, open != 0);
        assertEq(_book.openLegs(address(_vault)), 2 * open);
        assertEq(_book.legs(address(_vault)).length, 2 * open);
    }

    function invariant_shares_are_backed() public view {
        V.State memory s = _vault.state();
        assertEq(s.trackedAsset, _stable.balanceOf(address(_vault)));
    }

    function test_a_long_run_meets_every_state() public {
        bytes4[] memory s = _handler.selectors();
        uint256 seed = 7;
        for (uint256 i = 0; i < 1_500; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            bytes4 selector = s[seed % s.length];
            (bool ok,) = address(_handler).call(abi.encodePacked(selector, seed >> 8, (seed >> 16) % 2, seed >> 24));
            if (!ok) continue;
        }
        string[8] memory names = ["open", "settle", "undo", "enter", "leave", "in kind", "trade", "trade in an epoch"];
        for (uint256 i = 0; i < names.length; ++i) {
            assertGt(_handler.times(bytes32(bytes(names[i]))), 0, names[i]);
        }
    }
}
