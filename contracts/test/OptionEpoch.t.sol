// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IOptionBook as B} from "../src/interfaces/IOptionBook.sol";
import {IOptionHolder as H} from "../src/interfaces/IOptionHolder.sol";
import {IRebalancingVault as V} from "../src/interfaces/IRebalancingVault.sol";
import {OptionBook} from "../src/OptionBook.sol";
import {RebalancingVault} from "../src/RebalancingVault.sol";
import {FeeToken} from "./support/FeeToken.sol";
import {HostileBook} from "./support/HostileBook.sol";
import {OptionFixture} from "./support/OptionFixture.sol";
import {TestStable} from "./support/TestStable.sol";

/// @title A vault with open options
contract OptionEpochTest is OptionFixture {
    uint64 private _id;
    uint256 private _expiry;

    function begins() private {
        _id = open(writtenCall());
        _expiry = book.position(_id).terms.expiry;
    }

    function test_without_a_position_the_vault_is_open_and_names_its_book() public view {
        V.State memory s = vault.state();
        assertEq(s.optionBook, address(book));
        assertFalse(s.epochOpen);
        assertFalse(vault.epochOpen());
    }

    function test_nobody_enters_or_leaves_while_options_are_open() public {
        begins();
        assertTrue(vault.state().epochOpen);
        bytes memory closed = abi.encodeWithSelector(H.EpochOpen.selector, _expiry);
        vm.startPrank(alice);
        vm.expectRevert(closed);
        vault.deposit(1, alice);
        vm.expectRevert(closed);
        vault.mint(1, alice);
        vm.expectRevert(closed);
        vault.withdraw(1, alice, alice);
        vm.expectRevert(closed);
        vault.redeem(1, alice, alice);
        vm.expectRevert(abi.encodeWithSelector(H.EpochOpen.selector, _expiry + 30 days));
        vault.redeemInKind(1, alice, alice);
        assertEq(vault.maxDeposit(alice), 0);
        assertEq(vault.maxMint(alice), 0);
        assertEq(vault.maxWithdraw(alice), 0);
        assertEq(vault.maxRedeem(alice), 0);
    }

    function test_settlement_opens_the_vault_again() public {
        begins();
        uint80 round = expire(_id, 3300);
        vm.expectEmit(address(vault));
        emit H.EpochClosed();
        vm.expectEmit(address(vault));
        emit H.OptionSettled(_id, 35_000 * USD);
        book.settle(_id, round);
        assertFalse(vault.epochOpen());
        assertEq(vault.state().trackedAsset, 995_000 * USD, "the premium less the payoff");
        deposit(bob, 1_000 * USD);
        vm.startPrank(alice);
        vault.redeem(vault.maxRedeem(alice) / 2, alice, alice);
        vault.redeemInKind(1e12, alice, alice);
    }

    function test_what_an_option_may_cost_is_never_counted_as_held() public {
        begins();
        V.State memory s = vault.state();
        assertEq(s.trackedAsset, 960_000 * USD);
        assertEq(s.nav, 960_000 * USD);
        assertEq(vault.totalAssets(), 960_000 * USD);
        assertEq(s.floor.assets, 800_000 * USD + 1, "the floor stays, rounded up");
    }

    function test_the_keeper_trades_and_anyone_deleverages_while_options_are_open() public {
        begins();
        passes(request(false, 300_000 * USD));
        pass(1 hours);
        passes(request(true, 10e18));
        assertEq(vault.state().exposure, 270_000 * USD);
        pass(1 hours);
        setPrice(1800);
        // NAV 852,000 - 60,000 of the price: the cushion is 52,000 above the floor of 800,000, the bound six times that.
        V.Parameters memory p = parameters();
        p.boundBps = 10_000;
        setParameters(p);
        vault.poke();
        pass(1 hours + 1);
        setPrice(1800);
        (uint256 sold,) = vault.deleverage(pool, type(uint256).max);
        assertGt(sold, 0);
    }

    function test_cash_lock_counts_options_as_nothing_and_sells_all_the_same() public {
        begins();
        passes(request(false, 600_000 * USD));
        pass(1 hours);
        setPrice(2200);
        vault.poke();
        V.State memory s = vault.state();
        assertTrue(s.floor.cashLock, "800,000 at the floor; the call is worthless, and its 50,000 still to come");
        pass(1 hours + 1);
        setPrice(2200);
        (uint256 sold,) = vault.deleverage(pool, type(uint256).max);
        assertEq(sold, s.trackedRisky);
        settled(_id, 2200);
        assertGt(vault.state().nav, vault.state().floor.assets);
        assertTrue(vault.state().floor.cashLock, "the owner's to end");
    }

    function test_settlement_moves_neither_floor_nor_peak() public {
        begins();
        V.Floor memory before = vault.state().floor;
        settled(_id, 3000);
        V.Floor memory later = vault.state().floor;
        assertEq(later.storedPerShare, before.storedPerShare);
        assertEq(later.peakPerShare, before.peakPerShare);
    }

    // ---------------------------------------------------------------- guards of opening

    function refusedOpening(B.Terms memory t, uint256 maxCost, bytes memory err) private {
        uint64 id = offer(t);
        vm.prank(owner);
        vm.expectRevert(err);
        vault.openOption(id, keccak256(abi.encode(t)), maxCost);
    }

    function test_only_the_owner_opens_and_names_the_book() public {
        bytes memory err = abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, keeper);
        vm.startPrank(keeper);
        vm.expectRevert(err);
        vault.openOption(1, 0, 0);
        vm.expectRevert(err);
        vault.setOptionBook(address(0));
    }

    function test_the_book_takes_no_more_than_the_owner_granted() public {
        uint256 least = 40_000 * USD;
        bytes memory err =
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, address(book), least - 1, least);
        refusedOpening(writtenCall(), least - 1, err);
        uint64 id = offer(writtenCall());
        vm.prank(owner);
        vault.openOption(id, keccak256(abi.encode(writtenCall())), least);
        assertEq(stable.allowance(address(vault), address(book)), 0);
    }

    function test_no_option_is_opened_on_a_stale_price_nor_while_paused() public {
        B.Terms memory t = writtenCall();
        vm.prank(guardian);
        vault.pause();
        refusedOpening(t, 1e18, abi.encodeWithSelector(V.Paused.selector, block.timestamp + 1 days));
        vm.prank(owner);
        vault.unpause();
        riskyFeed.setBroken(true);
        refusedOpening(t, 1e18, abi.encodeWithSelector(V.OracleNotFresh.selector, V.OracleStatus.InvalidRiskyAnswer));
    }

    function test_no_option_is_opened_in_cash_lock() public {
        buy(600_000 * USD);
        setPrice(1500);
        vault.poke();
        refusedOpening(writtenCall(), 1e18, abi.encodeWithSelector(V.CashLocked.selector));
    }

    function test_an_option_leaves_a_cushion_and_the_exposure_within_the_bound() public {
        B.Terms memory t = writtenCall();
        t.size = -250e18; // 250,000 of collateral, 240,000 to pay: 760,000 are below the floor
        refusedOpening(t, 1e18, abi.encodeWithSelector(V.CashLocked.selector));
        buy(750_000 * USD);
        t.size = -100e18; // the cushion is then 110,000, and the bound six times that
        refusedOpening(t, 1e18, abi.encodeWithSelector(V.ExposureTooLarge.selector, 750_000 * USD, 660_000 * USD - 6));
    }

    function test_an_option_costs_no_more_than_is_held() public {
        buy(780_000 * USD);
        pass(1 hours);
        buy(200_000 * USD);
        stable.mint(address(vault), 100_000 * USD);
        bytes memory err = abi.encodeWithSelector(V.HoldingExceeded.selector, 40_000 * USD, 20_000 * USD);
        refusedOpening(writtenCall(), 1e18, err);
    }

    function test_an_epoch_is_at_most_a_quarter_long_and_ends_with_its_first_position() public {
        B.Terms memory t = writtenCall();
        t.expiry = uint64(block.timestamp + 92 days + 1);
        bytes4 e = H.OptionExpiryOutOfRange.selector;
        uint256 next = block.timestamp + 1;
        refusedOpening(t, 1e18, abi.encodeWithSelector(e, t.expiry, next, block.timestamp + 92 days));
        begins();
        t = boughtPut();
        t.expiry += 1;
        refusedOpening(t, 1e18, abi.encodeWithSelector(e, t.expiry, next, _expiry));
        t.expiry -= 2;
        open(t);
    }

    function test_between_two_epochs_the_vault_is_open_for_a_day() public {
        begins();
        settled(_id, 3000);
        uint256 closed = block.timestamp;
        vm.warp(closed + 1 days - 1);
        refresh();
        refusedOpening(writtenCall(), 1e18, abi.encodeWithSelector(H.EpochTooSoon.selector, closed + 1 days));
        vm.warp(closed + 1 days);
        refresh();
        begins();
        assertTrue(vault.epochOpen());
    }

    function test_without_a_book_nothing_is_opened() public {
        vm.startPrank(owner);
        vault.setOptionBook(address(0));
        vm.expectRevert(V.ZeroAddress.selector);
        vault.openOption(1, 0, 0);
    }

    function test_a_book_of_other_tokens_is_refused() public {
        OptionBook other = new OptionBook(address(new TestStable()), address(risky), address(riskyFeed), MAX_AGE);
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(H.WrongOptionBook.selector, address(other)));
        vault.setOptionBook(address(other));
    }

    function test_the_book_is_not_changed_while_options_are_open() public {
        begins();
        vm.startPrank(owner);
        vm.expectRevert(abi.encodeWithSelector(H.EpochOpen.selector, _expiry + 30 days));
        vault.setOptionBook(address(0));
    }

    // ---------------------------------------------------------------- reentrancy

    function test_a_settlement_in_the_middle_of_a_trade_waits_and_is_delivered_later() public {
        begins();
        uint80 round = expire(_id, 3000);
        riskyFeed.set(3000e8);
        _round = round;
        venue.setCallback(this.settles);
        passes(request(false, 100_000 * USD));
        assertEq(uint8(book.position(_id).status), uint8(B.Status.Settled));
        assertTrue(vault.epochOpen());
        assertEq(vault.state().trackedAsset, 860_000 * USD);
        book.deliver(_id);
        assertEq(vault.state().trackedAsset, 910_000 * USD);
    }

    uint80 private _round;

    function settles() external {
        book.settle(_id, _round);
    }
}

