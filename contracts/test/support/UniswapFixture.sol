// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IUniswapV2Factory} from "../../src/interfaces/IUniswapV2Factory.sol";
import {IUniswapV3Factory} from "../../src/interfaces/IUniswapV3Factory.sol";
import {IUniswapV3Pool} from "../../src/interfaces/IUniswapV3Pool.sol";
import {TestToken} from "./TestToken.sol";
import {Tokens} from "./Tokens.sol";

interface IPoolSetup {
    function createPool(address, address, uint24) external returns (address);
    function createPair(address, address) external returns (address);
    function initialize(uint160) external;
    function increaseObservationCardinalityNext(uint16) external;
    function mint(address, int24, int24, uint128, bytes calldata) external returns (uint256, uint256);
    function mint(address) external returns (uint256);
}

/// @title The real Uniswap contracts, from the bytecode in their npm packages
abstract contract UniswapFixture is Tokens {
    string private constant V3 = "node_modules/@uniswap/v3-core/artifacts/contracts/";
    string private constant V2 = "node_modules/@uniswap/v2-core/build/";

    /// @dev Six and eighteen decimals; which one is token0 is for the test to say.
    function makeTokens(bool riskyIsToken0) internal {
        stable = new TestToken("Stable", "S", 6);
        do {
            risky = new TestToken("Risky", "R", 18);
        } while (address(risky) < address(stable) != riskyIsToken0);
    }

    function makeV3Factory() internal returns (IUniswapV3Factory) {
        return IUniswapV3Factory(deployCode(string.concat(V3, "UniswapV3Factory.sol/UniswapV3Factory.json")));
    }

    /// @dev Waffle's artifact says its bytecode twice, which `deployCode` does not read.
    function makeV2Factory() internal returns (IUniswapV2Factory factory) {
        string memory json = vm.readFile(string.concat(V2, "UniswapV2Factory.json"));
        bytes memory code = vm.parseBytes(string.concat("0x", vm.parseJsonString(json, ".bytecode")));
        code = abi.encodePacked(code, abi.encode(address(this)));
        assembly ("memory-safe") {
            factory := create(0, add(code, 32), mload(code))
        }
        require(address(factory) != address(0), "not deployed");
    }

    /// @dev At a price of 3,000 with liquidity around it, and room for observations.
    function makeV3Pool(IUniswapV3Factory factory, uint24 fee, uint128 liquidity) internal returns (IUniswapV3Pool) {
        address pool = IPoolSetup(address(factory)).createPool(address(stable), address(risky), fee);
        IPoolSetup(pool).initialize(sqrtPrice());
        IPoolSetup(pool).increaseObservationCardinalityNext(64);
        addLiquidity(IUniswapV3Pool(pool), 100, liquidity);
        return IUniswapV3Pool(pool);
    }

    /// @dev In a range of this many tick spacings on each side of the price.
    function addLiquidity(IUniswapV3Pool pool, int24 each, uint128 liquidity) internal {
        (, int24 tick,,,,,) = pool.slot0();
        int24 spacing = pool.tickSpacing();
        int24 middle = tick / spacing * spacing;
        IPoolSetup(address(pool)).mint(address(this), middle - each * spacing, middle + each * spacing, liquidity, "");
    }

    function makeV2Pair(IUniswapV2Factory factory, uint256 riskyReserve) internal returns (address pair) {
        pair = IPoolSetup(address(factory)).createPair(address(stable), address(risky));
        stable.mint(pair, riskyReserve * 3000e6 / 1e18);
        risky.mint(pair, riskyReserve);
        IPoolSetup(pair).mint(address(this));
    }

    /// @dev The square root of 3,000e6 / 1e18, or of its inverse, Q64.96.
    function sqrtPrice() internal view returns (uint160) {
        return address(risky) < address(stable) ? 4339505179874779489431521 : 1446501726624926496477173928747177;
    }

    function uniswapV3MintCallback(uint256 amount0, uint256 amount1, bytes calldata) external {
        pay(amount0, amount1);
    }

    function uniswapV3SwapCallback(int256 amount0, int256 amount1, bytes calldata) external {
        pay(amount0 > 0 ? uint256(amount0) : 0, amount1 > 0 ? uint256(amount1) : 0);
    }

    function pay(uint256 amount0, uint256 amount1) private {
        (TestToken token0, TestToken token1) = address(risky) < address(stable) ? (risky, stable) : (stable, risky);
        token0.mint(msg.sender, amount0);
        token1.mint(msg.sender, amount1);
    }
}
