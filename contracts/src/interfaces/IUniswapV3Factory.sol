// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Uniswap v3 factory
interface IUniswapV3Factory {
    /// @notice The pool of two tokens and a fee, tokens in either order; zero where there is none.
    function getPool(address tokenA, address tokenB, uint24 fee) external view returns (address pool);
}