/// @title What a book can do that does its worst
contract HostileBookTest is OptionFixture {
    HostileBook private _hostile;

    function setUp() public override {
        super.setUp();
        _hostile = new HostileBook(stable, address(risky));
        vm.prank(owner);
        vault.setOptionBook(address(_hostile));
    }

    function opens(uint64 id, uint64 expiry, uint256 most, uint256 takes, uint256 granted) private {
        _hostile.set(expiry, most, takes);
        vm.prank(owner);
        vault.openOption(id, 0, granted);
    }

    function test_it_takes_nothing_after_the_call() public {
        opens(1, uint64(block.timestamp + 1 days), 100_000 * USD, 30_000 * USD, 50_000 * USD);
        vm.expectRevert(
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, address(_hostile), 0, 1)
        );
        _hostile.grab(address(vault), 1);
        assertEq(vault.state().trackedAsset, 970_000 * USD);
    }

    function test_it_pays_only_for_what_is_open_only_once_only_then_and_only_so_much() public {
        uint64 expiry = uint64(block.timestamp + 1 days);
        opens(1, expiry, 100_000 * USD, 0, 0);
        vm.expectRevert(abi.encodeWithSelector(H.NotOptionBook.selector, address(this)));
        vault.settleOption(1, 0);
        vm.expectRevert(abi.encodeWithSelector(H.OptionUnknown.selector, 2));
        _hostile.pay(vault, 2, 1);
        vm.expectRevert(abi.encodeWithSelector(H.OptionNotExpired.selector, 1, expiry));
        _hostile.pay(vault, 1, 1);
        vm.warp(expiry);
        refresh();
        bytes memory err = abi.encodeWithSelector(H.OptionPaymentTooLarge.selector, 100_000 * USD + 1, 100_000 * USD);
        vm.expectRevert(err);
        _hostile.pay(vault, 1, 100_000 * USD + 1);
        _hostile.pay(vault, 1, 100_000 * USD);
        assertEq(vault.state().trackedAsset, 1_100_000 * USD);
        assertFalse(vault.epochOpen());
        vm.expectRevert(abi.encodeWithSelector(H.OptionUnknown.selector, 1));
        _hostile.pay(vault, 1, 1);
    }

    function test_a_number_is_given_once() public {
        opens(1, uint64(block.timestamp + 1 days), 0, 0, 0);
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(H.OptionAlreadyOpen.selector, 1));
        vault.openOption(1, 0, 0);
    }

    function test_an_expired_position_is_none() public {
        _hostile.set(uint64(block.timestamp), 0, 0);
        bytes memory err = abi.encodeWithSelector(
            H.OptionExpiryOutOfRange.selector, block.timestamp, block.timestamp + 1, block.timestamp + 92 days
        );
        vm.prank(owner);
        vm.expectRevert(err);
        vault.openOption(1, 0, 0);
    }

    /// @dev It never settles: trades go on, exits in kind open after thirty days, and the owner writes it off.
    function test_it_keeps_nobody_in_for_longer_than_the_patience() public {
        uint64 expiry = uint64(block.timestamp + 1 days);
        opens(1, expiry, 100_000 * USD, 50_000 * USD, 50_000 * USD);
        passes(request(false, 100_000 * USD));
        vm.warp(expiry + 30 days - 1);
        refresh();
        vm.startPrank(alice);
        vm.expectRevert(abi.encodeWithSelector(H.EpochOpen.selector, expiry + 30 days));
        vault.redeemInKind(1e12, alice, alice);
        vm.warp(expiry + 30 days);
        refresh();
        vault.redeemInKind(1e12, alice, alice);
        vm.expectRevert(abi.encodeWithSelector(H.EpochOpen.selector, expiry));
        vault.redeem(1e12, alice, alice);
        vm.stopPrank();
        vm.prank(owner);
        vault.setOptionBook(address(book));
        assertFalse(vault.epochOpen());
        vm.prank(alice);
        vault.redeem(1e12, alice, alice);
        vm.expectRevert(abi.encodeWithSelector(H.NotOptionBook.selector, address(_hostile)));
        _hostile.pay(vault, 1, 1);
    }

    /// @dev Named once more, it cannot close a new epoch with what was written off.
    function test_what_was_written_off_never_counts_again() public {
        uint64 expiry = uint64(block.timestamp + 1 days);
        opens(1, expiry, 100_000 * USD, 0, 0);
        vm.warp(expiry + 30 days);
        refresh();
        vm.prank(owner);
        vault.setOptionBook(address(_hostile));
        vm.warp(block.timestamp + 1 days);
        refresh();
        opens(2, uint64(block.timestamp + 1 days), 100_000 * USD, 0, 0);
        vm.expectRevert(abi.encodeWithSelector(H.OptionUnknown.selector, 1));
        _hostile.pay(vault, 1, 1);
        assertTrue(vault.epochOpen());
    }

    function test_no_call_of_the_vault_is_open_to_it_while_it_opens() public {
        bytes[6] memory calls = [
            abi.encodeWithSignature("deposit(uint256,address)", 1, alice),
            abi.encodeCall(V.redeemInKind, (1, alice, alice)),
            abi.encodeCall(V.poke, ()),
            abi.encodeCall(V.deleverage, (pool, 1)),
            abi.encodeCall(V.sync, ()),
            abi.encodeCall(H.settleOption, (1, 0))
        ];
        for (uint256 i = 0; i < calls.length; ++i) {
            _hostile.setCall(address(vault), calls[i]);
            vm.prank(owner);
            vm.expectRevert(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);
            vault.openOption(1, 0, 0);
        }
    }
}

