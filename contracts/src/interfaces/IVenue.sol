// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title One kind of exchange, behind one call
/// @notice Holds no tokens and no state. The caller approves exactly the amount in; the venue takes it from the caller.
interface IVenue {
    /// @notice `pool` is not a pool of this venue's factory.
    error UnknownPool(address pool);
    /// @notice `token` is not one of the pool's two.
    error UnknownToken(address pool, address token);
    /// @notice The pool could not take the whole amount in.
    error PartialFill(uint256 amountIn, uint256 amountUsed);
    /// @notice The pool pays less than the caller accepts.
    error InsufficientOutput(uint256 amountOut, uint256 minAmountOut);
    /// @notice The callback did not come from the pool being swapped on.
    error UnexpectedCallback(address caller);

    /// @notice What arithmetic the pools of this venue follow, as short text: `uniswap-v3`, `uniswap-v2`.
    function kind() external view returns (bytes32);

    /// @notice A pool's tokens and fee (hundredths of a basis point of the amount in). Reverts with `UnknownPool`.
    function describe(address pool) external view returns (address token0, address token1, uint24 fee);

    /// @notice What `amountIn` was worth on average over the last `window` seconds, without fee and price impact.
    /// @return available False where the venue or the pool keeps no such history
    /// @return amountOut In units of the pool's other token
    function meanQuote(address pool, address tokenIn, uint128 amountIn, uint32 window)
        external
        view
        returns (bool available, uint256 amountOut);

    /// @notice Sells exactly `amountIn` of `tokenIn`, taken from the caller, and sends the other token to `recipient`.
    function swapExactIn(address pool, address tokenIn, uint256 amountIn, uint256 minAmountOut, address recipient)
        external
        returns (uint256 amountOut);
}
