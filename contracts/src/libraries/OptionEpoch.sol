// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Books} from "../Books.sol";
import {IOptionBook} from "../interfaces/IOptionBook.sol";
import {IOptionHolder} from "../interfaces/IOptionHolder.sol";
import {IRebalancingVault} from "../interfaces/IRebalancingVault.sol";

/// @title The vault's side of its options: one call that pays, one that takes in, and when users may come and go
/// @notice A library of its own, linked, to keep the vault deployable. What it keeps stands in `IOptionHolder`.
library OptionEpoch {
    using SafeERC20 for IERC20;

    uint256 internal constant MAX_TENOR = 92 days;
    uint256 internal constant WINDOW = 1 days;
    uint256 internal constant PATIENCE = 30 days;

    /// @notice What the vault remembers of its options.
    /// @param book Zero for none
    /// @param positions Open ones
    /// @param endsAt End of the epoch, which no position outlasts
    /// @param closedAt When the last epoch closed
    /// @param era How often a book was named: what is written off is forgotten with its era
    /// @param grants Of every open position, by era
    struct Epoch {
        address book;
        uint32 positions;
        uint64 endsAt;
        uint64 closedAt;
        uint64 era;
        mapping(uint64 era => mapping(uint64 id => Grant grant)) grants;
    }

    /// @notice What a position may pay in: at most so much, from its expiry on.
    struct Grant {
        uint64 expiry;
        uint192 most;
    }

    /// @notice Whether positions are open.
    function isOpen(Books storage b) internal view returns (bool) {
        return b.epoch.positions != 0;
    }

    /// @notice Reverts while nobody may enter, nor leave at NAV.
    function requireClosed(Books storage b) internal view {
        require(!isOpen(b), IOptionHolder.EpochOpen(b.epoch.endsAt));
    }

    /// @notice Reverts while nobody may leave in kind: the same, but never for longer than the patience with a book.
    function requireExits(Books storage b) internal view {
        uint256 until = uint256(b.epoch.endsAt) + PATIENCE;
        require(!isOpen(b) || block.timestamp >= until, IOptionHolder.EpochOpen(until));
    }

    /// @notice Names the book, and writes off what the one before still owes beyond the patience with it.
    function setBook(Books storage b, address book, address asset, address risky) external {
        requireExits(b);
        if (book != address(0)) {
            bool fits = IOptionBook(book).asset() == asset && IOptionBook(book).risky() == risky;
            require(fits, IOptionHolder.WrongOptionBook(book));
        }
        if (isOpen(b)) _close(b);
        b.epoch.book = book;
        ++b.epoch.era;
        emit IOptionHolder.OptionBookChanged(book);
    }

    /// @notice Lets the book take up to `maxCost` for a position, in this call alone, and takes note of it.
    function open(Books storage b, IERC20 asset, uint64 id, bytes32 terms, uint256 maxCost) external {
        address book = b.epoch.book;
        require(book != address(0), IRebalancingVault.ZeroAddress());
        require(!b.floor.cashLock, IRebalancingVault.CashLocked());
        require(_grants(b)[id].expiry == 0, IOptionHolder.OptionAlreadyOpen(id));
        uint256 before = asset.balanceOf(address(this));
        asset.forceApprove(book, maxCost);
        (uint64 expiry, uint256 most) = IOptionBook(book).open(id, terms);
        asset.forceApprove(book, 0);
        uint256 cost = before - asset.balanceOf(address(this));
        require(cost <= maxCost, IOptionHolder.OptionCostTooHigh(cost, maxCost));
        require(cost <= b.trackedAsset, IRebalancingVault.HoldingExceeded(cost, b.trackedAsset));
        _begin(b, expiry);
        ++b.epoch.positions;
        _grants(b)[id] = Grant(expiry, SafeCast.toUint192(most));
        b.trackedAsset -= SafeCast.toUint128(cost);
        emit IOptionHolder.OptionOpened(id, cost, most, expiry);
    }

    /// @notice Takes in what a position pays; what really comes in is counted.
    function settle(Books storage b, IERC20 asset, uint64 id, uint256 amount) external {
        require(msg.sender == b.epoch.book, IOptionHolder.NotOptionBook(msg.sender));
        Grant memory grant = _grants(b)[id];
        require(grant.expiry != 0, IOptionHolder.OptionUnknown(id));
        require(block.timestamp >= grant.expiry, IOptionHolder.OptionNotExpired(id, grant.expiry));
        require(amount <= grant.most, IOptionHolder.OptionPaymentTooLarge(amount, grant.most));
        delete _grants(b)[id];
        if (--b.epoch.positions == 0) _close(b);
        uint256 before = asset.balanceOf(address(this));
        asset.safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = asset.balanceOf(address(this)) - before;
        b.trackedAsset += SafeCast.toUint128(received);
        emit IOptionHolder.OptionSettled(id, received);
    }

    /// @dev The first position begins an epoch; none outlasts it.
    function _begin(Books storage b, uint64 expiry) private {
        uint256 latest = b.epoch.endsAt;
        if (!isOpen(b)) {
            uint256 earliest = b.epoch.closedAt == 0 ? 0 : b.epoch.closedAt + WINDOW;
            require(block.timestamp >= earliest, IOptionHolder.EpochTooSoon(earliest));
            latest = block.timestamp + MAX_TENOR;
            b.epoch.endsAt = expiry;
        }
        bool inRange = expiry > block.timestamp && expiry <= latest;
        require(inRange, IOptionHolder.OptionExpiryOutOfRange(expiry, block.timestamp + 1, latest));
    }

    function _grants(Books storage b) private view returns (mapping(uint64 id => Grant grant) storage) {
        return b.epoch.grants[b.epoch.era];
    }

    function _close(Books storage b) private {
        b.epoch.positions = 0;
        // casting is safe: a time in seconds
        // forge-lint: disable-next-line(unsafe-typecast)
        b.epoch.closedAt = uint64(block.timestamp);
        emit IOptionHolder.EpochClosed();
    }
}
