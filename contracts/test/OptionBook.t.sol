// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IOptionBook as B} from "../src/interfaces/IOptionBook.sol";
import {IOptionHolder} from "../src/interfaces/IOptionHolder.sol";
import {OptionBook} from "../src/OptionBook.sol";
import {FeeToken} from "./support/FeeToken.sol";
import {OptionFixture} from "./support/OptionFixture.sol";
import {TestToken} from "./support/TestToken.sol";

/// @title Offers, their terms, and what each side pays
contract OptionOfferTest is OptionFixture {
    function test_the_collateral_of_a_written_call_is_paid_by_premium_and_vault() public {
        uint64 id = open(writtenCall());
        assertEq(book.position(id).collateral, 50_000 * USD);
        assertEq(stable.balanceOf(address(book)), 50_000 * USD);
        assertEq(stable.balanceOf(address(vault)), 960_000 * USD, "collateral less premium");
        assertEq(stable.balanceOf(maker), 990_000 * USD, "premium");
    }

    function test_the_collateral_of_a_bought_put_is_the_counterpartys_and_the_premium_is_its_own_at_once() public {
        uint64 id = open(boughtPut());
        assertEq(book.position(id).collateral, 50_000 * USD);
        assertEq(stable.balanceOf(address(vault)), 994_000 * USD);
        assertEq(book.claimable(maker), 6_000 * USD);
        vm.prank(maker);
        assertEq(book.claim(), 6_000 * USD);
        assertEq(stable.balanceOf(maker), 956_000 * USD);
        assertEq(stable.balanceOf(address(book)), 50_000 * USD);
    }

    function test_a_limited_option_is_two_plain_legs_and_a_put_to_zero_is_one() public {
        uint64 first = open(writtenCall());
        B.Terms memory t = boughtPut();
        t.limit = 0;
        uint64 second = open(t);
        B.Leg[] memory legs = book.legs(address(vault));
        assertEq(legs.length, 3);
        assertEq(book.openLegs(address(vault)), 3);
        uint64 expiry = uint64(block.timestamp) + TENOR;
        assertEq(abi.encode(legs[0]), abi.encode(B.Leg(2 * first, true, 3000e18, expiry, -50e18)));
        assertEq(abi.encode(legs[1]), abi.encode(B.Leg(2 * first + 1, true, 4000e18, expiry, 50e18)));
        assertEq(abi.encode(legs[2]), abi.encode(B.Leg(2 * second, false, 3000e18, expiry, 50e18)));
    }

    function test_an_offer_is_taken_back_with_what_was_paid() public {
        uint64 id = offer(boughtPut());
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(B.NotParty.selector, alice));
        book.withdrawOffer(id);
        vm.startPrank(maker);
        book.withdrawOffer(id);
        assertEq(book.claim(), 50_000 * USD);
        vm.expectRevert(abi.encodeWithSelector(B.WrongStatus.selector, id, B.Status.Closed));
        book.withdrawOffer(id);
    }

    function test_nobody_offers_in_anothers_name() public {
        B.Terms memory t = writtenCall();
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(B.NotParty.selector, alice));
        book.offer(t);
    }

    function refused(B.Terms memory t, bytes32 name) private {
        vm.prank(maker);
        vm.expectRevert(abi.encodeWithSelector(B.BadTerms.selector, name));
        book.offer(t);
    }

    function test_each_impossible_term_is_named() public {
        stable.mint(maker, 1_000_000 * USD);
        B.Terms memory t = writtenCall();
        t.vault = alice;
        refused(t, "vault");
        t = writtenCall();
        t.size = 0;
        refused(t, "size");
        t.size = int256(uint256(type(uint128).max)) + 1;
        refused(t, "size");
        t = writtenCall();
        t.strike = 0;
        refused(t, "strike");
        t.strike = 1e36 + 1;
        refused(t, "strike");
        t = writtenCall();
        t.limit = t.strike;
        refused(t, "limit");
        t.limit = 1e36 + 1;
        refused(t, "limit");
        t = boughtPut();
        t.limit = t.strike;
        refused(t, "limit");
        t = writtenCall();
        t.validUntil = t.expiry;
        refused(t, "times");
        t.validUntil = uint64(block.timestamp - 1);
        refused(t, "times");
        t = writtenCall();
        t.premium = 50_000 * USD + 1;
        refused(t, "premium");
    }

    function test_only_the_vault_opens_and_only_the_terms_it_knows_in_time() public {
        B.Terms memory t = writtenCall();
        uint64 id = offer(t);
        bytes32 terms = keccak256(abi.encode(t));
        vm.expectRevert(abi.encodeWithSelector(B.NotParty.selector, address(this)));
        book.open(id, terms);
        vm.startPrank(owner);
        vm.expectRevert(abi.encodeWithSelector(B.OtherTerms.selector, terms, bytes32("other")));
        vault.openOption(id, "other", type(uint128).max);
        vm.expectRevert(abi.encodeWithSelector(B.WrongStatus.selector, id + 1, B.Status.None));
        vault.openOption(id + 1, terms, type(uint128).max);
        vm.warp(t.validUntil + 1);
        refresh();
        vm.expectRevert(abi.encodeWithSelector(B.OfferLapsed.selector, t.validUntil));
        vault.openOption(id, terms, type(uint128).max);
    }

    function test_a_vault_has_at_most_thirty_two_positions() public {
        B.Terms memory t = boughtPut();
        (t.size, t.premium) = (1e18, 1);
        for (uint256 i = 0; i < 32; ++i) {
            open(t);
        }
        assertEq(book.openLegs(address(vault)), 64);
        uint64 id = offer(t);
        vm.prank(owner);
        vm.expectRevert(B.TooManyPositions.selector);
        vault.openOption(id, keccak256(abi.encode(t)), 1);
    }

    function test_a_market_that_is_none_is_refused() public {
        vm.expectRevert(B.BadMarket.selector);
        new OptionBook(alice, address(risky), address(riskyFeed), MAX_AGE);
        vm.expectRevert(B.BadMarket.selector);
        new OptionBook(address(stable), address(stable), address(riskyFeed), MAX_AGE);
        vm.expectRevert(B.BadMarket.selector);
        new OptionBook(address(stable), address(risky), address(riskyFeed), 0);
    }

    function test_a_token_that_keeps_a_fee_is_no_collateral() public {
        FeeToken fee = new FeeToken(6);
        OptionBook other = new OptionBook(address(fee), address(risky), address(riskyFeed), MAX_AGE);
        fee.mint(maker, 100_000 * USD);
        fee.setCharging(true);
        vm.startPrank(maker);
        fee.approve(address(other), type(uint256).max);
        vm.expectRevert(abi.encodeWithSelector(B.TransferMismatch.selector, 10_000 * USD, 9_900 * USD));
        other.offer(writtenCall());
    }
}

