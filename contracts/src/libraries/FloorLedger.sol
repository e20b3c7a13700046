// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IRebalancingVault} from "../interfaces/IRebalancingVault.sol";

/// @title Floor, peak and cash-lock, per share
/// @notice The rules kept here:
/// - While shares exist the floor never falls, except in `rearm`, and when a deposit finds less than one whole asset.
/// - Accrual is simple interest from an anchor, so how often somebody pokes does not matter. It stops in cash-lock.
/// - A peak needs two pokes an interval apart and is the lower of both: one extreme block makes no floor.
/// - What users bring (fees, gifts) lifts all of them in the proportion in which it lifts NAV per share, with the virtual
///   shares of the vault: no deposit, withdrawal or gift moves the floor against NAV. Only the market and time do.
library FloorLedger {
    uint256 internal constant WAD = 1e18;
    /// @dev Shares the vault counts as existing from the start, against inflation attacks; they hold one asset unit.
    uint256 internal constant VIRTUAL_SHARES = 1e6;
    uint256 private constant YEAR = 365 days;

    /// @notice All values per share, WAD.
    /// @param stored Floor at the last touch
    /// @param anchor Floor that accrual counts from
    /// @param peak Highest confirmed NAV
    /// @param candidate NAV waiting for its second poke
    /// @param anchorAt When accrual began; 0 while no shares exist
    /// @param candidateAt Time of the first poke
    /// @param cashLock NAV was seen at or below the floor
    struct Ledger {
        uint160 stored;
        uint64 anchorAt;
        bool cashLock;
        uint160 anchor;
        uint64 candidateAt;
        uint160 peak;
        uint160 candidate;
    }

    /// @notice NAV per share, WAD, rounded down.
    function perShare(uint256 nav, uint256 supply) internal pure returns (uint256) {
        return Math.mulDiv(nav + 1, WAD * VIRTUAL_SHARES, supply + VIRTUAL_SHARES);
    }

    /// @notice The floor of all shares in asset units, rounded up; 0 without shares.
    function inAssets(uint256 floorPerShare, uint256 supply) internal pure returns (uint256) {
        if (supply == 0) return 0;
        return Math.mulDiv(floorPerShare, supply + VIRTUAL_SHARES, WAD * VIRTUAL_SHARES, Math.Rounding.Ceil);
    }

    /// @notice The floor now: as stored, accrued, or ratcheted, whichever is highest.
    function current(Ledger storage ledger, IRebalancingVault.Parameters storage p) internal view returns (uint256) {
        uint256 floor = ledger.stored;
        if (p.floorKind == IRebalancingVault.FloorKind.Accruing && !ledger.cashLock) {
            uint256 growth = uint256(p.accrualRate) * (block.timestamp - ledger.anchorAt) / YEAR;
            return Math.max(floor, _narrow(ledger.anchor + Math.mulDiv(ledger.anchor, growth, WAD)));
        }
        if (p.floorKind == IRebalancingVault.FloorKind.Ratchet) {
            return Math.max(floor, uint256(ledger.peak) * p.ratchetShareBps / 1e4);
        }
        return floor;
    }

    /// @notice Begins with the first NAV per share.
    function begin(Ledger storage ledger, IRebalancingVault.Parameters storage p, uint256 navPerShare) internal {
        restart(ledger, navPerShare * p.initialFloorBps / 1e4, navPerShare);
    }

    /// @notice Begins anew: a given floor, with this NAV per share as the peak, and no cash-lock.
    function restart(Ledger storage ledger, uint256 floorPerShare, uint256 navPerShare) internal {
        ledger.stored = _narrow(floorPerShare);
        ledger.anchor = ledger.stored;
        ledger.peak = _narrow(navPerShare);
        ledger.candidate = ledger.peak;
        ledger.anchorAt = _now();
        ledger.candidateAt = _now();
        ledger.cashLock = false;
    }

    /// @notice Forgets everything; for when the last share has gone.
    function end(Ledger storage ledger) internal {
        ledger.stored = 0;
        ledger.anchor = 0;
        ledger.peak = 0;
        ledger.candidate = 0;
        ledger.anchorAt = 0;
        ledger.candidateAt = 0;
        ledger.cashLock = false;
    }

    /// @notice Writes the floor as it is now, and lets accrual count from it; before the parameters change.
    function anchorNow(Ledger storage ledger, IRebalancingVault.Parameters storage p) internal {
        if (ledger.anchorAt == 0) return;
        store(ledger, p);
        ledger.anchor = ledger.stored;
        ledger.anchorAt = _now();
    }

    /// @notice Takes note of a NAV per share.
    function observe(Ledger storage ledger, IRebalancingVault.Parameters storage p, uint256 navPerShare) internal {
        if (block.timestamp < uint256(ledger.candidateAt) + p.pokeInterval) return;
        uint160 seen = _narrow(navPerShare);
        uint160 confirmed = seen < ledger.candidate ? seen : ledger.candidate;
        if (confirmed > ledger.peak) ledger.peak = confirmed;
        ledger.candidate = seen;
        ledger.candidateAt = _now();
    }

    /// @notice Follows NAV per share up by what came from users: by the fees of a deposit or a withdrawal, or by a gift.
    /// Otherwise whoever leaves a few shares behind with the fee of a large exit on them leaves a floor that protects
    /// nothing of what comes in next. Rounded up; NAV per share that falls moves nothing.
    function follow(Ledger storage ledger, uint256 navBefore, uint256 supplyBefore, uint256 nav, uint256 supply)
        internal
    {
        uint256 up = (nav + 1) * (supplyBefore + VIRTUAL_SHARES);
        uint256 down = (navBefore + 1) * (supply + VIRTUAL_SHARES);
        if (up <= down) return;
        ledger.stored = _scaled(ledger.stored, up, down);
        ledger.anchor = _scaled(ledger.anchor, up, down);
        ledger.peak = _scaled(ledger.peak, up, down);
        ledger.candidate = _scaled(ledger.candidate, up, down);
    }

    /// @notice Writes the floor as it is now.
    function store(Ledger storage ledger, IRebalancingVault.Parameters storage p) internal {
        ledger.stored = _narrow(current(ledger, p));
    }

    /// @notice Latches cash-lock, with the floor as it is now.
    function lock(Ledger storage ledger, IRebalancingVault.Parameters storage p) internal {
        store(ledger, p);
        ledger.cashLock = true;
    }

    function _scaled(uint160 value, uint256 up, uint256 down) private pure returns (uint160) {
        return _narrow(Math.mulDiv(value, up, down, Math.Rounding.Ceil));
    }

    /// @dev Wide enough for all the asset the vault takes on the virtual shares alone. Saturates: a floor beyond that must
    /// not stop anyone's exit.
    function _narrow(uint256 value) private pure returns (uint160) {
        // casting is safe: bounded by the comparison
        // forge-lint: disable-next-line(unsafe-typecast)
        return value > type(uint160).max ? type(uint160).max : uint160(value);
    }

    function _now() private view returns (uint64) {
        // casting is safe: a time in seconds
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint64(block.timestamp);
    }
}
