// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Books} from "../Books.sol";
import {IRebalancingVault} from "../interfaces/IRebalancingVault.sol";
import {IVenue} from "../interfaces/IVenue.sol";

/// @title What the pools themselves say over the TWAP window, for when the oracle cannot be used
library MeanPrice {
    uint256 private constant WAD = 1e18;
    /// @dev Extra digits asked of the pools, for tokens of small value: at most 10^30 units, which fit in 128 bits.
    uint256 private constant DIGITS = 12;

    /// @notice The highest of the allow-listed pools' mean prices: the one a seller is least hurt by. A pool that fails
    /// to answer is passed over.
    /// @return price Asset per risky, WAD; 0 where no pool has any
    function highest(Books storage b, address risky, uint8 riskyDecimals, uint8 assetDecimals)
        external
        view
        returns (uint256 price)
    {
        // casting is safe: see DIGITS
        // forge-lint: disable-next-line(unsafe-typecast)
        uint128 amount = uint128(10 ** (riskyDecimals + DIGITS));
        uint256 unit = 10 ** (assetDecimals + DIGITS);
        uint32 window = b.parameters.twapWindow;
        for (uint256 i = 0; i < b.pools.length; ++i) {
            IRebalancingVault.Pool storage pool = b.pools[i];
            try IVenue(pool.venue).meanQuote(pool.pool, risky, amount, window) returns (bool available, uint256 quote) {
                if (available) price = Math.max(price, Math.mulDiv(quote, WAD, unit));
            } catch {}
        }
    }
}