/// @title Which round decides
contract OptionPriceTest is OptionFixture {
    uint64 private _id;
    uint256 private _expiry;

    function setUp() public override {
        super.setUp();
        _id = open(writtenCall());
        _expiry = book.position(_id).terms.expiry;
    }

    function test_the_round_that_held_at_the_expiry_decides_and_no_other() public {
        vm.warp(_expiry - 2 hours);
        setPrice(3900);
        uint80 round = expire(_id, 3200);
        vm.expectRevert(abi.encodeWithSelector(B.RoundStale.selector, round - 1, _expiry - 2 hours));
        book.settle(_id, round - 1);
        vm.expectRevert(abi.encodeWithSelector(B.RoundAfterExpiry.selector, round + 1, _expiry + 1 minutes));
        book.settle(_id, round + 1);
        vm.expectRevert(abi.encodeWithSelector(B.RoundMissing.selector, round + 2));
        book.settle(_id, round + 2);
        vm.expectEmit(address(book));
        emit B.Settled(_id, round, 3200e18, 40_000 * USD, 10_000 * USD);
        book.settle(_id, round);
    }

    function test_a_round_at_the_very_expiry_counts() public {
        vm.warp(_expiry - 1);
        setPrice(3100);
        uint80 earlier = riskyFeed.latest();
        vm.warp(_expiry);
        setPrice(3200);
        vm.expectRevert(abi.encodeWithSelector(B.RoundSuperseded.selector, earlier, earlier + 1));
        book.settle(_id, earlier);
        vm.expectRevert(abi.encodeWithSelector(B.RoundNotSuperseded.selector, earlier + 1));
        book.settle(_id, earlier + 1);
        vm.warp(_expiry + 1);
        setPrice(9000);
        book.settle(_id, earlier + 1);
        assertEq(book.claimable(maker), 10_000 * USD);
    }

    function test_nothing_is_settled_before_the_expiry() public {
        vm.warp(_expiry - 1);
        refresh();
        uint80 round = riskyFeed.latest();
        vm.expectRevert(abi.encodeWithSelector(B.TooEarly.selector, _expiry));
        book.settle(_id, round);
    }

    function test_a_round_without_a_price_is_missing() public {
        vm.warp(_expiry - 1);
        riskyFeed.push(0, block.timestamp, block.timestamp);
        uint80 round = riskyFeed.latest();
        vm.warp(_expiry + 1);
        refresh();
        vm.expectRevert(abi.encodeWithSelector(B.RoundMissing.selector, round));
        book.settle(_id, round);
    }

    function test_an_answer_at_most_so_old_is_believed() public {
        vm.warp(_expiry - MAX_AGE - 1);
        setPrice(3200);
        uint80 old = riskyFeed.latest();
        vm.warp(_expiry + 1);
        refresh();
        vm.expectRevert(abi.encodeWithSelector(B.RoundStale.selector, old, _expiry - MAX_AGE - 1));
        book.settle(_id, old);
    }

    /// @dev The feed's owner takes another aggregator between the expiry and the settlement.
    function test_the_last_round_of_the_phase_before_counts_where_the_new_one_began_later() public {
        vm.warp(_expiry - 1 minutes);
        setPrice(3200);
        uint80 round = riskyFeed.latest();
        riskyFeed.setLatest(uint80(2) << 64);
        vm.warp(_expiry + 1 hours);
        riskyFeed.set(3300e8);
        book.settle(_id, round);
        assertEq(book.claimable(maker), 10_000 * USD);
    }

    /// @dev Both aggregators answered around the expiry: only the present phase counts, so nobody can choose.
    function test_of_two_phases_only_the_present_one_counts() public {
        vm.warp(_expiry - 1 minutes);
        setPrice(3200);
        uint80 old = riskyFeed.latest();
        riskyFeed.setLatest(uint80(2) << 64);
        setPrice(3210);
        uint80 present = riskyFeed.latest();
        vm.warp(_expiry + 1 minutes);
        setPrice(3220);
        vm.expectRevert(abi.encodeWithSelector(B.RoundOfOtherPhase.selector, old));
        book.settle(_id, old);
        book.settle(_id, present);
        assertEq(book.claimable(maker), 10_500 * USD);
    }

    /// @dev The feed does not say when it took the new aggregator, so the settled price depends on whether that was before the
    /// settlement: whoever does not want to wait for it settles, which anyone may from the next answer on.
    function test_a_new_phase_that_had_answered_decides_from_the_block_it_takes_over_in() public {
        (uint80 old, uint80 present) = (uint80(2) << 64, uint80(3) << 64);
        around(old, 3200e8);
        around(present, 3210e8);
        vm.warp(_expiry + 1 minutes);
        riskyFeed.setLatest(old + 2);
        onlySettles(old + 1);
        riskyFeed.setLatest(present + 2);
        onlySettles(present + 1);
        // One that had not answered by the expiry changes nothing.
        riskyFeed.setLatest(uint80(4) << 64);
        riskyFeed.push(3220e8, _expiry + 30, _expiry + 30);
        onlySettles(present + 1);
    }

    /// @dev A minute before the expiry, and again half a minute after it.
    function around(uint80 phase, int256 answer) private {
        riskyFeed.setLatest(phase);
        riskyFeed.push(answer, _expiry - 1 minutes, _expiry - 1 minutes);
        riskyFeed.push(answer, _expiry + 30, _expiry + 30);
    }

    /// @dev Of all rounds of phases 1 to 5.
    function onlySettles(uint80 round) private {
        (uint256 count, uint80 found) = nameable();
        assertEq(count, 1);
        assertEq(found, round);
    }

    function nameable() private returns (uint256 count, uint80 found) {
        for (uint80 phase = 1; phase <= 5; ++phase) {
            for (uint80 round = 0; round <= 16; ++round) {
                uint80 id = (phase << 64) + round;
                uint256 state = vm.snapshotState();
                try book.settle(_id, id) {
                    (count, found) = (count + 1, id);
                } catch {}
                vm.revertToState(state);
            }
        }
    }

    /// @dev Of a phase that is over no next round tells a missing round from the end.
    function test_a_missing_round_of_the_phase_before_offers_no_choice() public {
        uint80 phase = uint80(2) << 64;
        riskyFeed.setLatest(phase);
        riskyFeed.push(3200e8, _expiry - 3 minutes, _expiry - 3 minutes);
        riskyFeed.setLatest(phase + 2);
        riskyFeed.push(3900e8, _expiry - 1 minutes, _expiry - 1 minutes);
        riskyFeed.setLatest(uint80(3) << 64);
        riskyFeed.push(3300e8, _expiry + 1 minutes, _expiry + 1 minutes);
        vm.warp(_expiry + 2 minutes);
        onlySettles(phase + 1);
        vm.expectRevert(abi.encodeWithSelector(B.RoundSuperseded.selector, phase + 3, phase + 1));
        book.settle(_id, phase + 3);
    }

    function test_what_a_round_of_the_phase_before_settles_is_never_undone() public {
        uint80 phase = uint80(2) << 64;
        riskyFeed.setLatest(phase);
        for (uint256 i = 13; i > 0; --i) {
            riskyFeed.push(3200e8, _expiry - i * 1 minutes, _expiry - i * 1 minutes);
        }
        uint80 held = riskyFeed.latest();
        riskyFeed.setLatest(uint80(3) << 64);
        riskyFeed.push(3300e8, _expiry + 1 minutes, _expiry + 1 minutes);
        vm.warp(_expiry + 7 days);
        vm.expectRevert(abi.encodeWithSelector(B.Settleable.selector, held));
        book.undo(_id);
        book.settle(_id, held);
        assertEq(book.claimable(maker), 10_000 * USD);
    }

    /// @dev Two aggregators that answer at any times around the expiry, with rounds missing or not, before and after the feed
    /// changes from one to the other.
    function testFuzz_at_no_time_can_two_rounds_be_named(uint256 times, uint256 gaps, bool changed) public {
        gaps = times % 2 == 0 ? gaps & (gaps >> 24) : 0;
        uint80 old = fill(2, times >> 1, gaps);
        uint80 present = fill(3, times >> 128, gaps >> 128);
        riskyFeed.setLatest(changed ? present : old);
        vm.warp(_expiry + 7 days);
        (uint256 count, uint80 round) = nameable();
        assertLe(count, 1);
        if (count == 0 || gaps != 0) return;
        // And then it settles: nobody can undo it instead.
        vm.expectRevert(abi.encodeWithSelector(B.Settleable.selector, round));
        book.undo(_id);
    }

    /// @dev Up to twelve rounds within 51 minutes, of which the expiry is at most 21 before the end.
    function fill(uint80 phase, uint256 times, uint256 gaps) private returns (uint80) {
        riskyFeed.setLatest(phase << 64);
        uint256 time = _expiry - 30 minutes + times % 40 minutes;
        for (uint256 i = 0; i < 12; ++i) {
            time += (times >> (8 * i)) % 256;
            if ((gaps >> i) % 2 == 1) riskyFeed.setLatest(riskyFeed.latest() + 1);
            else riskyFeed.push(3000e8 + int256(i), time, time);
        }
        return riskyFeed.latest();
    }

    function test_a_phase_before_the_last_never_counts() public {
        vm.warp(_expiry - 1 minutes);
        setPrice(3200);
        uint80 round = riskyFeed.latest();
        riskyFeed.setLatest(uint80(3) << 64);
        vm.warp(_expiry + 1 hours);
        riskyFeed.set(3300e8);
        vm.expectRevert(abi.encodeWithSelector(B.RoundOfOtherPhase.selector, round));
        book.settle(_id, round);
    }

    function test_decimals_of_the_feed_do_not_matter() public {
        vm.warp(_expiry - 1 minutes);
        riskyFeed.setDecimals(18);
        riskyFeed.set(3200e18);
        uint80 round = riskyFeed.latest();
        vm.warp(_expiry + 1);
        riskyFeed.set(3300e18);
        book.settle(_id, round);
        assertEq(book.claimable(maker), 10_000 * USD);
    }

    function test_what_nobody_can_settle_is_undone_and_each_side_has_what_it_paid() public {
        vm.warp(_expiry + 7 days - 1);
        vm.expectRevert(abi.encodeWithSelector(B.TooEarly.selector, _expiry + 7 days));
        book.undo(_id);
        vm.warp(_expiry + 7 days);
        book.undo(_id);
        assertEq(book.claimable(maker), 10_000 * USD, "the premium");
        assertEq(stable.balanceOf(address(vault)), 1_000_000 * USD);
        assertFalse(vault.epochOpen());
    }

    function test_what_a_round_settles_is_never_undone() public {
        // Many rounds on both sides of the expiry, so that the one that held has to be looked for.
        uint256 start = block.timestamp;
        for (uint256 i = 1; i <= 20; ++i) {
            vm.warp(start + (_expiry - start) * i / 20);
            setPrice(3000 + i * 10);
        }
        uint80 held = riskyFeed.latest();
        vm.warp(_expiry + 1);
        for (uint256 i = 0; i < 13; ++i) {
            setPrice(4000);
        }
        vm.warp(_expiry + 30 days);
        vm.expectRevert(abi.encodeWithSelector(B.Settleable.selector, held));
        book.undo(_id);
        book.settle(_id, held);
        assertEq(book.claimable(maker), 10_000 * USD, "settled at 3,200");
    }

    function test_a_round_that_was_too_old_or_is_gone_lets_it_be_undone() public {
        vm.warp(_expiry - MAX_AGE - 1);
        setPrice(3200);
        vm.warp(_expiry + 1);
        setPrice(3300);
        vm.warp(_expiry + 7 days);
        riskyFeed.setBroken(true);
        uint256 state = vm.snapshotState();
        book.undo(_id);
        vm.revertToState(state);
        riskyFeed.setBroken(false);
        book.undo(_id);
        assertEq(book.claimable(maker), 10_000 * USD, "the premium");
    }

    function test_a_bought_option_is_undone_likewise() public {
        B.Terms memory t = boughtPut();
        (t.expiry, t.validUntil) = (uint64(_expiry), uint64(block.timestamp));
        uint64 id = open(t);
        vm.warp(_expiry + 7 days);
        book.undo(_id);
        book.undo(id);
        assertEq(book.claimable(maker), (10_000 + 6_000 + 44_000) * USD);
        assertEq(stable.balanceOf(address(vault)), 1_000_000 * USD);
        assertEq(stable.balanceOf(address(book)), 60_000 * USD);
    }
}

