// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IOptionBook} from "../../src/interfaces/IOptionBook.sol";
import {OptionBook} from "../../src/OptionBook.sol";
import {VaultFixture} from "./VaultFixture.sol";

/// @title A vault with a million, and a counterparty that deals in options on its risky token
abstract contract OptionFixture is VaultFixture {
    uint64 internal constant TENOR = 30 days;
    uint256 internal constant MAX_AGE = 65 minutes;

    address internal maker = makeAddr("maker");
    OptionBook internal book;

    function setUp() public virtual override {
        super.setUp();
        book = new OptionBook(address(stable), address(risky), address(riskyFeed), MAX_AGE);
        vm.prank(owner);
        vault.setOptionBook(address(book));
        vm.prank(maker);
        stable.approve(address(book), type(uint256).max);
        deposit(alice, 1_000_000 * USD);
    }

    /// @dev A written call on 50 coins, strike 3,000, limit 4,000: 50,000 of collateral for 10,000 of premium.
    function writtenCall() internal view returns (IOptionBook.Terms memory) {
        uint64 expiry = uint64(block.timestamp) + TENOR;
        return IOptionBook.Terms(
            address(vault),
            maker,
            true,
            3000e18,
            4000e18,
            -50e18,
            10_000 * USD,
            expiry,
            uint64(block.timestamp + 1 hours)
        );
    }

    /// @dev A bought put on 50 coins, strike 3,000, limit 2,000, for 6,000.
    function boughtPut() internal view returns (IOptionBook.Terms memory t) {
        t = writtenCall();
        (t.isCall, t.limit, t.size, t.premium) = (false, 2000e18, 50e18, 6_000 * USD);
    }

    function offer(IOptionBook.Terms memory t) internal returns (uint64 id) {
        stable.mint(maker, 1_000_000 * USD);
        vm.prank(maker);
        return book.offer(t);
    }

    function accept(uint64 id) internal {
        IOptionBook.Terms memory t = book.position(id).terms;
        vm.prank(owner);
        vault.openOption(id, keccak256(abi.encode(t)), type(uint128).max);
    }

    function open(IOptionBook.Terms memory t) internal returns (uint64 id) {
        id = offer(t);
        accept(id);
    }

    /// @dev The feed answers a minute before the expiry and again after it.
    /// @return round The one that holds at the expiry
    function expire(uint64 id, uint256 dollars) internal returns (uint80 round) {
        uint256 expiry = book.position(id).terms.expiry;
        vm.warp(expiry - 1 minutes);
        setPrice(dollars);
        round = riskyFeed.latest();
        vm.warp(expiry + 1 minutes);
        vm.roll(block.number + 1_000);
        refresh();
    }

    function settled(uint64 id, uint256 dollars) internal {
        book.settle(id, expire(id, dollars));
    }
}
