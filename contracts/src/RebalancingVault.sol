// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Mark} from "./Books.sol";
import {IRebalancingVault} from "./interfaces/IRebalancingVault.sol";
import {FloorLedger} from "./libraries/FloorLedger.sol";
import {OptionEpoch} from "./libraries/OptionEpoch.sol";
import {Turnover} from "./libraries/Turnover.sol";
import {VaultAdmin} from "./VaultAdmin.sol";
import {VaultBase} from "./VaultBase.sol";

/// @title The vault
/// @notice The parts, and `state()`, which shows all of them at once. Documented in `IRebalancingVault`.
contract RebalancingVault is VaultAdmin {
    using FloorLedger for FloorLedger.Ledger;
    using Turnover for Turnover.Bucket;

    constructor(Deployment memory d) VaultBase(d) VaultAdmin(d.owner) {}

    /// @inheritdoc IRebalancingVault
    function state() external view returns (State memory s) {
        _identity(s);
        _holdings(s);
        s.floor = _floorView(s.totalSupply);
        s.parameters = _books.parameters;
        s.pools = _books.pools;
        s.deleverageSince = _books.deleverageSince;
        s.gasRebate = RISKY_IS_NATIVE ? _books.parameters.rebateCap : 0;
        s.optionBook = _books.epoch.book;
        s.epochOpen = OptionEpoch.isOpen(_books);
    }

    function _identity(State memory s) private view {
        s.asset = asset();
        s.risky = address(RISKY);
        s.assetDecimals = ASSET_DECIMALS;
        s.riskyDecimals = RISKY_DECIMALS;
        s.shareDecimals = decimals();
        s.riskyFeed = RISKY_FEED;
        s.assetFeed = ASSET_FEED;
        s.sequencerUptimeFeed = SEQUENCER_UPTIME_FEED;
        s.owner = owner();
        s.keeper = _books.keeper;
        s.guardian = _books.guardian;
        s.policyHash = _books.policyHash;
        s.pausedUntil = _books.pausedUntil;
    }

    function _holdings(State memory s) private view {
        Mark memory m = _mark();
        s.totalSupply = totalSupply();
        s.trackedAsset = _books.trackedAsset;
        s.trackedRisky = _books.trackedRisky;
        (s.oracleStatus, s.price, s.nav, s.exposure) = (m.status, m.price, m.nav, m.exposure);
        s.nextNonce = _books.nextNonce;
        s.lastRebalanceAt = _books.lastRebalanceAt;
        s.turnoverCapacity = Turnover.capacity(m.nav, _books.parameters.turnoverCapBps);
        s.turnoverLevel = _books.turnover.levelNow(m.nav, _books.parameters.turnoverCapBps);
        s.turnoverLeakPerDay = s.turnoverCapacity;
    }

    function _floorView(uint256 supply) private view returns (Floor memory f) {
        f.perShare = _books.floor.current(_books.parameters);
        f.storedPerShare = _books.floor.stored;
        f.assets = FloorLedger.inAssets(f.perShare, supply);
        f.peakPerShare = _books.floor.peak;
        f.candidatePerShare = _books.floor.candidate;
        f.candidateAt = _books.floor.candidateAt;
        f.cashLock = _books.floor.cashLock;
    }
}