/// @title What is paid out is what was paid in
contract OptionPayoffTest is OptionFixture {
    function paid(B.Terms memory t, uint256 dollars, uint256 toVault, uint256 toMaker) private {
        uint64 id = open(t);
        uint256 premium = book.claimable(maker);
        uint256 held = stable.balanceOf(address(vault));
        settled(id, dollars);
        assertEq(stable.balanceOf(address(vault)) - held, toVault, "vault");
        assertEq(book.claimable(maker) - premium, toMaker, "maker");
        assertEq(vault.state().trackedAsset, stable.balanceOf(address(vault)));
    }

    function test_a_written_call_below_its_strike_pays_nothing() public {
        paid(writtenCall(), 2999, 50_000 * USD, 0);
    }

    function test_a_written_call_pays_what_it_is_worth() public {
        paid(writtenCall(), 3300, 35_000 * USD, 15_000 * USD);
    }

    function test_a_written_call_pays_no_more_than_its_collateral() public {
        paid(writtenCall(), 9000, 0, 50_000 * USD);
    }

    function test_a_bought_put_above_its_strike_brings_nothing() public {
        paid(boughtPut(), 3001, 0, 50_000 * USD);
    }

    function test_a_bought_put_brings_what_it_is_worth() public {
        paid(boughtPut(), 2500, 25_000 * USD, 25_000 * USD);
    }

    function test_a_bought_put_brings_no_more_than_its_collateral() public {
        paid(boughtPut(), 1500, 50_000 * USD, 0);
    }

    /// @dev Any decimals, terms and price: both parts make the collateral, neither side gets what the other is owed by more
    /// than a rounding, and nothing is left in the book.
    function testFuzz_both_parts_make_the_collateral(uint256 seed, uint256 size, uint256 strike, uint256 price) public {
        TestToken paying = new TestToken("A", "A", uint8(6 + seed % 13));
        TestToken coin = new TestToken("B", "B", uint8(6 + (seed >> 8) % 13));
        OptionBook other = new OptionBook(address(paying), address(coin), address(riskyFeed), MAX_AGE);
        B.Terms memory t = anyTerms(seed, bound(size, 1, 1e9 * 10 ** coin.decimals()), strike);
        t.vault = address(new Taker(other));
        paying.mint(maker, 1e60);
        paying.mint(t.vault, 1e60);
        vm.startPrank(maker);
        paying.approve(address(other), type(uint256).max);
        uint64 id = other.offer(t);
        Taker(t.vault).open(id, keccak256(abi.encode(t)));
        uint256 collateral = other.position(id).collateral;
        assertEq(paying.balanceOf(address(other)), collateral);
        price = bound(price, 1, 1e17);
        settles(other, id, t.expiry, price);
        uint256 toVault = Taker(t.vault).received();
        assertEq(toVault + other.claimable(maker), collateral, "conserved");
        other.claim();
        assertEq(paying.balanceOf(address(other)), 0, "left over");
        uint256 payoff = worth(t, price * 1e10) / 10 ** (18 + coin.decimals() - paying.decimals());
        assertEq(t.size > 0 ? toVault : collateral - toVault, payoff, "payoff");
    }

    function anyTerms(uint256 seed, uint256 size, uint256 strike) private view returns (B.Terms memory t) {
        t = writtenCall();
        t.isCall = (seed >> 16) % 2 == 0;
        t.strike = bound(strike, 1e12, 1e24);
        uint256 width = bound(seed >> 24, 1, t.strike - 1);
        t.limit = t.isCall ? t.strike + width : t.strike - width;
        t.size = (seed >> 17) % 2 == 0 ? int256(size) : -int256(size);
        t.premium = 0;
    }

    function settles(OptionBook other, uint64 id, uint64 expiry, uint256 price) private {
        vm.warp(expiry);
        riskyFeed.set(int256(price));
        uint80 round = riskyFeed.latest();
        vm.warp(expiry + 1);
        riskyFeed.set(1);
        other.settle(id, round);
    }

    /// @dev Of two plain options, one long and one short.
    function worth(B.Terms memory t, uint256 price) private pure returns (uint256) {
        uint256 size = uint256(t.size > 0 ? t.size : -t.size);
        if (t.isCall) return size * (above(price, t.strike) - above(price, t.limit));
        return size * (above(t.strike, price) - above(t.limit, price));
    }

    function above(uint256 a, uint256 b) private pure returns (uint256) {
        return a > b ? a - b : 0;
    }
}

