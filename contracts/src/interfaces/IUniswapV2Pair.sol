// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Uniswap v2 pair, as far as it is called here
interface IUniswapV2Pair {
    /// @notice The lower token by address.
    function token0() external view returns (address);

    /// @notice The higher token by address.
    function token1() external view returns (address);

    /// @notice Reserves, token units, and the time of their last change modulo 2^32.
    function getReserves() external view returns (uint112 reserve0, uint112 reserve1, uint32 blockTimestampLast);

    /// @notice Pays out what the caller asks for, if the input has arrived before.
    function swap(uint256 amount0Out, uint256 amount1Out, address to, bytes calldata data) external;
}
