// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Books, Mark} from "../../src/Books.sol";
import {IRebalancingVault as V} from "../../src/interfaces/IRebalancingVault.sol";
import {Bound} from "../../src/libraries/Bound.sol";
import {RebalanceGuards} from "../../src/libraries/RebalanceGuards.sol";
import {Turnover} from "../../src/libraries/Turnover.sol";

/// @title The vault's books and its guards, without the rest
contract GuardsHarness {
    using Turnover for Turnover.Bucket;

    /// @notice What the guards read, without the parameters.
    struct Facts {
        address keeper;
        bytes32 policyHash;
        uint64 nextNonce;
        uint64 pausedUntil;
        uint64 lastRebalanceAt;
        uint256 trackedAsset;
        uint256 trackedRisky;
        bool cashLock;
    }

    Books internal books;

    function check(Mark memory m, V.Rebalance calldata r, uint256 scale)
        external
        view
        returns (RebalanceGuards.Check memory)
    {
        return RebalanceGuards.check(books, m, r, scale, false);
    }

    function venueOf(address pool) external view returns (address) {
        return books.venueOf[pool];
    }

    function parameters() external view returns (V.Parameters memory) {
        return books.parameters;
    }

    function facts() external view returns (Facts memory f) {
        f.keeper = books.keeper;
        f.policyHash = books.policyHash;
        f.nextNonce = books.nextNonce;
        f.pausedUntil = books.pausedUntil;
        f.lastRebalanceAt = books.lastRebalanceAt;
        f.trackedAsset = books.trackedAsset;
        f.trackedRisky = books.trackedRisky;
        f.cashLock = books.floor.cashLock;
    }

    function isBroken(Mark memory m) external view returns (bool) {
        return Bound.isBroken(books, m);
    }

    /// @dev What the bucket has left, asset units.
    function turnoverLeft(uint256 nav) external view returns (uint256) {
        uint256 capacity = Turnover.capacity(nav, books.parameters.turnoverCapBps);
        uint256 level = books.turnover.levelNow(nav, books.parameters.turnoverCapBps);
        return level >= capacity ? 0 : capacity - level;
    }
}
