// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IRebalancingVault as V} from "../../src/interfaces/IRebalancingVault.sol";
import {IUniswapV3Pool} from "../../src/interfaces/IUniswapV3Pool.sol";
import {RealPoolsSetup} from "../RealPools.t.sol";

interface IPoolMoves {
    function swap(address, bool, int256, uint160, bytes calldata) external returns (int256, int256);
    function sync() external;
}

/// @title The vault's real pools, which can be moved to any price, and the numbers the checks share
abstract contract Market is RealPoolsSetup {
    uint256 internal constant WAD = 1e18;
    uint256 internal constant BPS = 1e4;
    uint256 internal constant VIRTUAL_SHARES = 1e6;
    /// @dev Asset units of one risky unit at a WAD price, inverse.
    uint256 internal constant SCALE = 1e30;
    bool private immutable RISKY_IS_TOKEN0;

    constructor(bool riskyIsToken0_) {
        RISKY_IS_TOKEN0 = riskyIsToken0_;
    }

    function riskyIsToken0() internal view override returns (bool) {
        return RISKY_IS_TOKEN0;
    }

    function setUp() public virtual override {
        super.setUp();
        addLiquidity(IUniswapV3Pool(v3Pool), 60_000, 1e19);
    }

    /// @dev The last answer, WAD; the asset is at one dollar.
    function feedPrice() internal view returns (uint256) {
        return uint256(latestAnswer()) * 1e10;
    }

    function movePools(uint256 price) internal {
        moveV3(price);
        uint256 wanted = Math.mulDiv(risky.balanceOf(pair), price, SCALE);
        uint256 held = stable.balanceOf(pair);
        if (wanted > held) stable.mint(pair, wanted - held);
        else stable.burn(pair, held - wanted);
        IPoolMoves(pair).sync();
    }

    /// @dev By a swap of whatever it takes.
    function moveV3(uint256 price) internal {
        uint256 square = RISKY_IS_TOKEN0 ? Math.mulDiv(price, 1 << 192, SCALE) : Math.mulDiv(SCALE, 1 << 192, price);
        uint160 target = uint160(Math.sqrt(square));
        (uint160 current,,,,,,) = IUniswapV3Pool(v3Pool).slot0();
        if (target == current) return;
        IPoolMoves(v3Pool).swap(address(this), target < current, type(int128).max, target, "");
    }

    // ---------------------------------------------------------------- what the vault should think

    /// @dev Written anew from the documents, not from the vault's code.
    function boundOf(V.State memory s) internal pure returns (uint256) {
        if (s.floor.cashLock) return 0;
        uint256 cushion = s.nav > s.floor.assets ? s.nav - s.floor.assets : 0;
        return cushion * s.parameters.boundBps / BPS;
    }

    function isBroken(V.State memory s) internal pure returns (bool) {
        return s.exposure > boundOf(s) && s.exposure > s.nav / BPS;
    }

    function isFresh(V.State memory s) internal pure returns (bool) {
        return s.oracleStatus == V.OracleStatus.Fresh;
    }

    function isPaused(V.State memory s) internal view returns (bool) {
        return block.timestamp < s.pausedUntil;
    }

    function worth(uint256 units, uint256 price) internal pure returns (uint256) {
        return Math.mulDiv(units, price, SCALE);
    }

    /// @dev Any size, small ones as often as large ones.
    function sized(uint256 seed, uint256 most) internal pure returns (uint256) {
        if (most == 0) return 0;
        uint256 scaled = most >> (seed % (Math.log2(most) + 1));
        return scaled == 0 ? 1 : 1 + (seed >> 8) % scaled;
    }
}
