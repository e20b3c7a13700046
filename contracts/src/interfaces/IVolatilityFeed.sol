// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title What options on one risky asset are traded at
interface IVolatilityFeed {
    /// @notice The implied volatility of one strike and expiry.
    /// @param strike Whole asset per whole risky, WAD
    /// @param expiry Seconds since 1970
    /// @return annual Volatility per square root of a year of 365 days, WAD
    /// @return updatedAt When it was last updated, seconds since 1970; 0 is no answer
    function impliedVolatility(uint256 strike, uint64 expiry) external view returns (uint256 annual, uint256 updatedAt);
}
