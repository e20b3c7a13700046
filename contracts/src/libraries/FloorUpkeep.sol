// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Books, Mark} from "../Books.sol";
import {IRebalancingVault} from "../interfaces/IRebalancingVault.sol";
import {Bound} from "./Bound.sol";
import {FloorLedger} from "./FloorLedger.sol";
import {Valuation} from "./Valuation.sol";

/// @title What pokes, users and trades do to the floor, the cash-lock and the timer of `deleverage`
/// @notice A library of its own, linked, to keep the vault deployable.
library FloorUpkeep {
    using FloorLedger for FloorLedger.Ledger;

    /// @notice The vault before users changed it.
    /// @param nav NAV, asset units
    /// @param supply Shares
    struct Before {
        uint256 nav;
        uint256 supply;
    }

    /// @notice The same price on the holdings, shares and floor of now.
    /// @param scale See `Valuation`
    /// @param supply Shares now
    function revalue(Books storage b, Mark memory m, uint256 scale, uint256 supply) internal view {
        m.exposure = Valuation.toAsset(b.trackedRisky, m.price, scale, Math.Rounding.Floor);
        m.nav = b.trackedAsset + m.exposure;
        uint256 floor = FloorLedger.inAssets(b.floor.current(b.parameters), supply);
        m.cushion = Math.saturatingSub(m.nav, floor);
    }

    /// @notice What `poke` does, after users have changed the vault from what it was before. A peak needs a fresh oracle.
    function settle(Books storage b, Mark memory m, uint256 scale, Before memory before, uint256 supply) external {
        revalue(b, m, scale, supply);
        if (supply == 0) return close(b);
        uint256 navPerShare = FloorLedger.perShare(m.nav, supply);
        if (m.status == IRebalancingVault.OracleStatus.Fresh && b.floor.anchorAt == 0) {
            b.floor.begin(b.parameters, navPerShare);
        } else {
            (uint256 floor, uint256 peak) = (b.floor.stored, b.floor.peak);
            if (m.price != 0) b.floor.follow(before.nav, before.supply, m.nav, supply);
            if (m.status == IRebalancingVault.OracleStatus.Fresh) b.floor.observe(b.parameters, navPerShare);
            b.floor.store(b.parameters);
            bool moved = floor != b.floor.stored || peak != b.floor.peak;
            if (moved) emit IRebalancingVault.FloorMoved(b.floor.stored, b.floor.peak);
        }
        revalue(b, m, scale, supply);
        _watch(b, m, supply);
    }

    /// @notice All that a trade may do to the floor's upkeep: it locks, and starts or clears the timer, but moves neither
    /// floor nor peak, so that no keeper chooses their moment. Cash-lock needs a fresh oracle; the timer takes the mean
    /// price too, but keeps still without any price.
    function watch(Books storage b, Mark memory m, uint256 supply) external {
        _watch(b, m, supply);
    }

    /// @notice The last share has gone: nothing is left to protect.
    function close(Books storage b) internal {
        b.floor.end();
        b.deleverageSince = 0;
        b.rewardPaid = 0;
    }

    function _watch(Books storage b, Mark memory m, uint256 supply) private {
        if (supply == 0) return;
        bool fresh = m.status == IRebalancingVault.OracleStatus.Fresh;
        if (fresh && m.cushion == 0 && !b.floor.cashLock) {
            b.floor.lock(b.parameters);
            emit IRebalancingVault.CashLockEntered(FloorLedger.perShare(m.nav, supply), b.floor.stored);
        }
        if (m.price != 0) _moveTimer(b, m);
    }

    function _moveTimer(Books storage b, Mark memory m) private {
        bool broken = Bound.isBroken(b, m);
        if (broken && b.deleverageSince == 0) {
            // casting is safe: a time in seconds
            // forge-lint: disable-next-line(unsafe-typecast)
            b.deleverageSince = uint64(block.timestamp);
            emit IRebalancingVault.BoundBroken(m.exposure, Bound.forSale(b, m));
        } else if (!broken && b.deleverageSince != 0) {
            b.deleverageSince = 0;
            b.rewardPaid = 0;
            emit IRebalancingVault.BoundRestored();
        }
    }
}
