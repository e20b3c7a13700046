// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Uniswap v2 factory
interface IUniswapV2Factory {
    /// @notice The pair of two tokens, in either order; zero where there is none.
    function getPair(address tokenA, address tokenB) external view returns (address pair);
}
