// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Books, Mark} from "../Books.sol";

/// @title The exposure beyond which the vault must be sold down
library Bound {
    uint256 internal constant BPS = 1e4;
    /// @dev Exposure of at most this part of NAV (one basis point) breaks no bound, so that dust cannot lock anyone in.
    uint256 internal constant DUST_DIVISOR = 1e4;

    /// @notice The multiple of the cushion. Asset units.
    function ofCushion(Books storage b, Mark memory m) internal view returns (uint256) {
        return Math.mulDiv(m.cushion, b.parameters.boundBps, BPS);
    }

    /// @notice The same, and 0 in cash-lock. Asset units.
    function forSale(Books storage b, Mark memory m) internal view returns (uint256) {
        return b.floor.cashLock ? 0 : ofCushion(b, m);
    }

    /// @notice Whether exposure is beyond the bound.
    function isBroken(Books storage b, Mark memory m) internal view returns (bool) {
        return m.exposure > Math.max(forSale(b, m), m.nav / DUST_DIVISOR);
    }
}
