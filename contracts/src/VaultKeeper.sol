// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Mark} from "./Books.sol";
import {IRebalancingVault} from "./interfaces/IRebalancingVault.sol";
import {Bound} from "./libraries/Bound.sol";
import {RebalanceGuards} from "./libraries/RebalanceGuards.sol";
import {Turnover} from "./libraries/Turnover.sol";
import {Valuation} from "./libraries/Valuation.sol";
import {VaultUsers} from "./VaultUsers.sol";

/// @title The keeper's part: every guard of `rebalance`, and the trade
abstract contract VaultKeeper is VaultUsers {
    using Turnover for Turnover.Bucket;

    /// @dev Gas of a rebalance outside the measured part: the base of a transaction, the calldata around the swaps, the
    /// rebate itself, the event.
    uint256 private constant REBATE_GAS_OVERHEAD = 62_000;
    /// @dev Five words of calldata, half of it zeros. Not by the length of all calldata, which can be padded with zeros
    /// that cost less than they would pay.
    uint256 private constant REBATE_GAS_PER_SWAP = 1_600;

    /// @notice What the swaps did.
    struct Trade {
        uint256 amountIn;
        uint256 amountOut;
        uint256 navBefore;
    }

    /// @inheritdoc IRebalancingVault
    function rebalance(Rebalance calldata r) external nonReentrant {
        uint256 gasAtStart = gasleft();
        Mark memory m = _mark();
        RebalanceGuards.Check memory c = RebalanceGuards.check(_books, m, r, SCALE, false);
        Trade memory t;
        t.navBefore = m.nav;
        _books.nextNonce = r.nonce + 1;
        // casting is safe: a time in seconds
        // forge-lint: disable-next-line(unsafe-typecast)
        _books.lastRebalanceAt = uint64(block.timestamp);
        _books.turnover.add(m.nav, _books.parameters.turnoverCapBps, c.value);
        _watch(m);
        _swapAll(r.swaps, t);
        _revalue(m);
        _checkLoss(m, t.navBefore);
        if (c.cool) _rebate(r, m, gasAtStart);
        if (!c.sale) _checkExposure(m);
        _watch(m);
        _emitRebalanced(r, c.sale, t, m);
    }

    /// @inheritdoc IRebalancingVault
    function previewRebalance(Rebalance calldata r)
        external
        view
        returns (bool ok, bytes4 selector, bytes memory data)
    {
        try RebalanceGuards.check(_books, _mark(), r, SCALE, true) returns (RebalanceGuards.Check memory) {
            ok = true;
        } catch (bytes memory reason) {
            data = reason;
            // casting is safe: the selector is what the first four bytes are
            // forge-lint: disable-next-line(unsafe-typecast)
            if (reason.length >= 4) selector = bytes4(reason);
        }
    }

    // ---------------------------------------------------------------- the trade, and guards after it

    function _swapAll(Swap[] calldata swaps, Trade memory t) private {
        for (uint256 i = 0; i < swaps.length; ++i) {
            t.amountIn += swaps[i].amountIn;
            t.amountOut += _swap(swaps[i]);
        }
    }

    /// @dev Degraded, NAV is not known, and the swap's own bound against the mean price is the guard.
    function _checkLoss(Mark memory m, uint256 navBefore) private view {
        if (m.status != OracleStatus.Fresh) return;
        uint256 allowed = Math.mulDiv(navBefore, _books.parameters.navLossBps, BPS);
        require(m.nav + allowed >= navBefore, NavLossTooLarge(navBefore, m.nav));
    }

    function _checkExposure(Mark memory m) internal view {
        uint256 limit = Math.min(Math.mulDiv(m.nav, _books.parameters.capBps, BPS), Bound.ofCushion(_books, m));
        require(m.exposure <= limit, ExposureTooLarge(m.exposure, limit));
    }

    /// @dev At the base fee alone, so that no tip can be paid to oneself; only after a cooldown, so that exempt sales
    /// cannot repeat it.
    function _rebate(Rebalance calldata r, Mark memory m, uint256 gasAtStart) private {
        if (!RISKY_IS_NATIVE || m.status != OracleStatus.Fresh || _books.parameters.rebateCap == 0) return;
        uint256 gasUsed = gasAtStart - gasleft() + REBATE_GAS_OVERHEAD + REBATE_GAS_PER_SWAP * r.swaps.length;
        uint256 cost = Valuation.toAsset(gasUsed * block.basefee, m.price, SCALE, Math.Rounding.Floor);
        uint256 amount = Math.min(Math.min(cost, _books.parameters.rebateCap), _books.trackedAsset);
        if (amount == 0) return;
        _pay(msg.sender, amount);
        _revalue(m);
        emit GasRebated(r.nonce, amount);
    }

    function _emitRebalanced(Rebalance calldata r, bool sale, Trade memory t, Mark memory m) private {
        emit Rebalanced(
            r.nonce,
            r.policyHash,
            r.decisionHash,
            r.decisionBlock,
            sale,
            t.amountIn,
            t.amountOut,
            m.price,
            t.navBefore,
            m.nav
        );
    }
}
