// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Books} from "../Books.sol";
import {IRebalancingVault} from "../interfaces/IRebalancingVault.sol";
import {IVenue} from "../interfaces/IVenue.sol";

/// @title The allow-list of pools
library PoolList {
    uint256 private constant MAX_POOLS = 8;

    /// @notice Adds a pool of asset and risky that `venue` trades on.
    function add(Books storage b, address pool, address venue, address risky, address asset) external {
        require(b.venueOf[pool] == address(0), IRebalancingVault.PoolAlreadyAllowed(pool));
        require(b.pools.length < MAX_POOLS, IRebalancingVault.TooManyPools());
        (address token0, address token1, uint24 fee) = IVenue(venue).describe(pool);
        bool riskyIsToken0 = token0 == risky;
        bool fits = riskyIsToken0 ? token1 == asset : (token0 == asset && token1 == risky);
        require(fits, IRebalancingVault.WrongPoolTokens(pool));
        bytes32 kind = IVenue(venue).kind();
        b.venueOf[pool] = venue;
        b.pools.push(IRebalancingVault.Pool(pool, venue, kind, fee, riskyIsToken0));
        emit IRebalancingVault.PoolAllowed(pool, venue, kind);
    }

    /// @notice Takes a pool off.
    function remove(Books storage b, address pool) external {
        require(b.venueOf[pool] != address(0), IRebalancingVault.PoolNotAllowed(pool, address(0)));
        delete b.venueOf[pool];
        uint256 last = b.pools.length - 1;
        for (uint256 i = 0; i < last; ++i) {
            if (b.pools[i].pool == pool) b.pools[i] = b.pools[last];
        }
        b.pools.pop();
        emit IRebalancingVault.PoolDisallowed(pool);
    }
}
