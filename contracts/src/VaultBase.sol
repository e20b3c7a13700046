// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC4626} from "@openzeppelin/contracts/token/ERC20/extensions/ERC4626.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Books, Mark} from "./Books.sol";
import {IRebalancingVault} from "./interfaces/IRebalancingVault.sol";
import {IVenue} from "./interfaces/IVenue.sol";
import {FloorUpkeep} from "./libraries/FloorUpkeep.sol";
import {MeanPrice} from "./libraries/MeanPrice.sol";
import {Oracle} from "./libraries/Oracle.sol";
import {ParameterLimits} from "./libraries/ParameterLimits.sol";
import {Valuation} from "./libraries/Valuation.sol";

/// @title What all parts of the vault share: storage, the mark, the floor's upkeep, one swap
abstract contract VaultBase is ERC4626, ReentrancyGuardTransient, IRebalancingVault {
    using SafeERC20 for IERC20;

    uint256 internal constant BPS = 1e4;
    uint256 internal constant WAD = 1e18;
    uint256 private constant MIN_DECIMALS = 6;
    uint256 private constant MAX_DECIMALS = 18;

    IERC20 internal immutable RISKY;
    address internal immutable RISKY_FEED;
    address internal immutable ASSET_FEED;
    address internal immutable SEQUENCER_UPTIME_FEED;
    uint8 internal immutable ASSET_DECIMALS;
    uint8 internal immutable RISKY_DECIMALS;
    bool internal immutable RISKY_IS_NATIVE;
    /// @dev See `Valuation`.
    uint256 internal immutable SCALE;

    Books internal _books;

    constructor(Deployment memory d) ERC20(d.name, d.symbol) ERC4626(IERC20(d.asset)) {
        require(d.riskyFeed != address(0) && d.assetFeed != address(0), ZeroAddress());
        require(d.risky != d.asset, UnsupportedToken(d.risky));
        RISKY = IERC20(d.risky);
        RISKY_FEED = d.riskyFeed;
        ASSET_FEED = d.assetFeed;
        SEQUENCER_UPTIME_FEED = d.sequencerUptimeFeed;
        RISKY_IS_NATIVE = d.riskyIsNative;
        ASSET_DECIMALS = _decimalsOf(d.asset);
        RISKY_DECIMALS = _decimalsOf(d.risky);
        // A rebate counts gas in risky units, which for the native coin have 18 decimals.
        require(!d.riskyIsNative || RISKY_DECIMALS == MAX_DECIMALS, UnsupportedToken(d.risky));
        SCALE = 10 ** (MAX_DECIMALS + RISKY_DECIMALS - ASSET_DECIMALS);
        _books.policyHash = d.policyHash;
        _books.keeper = d.keeper;
        _books.guardian = d.guardian;
        ParameterLimits.set(_books, d.parameters, 10 ** ASSET_DECIMALS);
    }

    // ---------------------------------------------------------------- valuation

    /// @dev Never reverts for a bad oracle: degraded, it values at the pools' mean price, and at 0 without any.
    function _mark() internal view returns (Mark memory m) {
        (m.status, m.price) = _oracle();
        if (m.status != OracleStatus.Fresh) {
            m.price = MeanPrice.highest(_books, address(RISKY), RISKY_DECIMALS, ASSET_DECIMALS);
        }
        _revalue(m);
    }

    /// @dev The same price on the holdings, shares and floor of now.
    function _revalue(Mark memory m) internal view {
        FloorUpkeep.revalue(_books, m, SCALE, totalSupply());
    }

    function _oracle() internal view returns (OracleStatus status, uint256 price) {
        return Oracle.read(Oracle.Feeds(RISKY_FEED, ASSET_FEED, SEQUENCER_UPTIME_FEED), _books.parameters);
    }

    // ---------------------------------------------------------------- upkeep

    /// @dev What `poke` does.
    function _touch(Mark memory m) internal {
        _settle(m, m.nav, totalSupply());
    }

    /// @dev What `poke` does, after users have changed the vault from the NAV and supply given. The mark is not kept up.
    function _settle(Mark memory m, uint256 navBefore, uint256 supplyBefore) internal {
        FloorUpkeep.settle(_books, m, SCALE, FloorUpkeep.Before(navBefore, supplyBefore), totalSupply());
    }

    /// @dev All that a trade may do to the floor's upkeep: see `FloorUpkeep.watch`.
    function _watch(Mark memory m) internal {
        FloorUpkeep.watch(_books, m, totalSupply());
    }

    /// @dev The last share has gone: nothing is left to protect.
    function _close() internal {
        FloorUpkeep.close(_books);
    }

    // ---------------------------------------------------------------- moving tokens

    /// @dev Sells exactly `amountIn`. What really moved is measured; the approval is exact and gone afterwards.
    function _swap(Swap memory s) internal returns (uint256 received) {
        IERC20 tokenIn = s.sellRisky ? RISKY : IERC20(asset());
        IERC20 tokenOut = s.sellRisky ? IERC20(asset()) : RISKY;
        uint256 inBefore = tokenIn.balanceOf(address(this));
        uint256 outBefore = tokenOut.balanceOf(address(this));
        tokenIn.forceApprove(s.venue, s.amountIn);
        // What the venue says it paid is not believed.
        // slither-disable-next-line unused-return
        IVenue(s.venue).swapExactIn(s.pool, address(tokenIn), s.amountIn, s.minAmountOut, address(this));
        tokenIn.forceApprove(s.venue, 0);
        uint256 taken = inBefore - tokenIn.balanceOf(address(this));
        received = tokenOut.balanceOf(address(this)) - outBefore;
        require(taken == s.amountIn, WrongAmountIn(s.amountIn, taken));
        require(received >= s.minAmountOut, InsufficientAmountOut(received, s.minAmountOut));
        uint128 plus = SafeCast.toUint128(received);
        uint128 minus = SafeCast.toUint128(taken);
        if (s.sellRisky) {
            (_books.trackedRisky, _books.trackedAsset) = (_books.trackedRisky - minus, _books.trackedAsset + plus);
        } else {
            (_books.trackedAsset, _books.trackedRisky) = (_books.trackedAsset - minus, _books.trackedRisky + plus);
        }
    }

    /// @dev Pays out asset that is counted in the holdings.
    function _pay(address to, uint256 amount) internal {
        _books.trackedAsset -= SafeCast.toUint128(amount);
        IERC20(asset()).safeTransfer(to, amount);
    }

    function _decimalsOf(address token) private view returns (uint8 decimals_) {
        require(token.code.length != 0, UnsupportedToken(token));
        decimals_ = IERC20Metadata(token).decimals();
        require(decimals_ >= MIN_DECIMALS && decimals_ <= MAX_DECIMALS, UnsupportedToken(token));
    }

    function _decimalsOffset() internal pure override returns (uint8) {
        return 6;
    }
}
