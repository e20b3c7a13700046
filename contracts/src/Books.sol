// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IRebalancingVault} from "./interfaces/IRebalancingVault.sol";
import {FloorLedger} from "./libraries/FloorLedger.sol";
import {OptionEpoch} from "./libraries/OptionEpoch.sol";
import {Turnover} from "./libraries/Turnover.sol";

/// @notice All that the vault stores beside its shares and its owner.
/// @param trackedAsset Asset held, gifts not counted
/// @param trackedRisky Risky held, gifts not counted
/// @param lastRebalanceAt Zero before the first
/// @param pausedUntil In the past when not paused
/// @param deleverageSince When the bound was first seen broken; 0 while it holds
/// @param rewardPaid Paid in the current breach of the bound, asset units
/// @param venueOf The venue of every allow-listed pool
/// @param epoch The option book and what is open in it
struct Books {
    IRebalancingVault.Parameters parameters;
    FloorLedger.Ledger floor;
    Turnover.Bucket turnover;
    uint128 trackedAsset;
    uint128 trackedRisky;
    uint64 nextNonce;
    uint64 lastRebalanceAt;
    uint64 pausedUntil;
    uint64 deleverageSince;
    uint256 rewardPaid;
    bytes32 policyHash;
    address keeper;
    address guardian;
    IRebalancingVault.Pool[] pools;
    mapping(address pool => address venue) venueOf;
    OptionEpoch.Epoch epoch;
}

/// @notice The vault as valued at one moment. Amounts in asset units.
/// @param status Of the oracle
/// @param price Of the oracle when fresh, else the pools' mean price, or 0
/// @param exposure The risky part of NAV
/// @param cushion NAV above the floor of all shares
struct Mark {
    IRebalancingVault.OracleStatus status;
    uint256 price;
    uint256 nav;
    uint256 exposure;
    uint256 cushion;
}
