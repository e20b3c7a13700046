// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title Risky and asset units into each other
/// @notice `scale` is 10^(18 + risky decimals - asset decimals), which takes a WAD price and both decimals in one step.
library Valuation {
    /// @notice Risky units in asset units.
    function toAsset(uint256 riskyAmount, uint256 price, uint256 scale, Math.Rounding rounding)
        internal
        pure
        returns (uint256)
    {
        return Math.mulDiv(riskyAmount, price, scale, rounding);
    }

    /// @notice Asset units in risky units; the price must not be 0.
    function toRisky(uint256 assetAmount, uint256 price, uint256 scale, Math.Rounding rounding)
        internal
        pure
        returns (uint256)
    {
        return Math.mulDiv(assetAmount, scale, price, rounding);
    }
}
