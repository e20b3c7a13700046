// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Books} from "../Books.sol";
import {IRebalancingVault} from "../interfaces/IRebalancingVault.sol";
import {FloorLedger} from "./FloorLedger.sol";

/// @title The hard limits of every parameter
/// @notice What no owner can pass. A library of its own, linked, to keep the vault deployable.
library ParameterLimits {
    using FloorLedger for FloorLedger.Ledger;

    uint256 private constant MAX_PRICE = 1e36;
    uint256 private constant MAX_REWARD = 10_000;
    uint256 private constant MAX_REBATE = 1_000;
    /// @dev A rebate without a cooldown would be a drain.
    uint256 private constant MIN_COOLDOWN_WITH_REBATE = 5 minutes;

    /// @notice Sets all parameters, or reverts with `ParameterOutOfRange`, naming the first outside its limits.
    /// @param assetUnit One whole asset, asset units
    function set(Books storage b, IRebalancingVault.Parameters memory p, uint256 assetUnit) external {
        _check(p, assetUnit);
        b.floor.anchorNow(b.parameters);
        b.parameters = p;
        emit IRebalancingVault.ParametersChanged(p);
    }

    function _check(IRebalancingVault.Parameters memory p, uint256 assetUnit) private pure {
        _oracle(p);
        _keeper(p);
        _protection(p);
        _users(p);
        _within("rewardCap", p.rewardCap, 0, MAX_REWARD * assetUnit);
        _within("rebateCap", p.rebateCap, 0, MAX_REBATE * assetUnit);
        if (p.rebateCap != 0) _within("cooldown", p.cooldown, MIN_COOLDOWN_WITH_REBATE, 7 days);
    }

    function _oracle(IRebalancingVault.Parameters memory p) private pure {
        _within("minPrice", p.minPrice, 1, MAX_PRICE);
        _within("maxPrice", p.maxPrice, uint256(p.minPrice) + 1, MAX_PRICE);
        _within("riskyHeartbeat", p.riskyHeartbeat, 1 minutes, 7 days);
        _within("riskyHeartbeatMargin", p.riskyHeartbeatMargin, 0, 1 days);
        _within("assetHeartbeat", p.assetHeartbeat, 1 minutes, 7 days);
        _within("assetHeartbeatMargin", p.assetHeartbeatMargin, 0, 1 days);
        _within("sequencerGrace", p.sequencerGrace, 0, 1 days);
        _within("pegBoundBps", p.pegBoundBps, 1, 1_000);
        _within("feedDeviationBps", p.feedDeviationBps, 0, 1_000);
        _within("twapWindow", p.twapWindow, 5 minutes, 1 days);
    }

    function _keeper(IRebalancingVault.Parameters memory p) private pure {
        _within("cooldown", p.cooldown, 0, 7 days);
        _within("maxDecisionAge", p.maxDecisionAge, 1, 256);
        _within("maxTradeBps", p.maxTradeBps, 1, 10_000);
        _within("turnoverCapBps", p.turnoverCapBps, 1, 100_000);
        _within("slippageBps", p.slippageBps, 1, 500);
        _within("degradedSlippageBps", p.degradedSlippageBps, p.slippageBps, 1_500);
        _within("navLossBps", p.navLossBps, 1, 500);
        _within("capBps", p.capBps, 1, 10_000);
        _within("boundBps", p.boundBps, 10_000, 200_000);
    }

    function _protection(IRebalancingVault.Parameters memory p) private pure {
        _within("deleverageGrace", p.deleverageGrace, 1 minutes, 7 days);
        _within("deleverageWidening", p.deleverageWidening, 1, 7 days);
        _within("deleverageMaxSlippageBps", p.deleverageMaxSlippageBps, 1, 2_000);
        _within("deleverageStartSlippageBps", p.deleverageStartSlippageBps, 0, p.deleverageMaxSlippageBps);
        _within("rewardBps", p.rewardBps, 0, 100);
        _within("pokeInterval", p.pokeInterval, 5 minutes, 7 days);
        _within("pauseDuration", p.pauseDuration, 1 hours, 7 days);
    }

    function _users(IRebalancingVault.Parameters memory p) private pure {
        _within("entryFeeBps", p.entryFeeBps, 0, 500);
        _within("exitFeeBps", p.exitFeeBps, 0, 500);
        _within("initialFloorBps", p.initialFloorBps, 0, 9_900);
        _within("ratchetShareBps", p.ratchetShareBps, 0, 9_900);
        _within("accrualRate", p.accrualRate, 0, 0.5e18);
    }

    function _within(bytes32 name, uint256 value, uint256 min, uint256 max) private pure {
        require(value >= min && value <= max, IRebalancingVault.ParameterOutOfRange(name, value, min, max));
    }
}