/// @title A vault that only opens and takes
contract Taker is IOptionHolder {
    OptionBook private immutable BOOK;
    uint256 public received;
    bool public refusing;

    constructor(OptionBook book_) {
        BOOK = book_;
        TestToken(book_.asset()).approve(address(book_), type(uint256).max);
    }

    function open(uint64 id, bytes32 terms) external {
        BOOK.open(id, terms);
    }

    function refuse(bool on) external {
        refusing = on;
    }

    function settleOption(uint64, uint256 amount) external {
        if (refusing) {
            assembly ("memory-safe") {
                revert(0, 1000000)
            }
        }
        require(TestToken(BOOK.asset()).transferFrom(address(BOOK), address(this), amount));
        received += amount;
    }

    function epochOpen() external view returns (bool) {}
    function setOptionBook(address) external {}
    function openOption(uint64, bytes32, uint256) external {}
}

/// @title Delivery, and vaults that do not take it
contract OptionDeliveryTest is OptionFixture {
    function test_a_vault_that_refuses_keeps_nothing_from_the_counterparty() public {
        Taker taker = new Taker(book);
        stable.mint(address(taker), 50_000 * USD);
        B.Terms memory t = writtenCall();
        t.vault = address(taker);
        uint64 id = offer(t);
        taker.open(id, keccak256(abi.encode(t)));
        taker.refuse(true);
        uint80 round = expire(id, 3200);
        vm.expectEmit(address(book));
        emit B.DeliveryRefused(id);
        book.settle(id, round);
        vm.prank(maker);
        assertEq(book.claim(), 10_000 * USD);
        assertEq(book.openLegs(address(taker)), 2, "until it is taken");
        assertEq(stable.allowance(address(book), address(taker)), 0);
        vm.expectRevert(abi.encodeWithSelector(B.WrongStatus.selector, id, B.Status.Settled));
        book.settle(id, round);
        taker.refuse(false);
        book.deliver(id);
        assertEq(taker.received(), 40_000 * USD);
        assertEq(book.openLegs(address(taker)), 0);
        assertEq(stable.balanceOf(address(book)), 0);
        vm.expectRevert(abi.encodeWithSelector(B.WrongStatus.selector, id, B.Status.Closed));
        book.deliver(id);
    }

    /// @dev What is left of the gas after a delivery that ran out does not pay for the rest of the call.
    function test_whoever_gives_too_little_gas_settles_nothing() public {
        uint64 id = open(writtenCall());
        uint80 round = expire(id, 3200);
        uint256 refusals = 0;
        uint256 deliveries = 0;
        for (uint256 given = 30_000; given < 300_000; given += 500) {
            uint256 snapshot = vm.snapshotState();
            try book.settle{gas: given}(id, round) {
                ++deliveries;
                assertEq(uint8(book.position(id).status), uint8(B.Status.Closed));
                assertFalse(vault.epochOpen());
                assertEq(stable.balanceOf(address(vault)), 1_000_000 * USD);
            } catch {
                ++refusals;
                assertEq(uint8(book.position(id).status), uint8(B.Status.Open));
            }
            vm.revertToState(snapshot);
        }
        assertGt(refusals, 100);
        assertGt(deliveries, 100);
    }

    function test_positions_leave_the_list_one_by_one() public {
        B.Terms memory t = writtenCall();
        (t.size, t.premium) = (-1e18, 0);
        uint64 first = open(t);
        open(t);
        uint64 last = open(t);
        uint80 round = expire(first, 3200);
        book.settle(first, round);
        assertEq(book.legs(address(vault)).length, 4);
        assertEq(book.legs(address(vault))[0].id, 2 * last);
        book.settle(last, round);
        assertTrue(vault.epochOpen());
        book.settle(last - 1, round);
        assertFalse(vault.epochOpen());
        assertEq(book.legs(address(vault)).length, 0);
    }
}
