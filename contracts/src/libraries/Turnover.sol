// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title How much is traded per day, as a leaky bucket
/// @notice The bucket holds half of the daily cap and leaks half of it per day, evenly: so no window of 24 hours,
/// wherever it begins, sees more than the cap.
library Turnover {
    uint256 private constant DAY = 1 days;

    /// @notice A bucket.
    /// @param level Traded and not leaked away at `at`, asset units
    /// @param at When the level was written
    struct Bucket {
        uint128 level;
        uint64 at;
    }

    /// @notice What the bucket holds when full, and leaks per day. Asset units.
    function capacity(uint256 nav, uint256 capBps) internal pure returns (uint256) {
        return nav * capBps / 2e4;
    }

    /// @notice The level now, asset units.
    function levelNow(Bucket storage bucket, uint256 capacity_) internal view returns (uint256) {
        uint256 leaked = Math.mulDiv(capacity_, block.timestamp - bucket.at, DAY);
        return Math.saturatingSub(bucket.level, leaked);
    }

    /// @notice Adds a trade. An exempt one fills the bucket at most: it is not refused, but what follows is.
    function add(Bucket storage bucket, uint256 capacity_, uint256 value) internal {
        uint256 level = levelNow(bucket, capacity_);
        bucket.level = SafeCast.toUint128(Math.max(level, Math.min(level + value, capacity_)));
        // casting is safe: a time in seconds
        // forge-lint: disable-next-line(unsafe-typecast)
        bucket.at = uint64(block.timestamp);
    }
}
