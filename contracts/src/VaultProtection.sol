// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Mark} from "./Books.sol";
import {IRebalancingVault} from "./interfaces/IRebalancingVault.sol";
import {Bound} from "./libraries/Bound.sol";
import {Valuation} from "./libraries/Valuation.sol";
import {VaultKeeper} from "./VaultKeeper.sol";

/// @title Anyone's part: what protects the floor without a keeper
abstract contract VaultProtection is VaultKeeper {
    /// @inheritdoc IRebalancingVault
    function poke() external nonReentrant {
        _touch(_mark());
    }

    /// @inheritdoc IRebalancingVault
    function deleverage(address pool, uint256 maxAmountIn)
        external
        nonReentrant
        returns (uint256 amountIn, uint256 amountOut)
    {
        address venue = _books.venueOf[pool];
        require(venue != address(0), PoolNotAllowed(pool, venue));
        Mark memory m = _mark();
        require(m.price != 0, NoReferencePrice());
        _watch(m);
        uint256 navBefore = m.nav;
        require(Bound.isBroken(_books, m), BoundHolds(m.exposure, Bound.forSale(_books, m)));
        uint256 needed = _needed(m);
        amountIn = Math.min(needed, maxAmountIn);
        require(amountIn != 0, EmptySwap());
        uint256 lowest = _lowestOutput(m, amountIn, _slippage(m));
        amountOut = _swap(Swap(pool, venue, true, amountIn, lowest));
        uint256 reward = _reward(amountOut);
        // A full sale ends the breach. What its own cost leaves above the bound has a grace period again; a partial
        // sale must not win time.
        if (amountIn == needed) (_books.deleverageSince, _books.rewardPaid) = (0, 0);
        _revalue(m);
        _watch(m);
        emit Deleveraged(msg.sender, pool, amountIn, amountOut, reward, m.price, navBefore, m.nav);
    }

    /// @dev Risky units that bring the exposure down to the bound, if they are sold without loss: never below it.
    function _needed(Mark memory m) private view returns (uint256) {
        uint256 bound = Bound.forSale(_books, m);
        if (bound == 0) return _books.trackedRisky;
        uint256 excess = Valuation.toRisky(m.exposure - bound, m.price, SCALE, Math.Rounding.Ceil);
        return Math.min(excess, _books.trackedRisky);
    }

    /// @dev Widens evenly from the end of the grace period. Degraded, the mean price needs its own wider bound at least.
    function _slippage(Mark memory m) private view returns (uint256 slippage) {
        uint256 due = uint256(_books.deleverageSince) + _books.parameters.deleverageGrace;
        require(block.timestamp >= due, DeleverageNotDue(_books.deleverageSince));
        uint256 elapsed = Math.min(block.timestamp - due, _books.parameters.deleverageWidening);
        uint256 start = _books.parameters.deleverageStartSlippageBps;
        uint256 width = _books.parameters.deleverageMaxSlippageBps - start;
        slippage = start + width * elapsed / _books.parameters.deleverageWidening;
        if (m.status != OracleStatus.Fresh) slippage = Math.max(slippage, _books.parameters.degradedSlippageBps);
    }

    function _lowestOutput(Mark memory m, uint256 amountIn, uint256 slippage) private view returns (uint256) {
        uint256 fair = Valuation.toAsset(amountIn, m.price, SCALE, Math.Rounding.Ceil);
        return Math.mulDiv(fair, BPS - slippage, BPS, Math.Rounding.Ceil);
    }

    function _reward(uint256 amountOut) private returns (uint256 reward) {
        uint256 left = Math.saturatingSub(_books.parameters.rewardCap, _books.rewardPaid);
        reward = Math.min(Math.mulDiv(amountOut, _books.parameters.rewardBps, BPS), left);
        if (reward == 0) return 0;
        _books.rewardPaid += reward;
        _pay(msg.sender, reward);
    }
}
