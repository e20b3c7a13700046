// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {TickMath} from "@uniswap/v4-core/src/libraries/TickMath.sol";
import {IUniswapV3Factory} from "../interfaces/IUniswapV3Factory.sol";
import {IUniswapV3Pool} from "../interfaces/IUniswapV3Pool.sol";
import {IVenue} from "../interfaces/IVenue.sol";

/// @title Uniswap v3
/// @notice Pays the pool straight from the caller's approval, and only while that caller's own swap runs.
contract UniswapV3Venue is IVenue {
    using SafeERC20 for IERC20;

    /// @notice The factory whose pools this venue trades on.
    IUniswapV3Factory public immutable FACTORY;

    /// @dev The pool that may call back, and who pays; zero outside a swap.
    address private transient _swappingOn;
    address private transient _payer;
    address private transient _tokenIn;

    constructor(IUniswapV3Factory factory) {
        FACTORY = factory;
    }

    /// @inheritdoc IVenue
    function kind() external pure returns (bytes32) {
        return "uniswap-v3";
    }

    /// @inheritdoc IVenue
    function describe(address pool) external view returns (address token0, address token1, uint24 fee) {
        token0 = IUniswapV3Pool(pool).token0();
        token1 = IUniswapV3Pool(pool).token1();
        fee = IUniswapV3Pool(pool).fee();
        require(FACTORY.getPool(token0, token1, fee) == pool, UnknownPool(pool));
    }

    /// @inheritdoc IVenue
    function meanQuote(address pool, address tokenIn, uint128 amountIn, uint32 window)
        external
        view
        returns (bool available, uint256 amountOut)
    {
        bool zeroForOne = _isToken0(pool, tokenIn);
        uint32[] memory secondsAgos = new uint32[](2);
        secondsAgos[0] = window;
        try IUniswapV3Pool(pool).observe(secondsAgos) returns (int56[] memory cumulatives, uint160[] memory) {
            int24 tick = _meanTick(cumulatives[1] - cumulatives[0], window);
            return (true, _quoteAtTick(tick, amountIn, zeroForOne));
        } catch {
            return (false, 0);
        }
    }

    /// @inheritdoc IVenue
    function swapExactIn(address pool, address tokenIn, uint256 amountIn, uint256 minAmountOut, address recipient)
        external
        returns (uint256 amountOut)
    {
        bool zeroForOne = _isToken0(pool, tokenIn);
        (_swappingOn, _payer, _tokenIn) = (pool, msg.sender, tokenIn);
        (int256 amount0, int256 amount1) = IUniswapV3Pool(pool)
            .swap(
                recipient,
                zeroForOne,
                // casting is safe: no token has 2^255 units; a negative amount would be taken for an exact output
                // forge-lint: disable-next-line(unsafe-typecast)
                int256(amountIn),
                zeroForOne ? TickMath.MIN_SQRT_PRICE + 1 : TickMath.MAX_SQRT_PRICE - 1,
                ""
            );
        (_swappingOn, _payer, _tokenIn) = (address(0), address(0), address(0));
        (int256 used, int256 paid) = zeroForOne ? (amount0, amount1) : (amount1, amount0);
        // casting is safe: the pool takes the input and pays the output
        // forge-lint: disable-next-line(unsafe-typecast)
        require(uint256(used) == amountIn, PartialFill(amountIn, uint256(used)));
        // forge-lint: disable-next-line(unsafe-typecast)
        amountOut = uint256(-paid);
        require(amountOut >= minAmountOut, InsufficientOutput(amountOut, minAmountOut));
    }

    /// @notice The pool asks for its input.
    function uniswapV3SwapCallback(int256 amount0Delta, int256 amount1Delta, bytes calldata) external {
        require(msg.sender == _swappingOn, UnexpectedCallback(msg.sender));
        int256 owed = amount0Delta > 0 ? amount0Delta : amount1Delta;
        // casting is safe: exactly one of the two is positive
        // forge-lint: disable-next-line(unsafe-typecast)
        IERC20(_tokenIn).safeTransferFrom(_payer, msg.sender, uint256(owed));
    }

    function _isToken0(address pool, address token) private view returns (bool isToken0) {
        isToken0 = token == IUniswapV3Pool(pool).token0();
        require(isToken0 || token == IUniswapV3Pool(pool).token1(), UnknownToken(pool, token));
    }

    /// @dev Towards minus infinity, as the pool's own ticks are.
    function _meanTick(int56 difference, uint32 window) private pure returns (int24 tick) {
        int56 span = int56(uint56(window));
        // casting is safe: a mean of ticks is a tick
        // forge-lint: disable-next-line(unsafe-typecast)
        tick = int24(difference / span);
        if (difference < 0 && difference % span != 0) --tick;
    }

    /// @dev Price is 1.0001^tick of token1 per token0, here squared from its root; with less precision where the
    /// square would not fit.
    function _quoteAtTick(int24 tick, uint128 amountIn, bool zeroForOne) private pure returns (uint256) {
        uint256 root = TickMath.getSqrtPriceAtTick(tick);
        if (root <= type(uint128).max) {
            uint256 price = root * root;
            return zeroForOne ? Math.mulDiv(price, amountIn, 1 << 192) : Math.mulDiv(1 << 192, amountIn, price);
        }
        uint256 shortPrice = Math.mulDiv(root, root, 1 << 64);
        return zeroForOne ? Math.mulDiv(shortPrice, amountIn, 1 << 128) : Math.mulDiv(1 << 128, amountIn, shortPrice);
    }
}
