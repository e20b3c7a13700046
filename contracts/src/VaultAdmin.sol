// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Mark} from "./Books.sol";
import {IOptionHolder} from "./interfaces/IOptionHolder.sol";
import {IRebalancingVault} from "./interfaces/IRebalancingVault.sol";
import {FloorLedger} from "./libraries/FloorLedger.sol";
import {OptionEpoch} from "./libraries/OptionEpoch.sol";
import {ParameterLimits} from "./libraries/ParameterLimits.sol";
import {PoolList} from "./libraries/PoolList.sol";
import {VaultProtection} from "./VaultProtection.sol";

/// @title The owner's and the guardian's part
abstract contract VaultAdmin is VaultProtection, Ownable2Step {
    using FloorLedger for FloorLedger.Ledger;

    constructor(address owner_) Ownable(owner_) {}

    /// @inheritdoc IRebalancingVault
    function setParameters(Parameters calldata parameters) external onlyOwner {
        ParameterLimits.set(_books, parameters, 10 ** ASSET_DECIMALS);
    }

    /// @inheritdoc IRebalancingVault
    function setPolicyHash(bytes32 policyHash) external onlyOwner {
        _books.policyHash = policyHash;
        emit PolicyHashChanged(policyHash);
    }

    /// @inheritdoc IRebalancingVault
    function setKeeper(address keeper) external onlyOwner {
        _books.keeper = keeper;
        emit KeeperChanged(keeper);
    }

    /// @inheritdoc IRebalancingVault
    function setGuardian(address guardian) external onlyOwner {
        _books.guardian = guardian;
        emit GuardianChanged(guardian);
    }

    /// @inheritdoc IRebalancingVault
    function allowPool(address pool, address venue) external onlyOwner {
        PoolList.add(_books, pool, venue, address(RISKY), asset());
    }

    /// @inheritdoc IRebalancingVault
    function disallowPool(address pool) external onlyOwner {
        PoolList.remove(_books, pool);
    }

    /// @inheritdoc IOptionHolder
    function setOptionBook(address book) external onlyOwner nonReentrant {
        OptionEpoch.setBook(_books, book, asset(), address(RISKY));
    }

    /// @inheritdoc IOptionHolder
    function openOption(uint64 id, bytes32 terms, uint256 maxCost) external onlyOwner nonReentrant {
        Mark memory m = _requireFresh();
        OptionEpoch.open(_books, IERC20(asset()), id, terms, maxCost);
        _revalue(m);
        require(m.cushion != 0, CashLocked());
        _checkExposure(m);
        _watch(m);
    }

    /// @inheritdoc IRebalancingVault
    function rearm(uint256 floorPerShare) external onlyOwner {
        require(_books.floor.cashLock, NotCashLocked());
        Mark memory m = _mark();
        require(m.status == OracleStatus.Fresh, OracleNotFresh(m.status));
        uint256 navPerShare = FloorLedger.perShare(m.nav, totalSupply());
        require(floorPerShare < navPerShare, FloorNotBelowNav(floorPerShare, navPerShare));
        _books.floor.restart(floorPerShare, navPerShare);
        emit Rearmed(floorPerShare, navPerShare);
        _touch(m);
    }

    /// @inheritdoc IRebalancingVault
    function sync() external nonReentrant {
        Mark memory m = _mark();
        uint256 navBefore = m.nav;
        uint256 heldAsset = IERC20(asset()).balanceOf(address(this));
        uint256 heldRisky = RISKY.balanceOf(address(this));
        if (msg.sender != owner() || m.price == 0) {
            heldAsset = Math.min(heldAsset, _books.trackedAsset);
            heldRisky = Math.min(heldRisky, _books.trackedRisky);
        }
        _books.trackedAsset = SafeCast.toUint128(heldAsset);
        _books.trackedRisky = SafeCast.toUint128(heldRisky);
        emit Synced(heldAsset, heldRisky);
        _settle(m, navBefore, totalSupply());
    }

    /// @inheritdoc IRebalancingVault
    function pause() external {
        require(msg.sender == _books.guardian || msg.sender == owner(), NotGuardian(msg.sender));
        // casting is safe: a time in seconds
        // forge-lint: disable-next-line(unsafe-typecast)
        _books.pausedUntil = uint64(block.timestamp + _books.parameters.pauseDuration);
        emit PausedUntil(_books.pausedUntil);
    }

    /// @inheritdoc IRebalancingVault
    function unpause() external onlyOwner {
        _books.pausedUntil = 0;
        emit PausedUntil(0);
    }
}
