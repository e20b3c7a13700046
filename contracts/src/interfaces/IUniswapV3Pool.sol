// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Uniswap v3 pool, as far as it is called here
interface IUniswapV3Pool {
    /// @notice The lower token by address.
    function token0() external view returns (address);

    /// @notice The higher token by address.
    function token1() external view returns (address);

    /// @notice Fee, hundredths of a basis point of the amount in.
    function fee() external view returns (uint24);

    /// @notice Only multiples of this tick can be initialised.
    function tickSpacing() external view returns (int24);

    /// @notice Liquidity in range.
    function liquidity() external view returns (uint128);

    /// @notice Price (token1 per token0, square root, Q64.96), its tick, and the state of the observations.
    function slot0()
        external
        view
        returns (
            uint160 sqrtPriceX96,
            int24 tick,
            uint16 observationIndex,
            uint16 observationCardinality,
            uint16 observationCardinalityNext,
            uint8 feeProtocol,
            bool unlocked
        );

    /// @notice 256 bits, one for each multiple of the tick spacing.
    function tickBitmap(int16 wordPosition) external view returns (uint256);

    /// @notice An initialised tick.
    function ticks(int24 tick)
        external
        view
        returns (
            uint128 liquidityGross,
            int128 liquidityNet,
            uint256 feeGrowthOutside0X128,
            uint256 feeGrowthOutside1X128,
            int56 tickCumulativeOutside,
            uint160 secondsPerLiquidityOutsideX128,
            uint32 secondsOutside,
            bool initialized
        );

    /// @notice Cumulative ticks at times before now; reverts ("OLD") beyond the observations kept.
    function observe(uint32[] calldata secondsAgos)
        external
        view
        returns (int56[] memory tickCumulatives, uint160[] memory secondsPerLiquidityCumulativeX128s);

    /// @notice Swaps; a positive `amountSpecified` is an exact input. Pays out first, then calls back for the input.
    function swap(
        address recipient,
        bool zeroForOne,
        int256 amountSpecified,
        uint160 sqrtPriceLimitX96,
        bytes calldata data
    ) external returns (int256 amount0, int256 amount1);
}
