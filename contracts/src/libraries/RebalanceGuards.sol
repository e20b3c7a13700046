// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Books, Mark} from "../Books.sol";
import {IRebalancingVault} from "../interfaces/IRebalancingVault.sol";
import {Bound} from "./Bound.sol";
import {Turnover} from "./Turnover.sol";
import {Valuation} from "./Valuation.sol";

/// @title Every guard of `rebalance` before the swaps, in the order checked
/// @notice A library of its own, linked: `rebalance` and `previewRebalance` run this same code.
library RebalanceGuards {
    using Turnover for Turnover.Bucket;

    uint256 private constant BPS = 1e4;

    /// @notice What the guards found out.
    /// @param sale No swap buys
    /// @param exempt A sale while the bound is broken
    /// @param cool The cooldown is over
    /// @param value Of all amounts in, asset units
    struct Check {
        bool sale;
        bool exempt;
        bool cool;
        uint256 value;
    }

    /// @notice Reverts with the error of the first guard that refuses.
    /// @param m The vault now
    /// @param scale See `Valuation`
    /// @param preview Whether this is asked at a block, not in a transaction
    function check(Books storage b, Mark memory m, IRebalancingVault.Rebalance calldata r, uint256 scale, bool preview)
        external
        view
        returns (Check memory c)
    {
        require(msg.sender == b.keeper, IRebalancingVault.NotKeeper(msg.sender));
        c.sale = _isSale(r.swaps);
        require(c.sale || block.timestamp >= b.pausedUntil, IRebalancingVault.Paused(b.pausedUntil));
        _decision(b, r, preview);
        c.exempt = c.sale && Bound.isBroken(b, m);
        uint256 coolAt = uint256(b.lastRebalanceAt) + b.parameters.cooldown;
        c.cool = block.timestamp >= coolAt;
        require(c.exempt || c.cool, IRebalancingVault.CoolingDown(coolAt));
        _pools(b, r.swaps, c.sale);
        _price(b, m, c.sale);
        _size(b, m, r.swaps, c, scale);
        _turnover(b, m, c);
        _minimums(b, m, r.swaps, c.sale, scale);
    }

    function _isSale(IRebalancingVault.Swap[] calldata swaps) private pure returns (bool) {
        for (uint256 i = 0; i < swaps.length; ++i) {
            if (!swaps[i].sellRisky) return false;
        }
        return true;
    }

    /// @dev A preview at the decision block itself cannot know that block's hash; a transaction always can.
    function _decision(Books storage b, IRebalancingVault.Rebalance calldata r, bool preview) private view {
        require(r.nonce == b.nextNonce, IRebalancingVault.WrongNonce(b.nextNonce, r.nonce));
        require(r.policyHash == b.policyHash, IRebalancingVault.WrongPolicy(b.policyHash, r.policyHash));
        uint256 oldest = Math.saturatingSub(block.number, b.parameters.maxDecisionAge);
        uint256 newest = preview ? block.number : block.number - 1;
        require(
            r.decisionBlock >= oldest && r.decisionBlock <= newest,
            IRebalancingVault.DecisionBlockOutOfRange(r.decisionBlock, oldest, newest)
        );
        if (r.decisionBlock != block.number) {
            bytes32 expected = blockhash(r.decisionBlock);
            require(
                r.decisionBlockHash == expected, IRebalancingVault.WrongDecisionBlockHash(expected, r.decisionBlockHash)
            );
        }
        require(block.timestamp <= r.deadline, IRebalancingVault.DeadlinePassed(r.deadline));
    }

    function _pools(Books storage b, IRebalancingVault.Swap[] calldata swaps, bool sale) private view {
        require(swaps.length != 0, IRebalancingVault.EmptySwap());
        for (uint256 i = 0; i < swaps.length; ++i) {
            IRebalancingVault.Swap calldata s = swaps[i];
            require(s.amountIn != 0, IRebalancingVault.EmptySwap());
            require(s.sellRisky == sale, IRebalancingVault.MixedSwaps());
            bool allowed = s.venue != address(0) && b.venueOf[s.pool] == s.venue;
            require(allowed, IRebalancingVault.PoolNotAllowed(s.pool, s.venue));
        }
    }

    /// @dev A sale may use the mean price. No buy without a fresh price, nor at or below the floor.
    function _price(Books storage b, Mark memory m, bool sale) private view {
        if (sale) {
            require(m.price != 0, IRebalancingVault.NoReferencePrice());
        } else {
            bool fresh = m.status == IRebalancingVault.OracleStatus.Fresh;
            require(fresh, IRebalancingVault.OracleNotFresh(m.status));
            require(!b.floor.cashLock && m.cushion != 0, IRebalancingVault.CashLocked());
        }
    }

    function _size(
        Books storage b,
        Mark memory m,
        IRebalancingVault.Swap[] calldata swaps,
        Check memory c,
        uint256 scale
    ) private view {
        uint256 total = 0;
        for (uint256 i = 0; i < swaps.length; ++i) {
            total += swaps[i].amountIn;
        }
        uint256 held = c.sale ? b.trackedRisky : b.trackedAsset;
        require(total <= held, IRebalancingVault.HoldingExceeded(total, held));
        c.value = c.sale ? Valuation.toAsset(total, m.price, scale, Math.Rounding.Ceil) : total;
        uint256 limit = Math.mulDiv(m.nav, b.parameters.maxTradeBps, BPS, Math.Rounding.Ceil);
        require(c.value <= limit, IRebalancingVault.TradeTooLarge(c.value, limit));
    }

    function _turnover(Books storage b, Mark memory m, Check memory c) private view {
        if (c.exempt) return;
        uint256 capBps = b.parameters.turnoverCapBps;
        uint256 level = b.turnover.levelNow(m.nav, capBps);
        uint256 available = Math.saturatingSub(Turnover.capacity(m.nav, capBps), level);
        require(c.value <= available, IRebalancingVault.TurnoverExceeded(c.value, available));
    }

    function _minimums(
        Books storage b,
        Mark memory m,
        IRebalancingVault.Swap[] calldata swaps,
        bool sale,
        uint256 scale
    ) private view {
        bool fresh = m.status == IRebalancingVault.OracleStatus.Fresh;
        uint256 kept = BPS - (fresh ? b.parameters.slippageBps : b.parameters.degradedSlippageBps);
        for (uint256 i = 0; i < swaps.length; ++i) {
            uint256 fair = sale
                ? Valuation.toAsset(swaps[i].amountIn, m.price, scale, Math.Rounding.Ceil)
                : Valuation.toRisky(swaps[i].amountIn, m.price, scale, Math.Rounding.Ceil);
            uint256 lowest = Math.mulDiv(fair, kept, BPS, Math.Rounding.Ceil);
            uint256 given = swaps[i].minAmountOut;
            require(given >= lowest, IRebalancingVault.MinAmountOutTooLow(i, given, lowest));
        }
    }
}
