// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Uniswap v3 QuoterV2, the reference our own swap arithmetic is tested against
interface IQuoterV2 {
    /// @notice An exact-input quote on one pool.
    /// @param fee Pool fee, hundredths of a basis point
    /// @param sqrtPriceLimitX96 Price limit, 0 for none
    struct QuoteExactInputSingleParams {
        address tokenIn;
        address tokenOut;
        uint256 amountIn;
        uint24 fee;
        uint160 sqrtPriceLimitX96;
    }

    /// @notice Amount out, price after, initialised ticks crossed. Not a view: call it by `eth_call`.
    function quoteExactInputSingle(QuoteExactInputSingleParams memory params)
        external
        returns (uint256 amountOut, uint160 sqrtPriceX96After, uint32 initializedTicksCrossed, uint256 gasEstimate);
}
