// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IUniswapV2Factory} from "../interfaces/IUniswapV2Factory.sol";
import {IUniswapV2Pair} from "../interfaces/IUniswapV2Pair.sol";
import {IVenue} from "../interfaces/IVenue.sol";

/// @title Uniswap v2
/// @notice Constant product, 0.3 % fee. Its pairs keep no mean price that can be read without an earlier checkpoint.
contract UniswapV2Venue is IVenue {
    using SafeERC20 for IERC20;

    uint256 private constant FEE_KEPT = 997;
    uint256 private constant FEE_BASE = 1000;
    uint24 private constant FEE = 3000;

    /// @notice The factory whose pairs this venue trades on.
    IUniswapV2Factory public immutable FACTORY;

    constructor(IUniswapV2Factory factory) {
        FACTORY = factory;
    }

    /// @inheritdoc IVenue
    function kind() external pure returns (bytes32) {
        return "uniswap-v2";
    }

    /// @inheritdoc IVenue
    function describe(address pool) external view returns (address token0, address token1, uint24 fee) {
        token0 = IUniswapV2Pair(pool).token0();
        token1 = IUniswapV2Pair(pool).token1();
        fee = FEE;
        require(FACTORY.getPair(token0, token1) == pool, UnknownPool(pool));
    }

    /// @inheritdoc IVenue
    function meanQuote(address, address, uint128, uint32) external pure returns (bool available, uint256 amountOut) {
        return (false, 0);
    }

    /// @inheritdoc IVenue
    function swapExactIn(address pool, address tokenIn, uint256 amountIn, uint256 minAmountOut, address recipient)
        external
        returns (uint256 amountOut)
    {
        bool zeroForOne = tokenIn == IUniswapV2Pair(pool).token0();
        require(zeroForOne || tokenIn == IUniswapV2Pair(pool).token1(), UnknownToken(pool, tokenIn));
        (uint256 reserve0, uint256 reserve1,) = IUniswapV2Pair(pool).getReserves();
        IERC20(tokenIn).safeTransferFrom(msg.sender, pool, amountIn);
        amountOut =
            zeroForOne ? _amountOut(pool, tokenIn, reserve0, reserve1) : _amountOut(pool, tokenIn, reserve1, reserve0);
        require(amountOut >= minAmountOut, InsufficientOutput(amountOut, minAmountOut));
        IUniswapV2Pair(pool).swap(zeroForOne ? 0 : amountOut, zeroForOne ? amountOut : 0, recipient, "");
    }

    /// @dev On what the pair really received.
    function _amountOut(address pool, address tokenIn, uint256 reserveIn, uint256 reserveOut)
        private
        view
        returns (uint256)
    {
        uint256 kept = (IERC20(tokenIn).balanceOf(pool) - reserveIn) * FEE_KEPT;
        return kept * reserveOut / (reserveIn * FEE_BASE + kept);
    }
}