/// @title An asset that begins to take fees while options are open
contract FeeOptionTest is OptionFixture {
    FeeToken private _fee;

    function setUp() public override {
        super.setUp();
        _fee = new FeeToken(18);
        V.Deployment memory d = deployment();
        d.asset = address(_fee);
        vault = new RebalancingVault(d);
        book = new OptionBook(address(_fee), address(risky), address(riskyFeed), MAX_AGE);
        vm.prank(owner);
        vault.setOptionBook(address(book));
        _fee.mint(alice, 1_000_000e18);
        vm.startPrank(alice);
        _fee.approve(address(vault), type(uint256).max);
        vault.deposit(1_000_000e18, alice);
        vm.stopPrank();
        _fee.mint(maker, 10_000e18);
        vm.prank(maker);
        _fee.approve(address(book), type(uint256).max);
    }

    /// @dev 18 decimals here. What comes in is counted, and the epoch ends.
    function test_what_really_comes_in_is_counted() public {
        B.Terms memory t = writtenCall();
        t.premium = 10_000e18;
        vm.prank(maker);
        uint64 id = book.offer(t);
        accept(id);
        assertEq(vault.state().trackedAsset, 960_000e18);
        _fee.setCharging(true);
        settled(id, 3300);
        assertEq(vault.state().trackedAsset, 960_000e18 + 34_650e18);
        assertEq(_fee.balanceOf(address(vault)), 994_650e18);
        assertFalse(vault.epochOpen());
    }

    function test_a_fee_at_the_opening_is_refused() public {
        B.Terms memory t = writtenCall();
        t.premium = 0;
        vm.prank(maker);
        uint64 id = book.offer(t);
        _fee.setCharging(true);
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(B.TransferMismatch.selector, 50_000e18, 49_500e18));
        vault.openOption(id, keccak256(abi.encode(t)), type(uint128).max);
    }
}
