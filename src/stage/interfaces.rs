//! The functions of the published contracts that the stage calls, where `protocols` has no use for them.

use alloy::sol;

sol! {
    interface IERC20 {
        function approve(address spender, uint256 amount) external returns (bool);
        function balanceOf(address owner) external view returns (uint256);
        function transfer(address to, uint256 amount) external returns (bool);
    }

    interface IUniswapV3Factory {
        function getPool(address tokenA, address tokenB, uint24 fee) external view returns (address pool);
    }

    interface IUniswapV2Factory {
        function createPair(address tokenA, address tokenB) external returns (address pair);
        function getPair(address tokenA, address tokenB) external view returns (address pair);
    }

    interface IUniswapV2Pair {
        function mint(address to) external returns (uint256 liquidity);
        function sync() external;
    }

    interface IUniswapV3Pool {
        function liquidity() external view returns (uint128);
        function slot0() external view returns (uint160 sqrtPriceX96, int24 tick, uint16 observationIndex, uint16 observationCardinality, uint16 observationCardinalityNext, uint8 feeProtocol, bool unlocked);
        function tickSpacing() external view returns (int24);
        function increaseObservationCardinalityNext(uint16 observationCardinalityNext) external;
    }

    interface INonfungiblePositionManager {
        struct MintParams {
            address token0;
            address token1;
            uint24 fee;
            int24 tickLower;
            int24 tickUpper;
            uint256 amount0Desired;
            uint256 amount1Desired;
            uint256 amount0Min;
            uint256 amount1Min;
            address recipient;
            uint256 deadline;
        }
        function createAndInitializePoolIfNecessary(address token0, address token1, uint24 fee, uint160 sqrtPriceX96) external payable returns (address pool);
        function mint(MintParams calldata params) external payable returns (uint256 tokenId, uint128 liquidity, uint256 amount0, uint256 amount1);
    }

    interface ISwapRouter {
        struct ExactInputSingleParams {
            address tokenIn;
            address tokenOut;
            uint24 fee;
            address recipient;
            uint256 deadline;
            uint256 amountIn;
            uint256 amountOutMinimum;
            uint160 sqrtPriceLimitX96;
        }
        function exactInputSingle(ExactInputSingleParams calldata params) external payable returns (uint256 amountOut);
    }

    interface IQuoterV2 {
        struct QuoteExactInputSingleParams {
            address tokenIn;
            address tokenOut;
            uint256 amountIn;
            uint24 fee;
            uint160 sqrtPriceLimitX96;
        }
        function quoteExactInputSingle(QuoteExactInputSingleParams memory params) external returns (uint256 amountOut, uint160 sqrtPriceX96After, uint32 initializedTicksCrossed, uint256 gasEstimate);
    }

    interface IFluxAggregator {
        function changeOracles(address[] calldata removed, address[] calldata added, address[] calldata addedAdmins, uint32 minSubmissions, uint32 maxSubmissions, uint32 restartDelay) external;
        function latestRound() external view returns (uint256);
        function submit(uint256 roundId, int256 submission) external;
    }

    interface IERC4626 {
        function deposit(uint256 assets, address receiver) external returns (uint256 shares);
    }

    interface IVaultOwner {
        function allowPool(address pool, address venue) external;
        function setKeeper(address keeper) external;
        function setPolicyHash(bytes32 policyHash) external;
        function setOptionBook(address book) external;
        function openOption(uint64 id, bytes32 terms, uint256 maxCost) external;
    }
}
