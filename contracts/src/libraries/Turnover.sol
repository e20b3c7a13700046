// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title How much is traded per day, as a leaky bucket
/// @notice The bucket holds half of the daily cap and leaks half of it per day, evenly: so no window of 24 hours,
/// wherever it begins, sees more than the cap, and one exit of everything by exempt sales after it. It is kept as parts of NAV, each trade measured by the NAV of its own
/// time: a deposit makes no room, and a withdrawal takes none.
library Turnover {
    uint256 private constant WAD = 1e18;
    uint256 private constant DAY = 1 days;
    /// @dev Half of the cap, in bps.
    uint256 private constant CAPACITY_DIVISOR = 2e4;

    /// @notice A bucket.
    /// @param level Traded and not leaked away at `at`, part of NAV, WAD
    /// @param at When the level was written
    struct Bucket {
        uint128 level;
        uint64 at;
    }

    /// @notice What the bucket holds when full, and leaks per day. Asset units.
    function capacity(uint256 nav, uint256 capBps) internal pure returns (uint256) {
        return nav * capBps / CAPACITY_DIVISOR;
    }

    /// @notice The level now, asset units, rounded up; above the capacity after an exempt trade.
    function levelNow(Bucket storage bucket, uint256 nav, uint256 capBps) internal view returns (uint256) {
        return Math.mulDiv(_partNow(bucket, capBps), nav, WAD, Math.Rounding.Ceil);
    }

    /// @notice Adds a trade. An exempt one may overfill the bucket: it is not refused, but what follows it is, until the
    /// excess has leaked away too. So a sale that was forced cannot be bought back and forced again all day.
    function add(Bucket storage bucket, uint256 nav, uint256 capBps, uint256 value) internal {
        bucket.level = SafeCast.toUint128(_partNow(bucket, capBps) + Math.mulDiv(value, WAD, nav, Math.Rounding.Ceil));
        // casting is safe: a time in seconds
        // forge-lint: disable-next-line(unsafe-typecast)
        bucket.at = uint64(block.timestamp);
    }

    function _partNow(Bucket storage bucket, uint256 capBps) private view returns (uint256) {
        uint256 leaked = capacity(WAD, capBps) * (block.timestamp - bucket.at) / DAY;
        return Math.saturatingSub(bucket.level, leaked);
    }
}
