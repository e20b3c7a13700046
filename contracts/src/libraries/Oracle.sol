// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IAggregatorV3} from "../interfaces/IAggregatorV3.sol";
import {IRebalancingVault} from "../interfaces/IRebalancingVault.sol";

/// @title Risky in asset, from two Chainlink feeds
/// @notice Never reverts: a feed that answers wrongly, or not at all, is an invalid answer.
library Oracle {
    uint256 private constant WAD = 1e18;
    uint256 private constant WAD_DECIMALS = 18;
    /// @dev An answer is below 2^128, so beyond this it is 0 in any case.
    uint256 private constant MAX_DECIMALS = 57;
    uint256 private constant LATEST_ROUND_DATA_SIZE = 160;

    /// @notice Where the answers come from.
    /// @param risky Chainlink proxy, risky/USD
    /// @param asset Chainlink proxy, asset/USD
    /// @param sequencer Sequencer uptime feed, zero for none
    struct Feeds {
        address risky;
        address asset;
        address sequencer;
    }

    struct Answer {
        bool valid;
        uint256 usd;
        uint256 updatedAt;
    }

    /// @notice The price and whether it may be used.
    /// @return status `Fresh`, or the first reason why not
    /// @return price Asset per risky, WAD; also when not fresh, 0 without two valid answers
    function read(Feeds memory feeds, IRebalancingVault.Parameters storage p)
        external
        view
        returns (IRebalancingVault.OracleStatus status, uint256 price)
    {
        Answer memory risky = _answer(feeds.risky);
        Answer memory asset = _answer(feeds.asset);
        if (risky.valid && asset.valid) price = Math.mulDiv(risky.usd, WAD, asset.usd);
        status = _sequencer(feeds.sequencer, p.sequencerGrace);
        if (status == IRebalancingVault.OracleStatus.Fresh) status = _status(risky, asset, p);
    }

    function _status(Answer memory risky, Answer memory asset, IRebalancingVault.Parameters storage p)
        private
        view
        returns (IRebalancingVault.OracleStatus)
    {
        if (!risky.valid) return IRebalancingVault.OracleStatus.InvalidRiskyAnswer;
        if (!asset.valid) return IRebalancingVault.OracleStatus.InvalidAssetAnswer;
        if (_isStale(risky, uint256(p.riskyHeartbeat) + p.riskyHeartbeatMargin)) {
            return IRebalancingVault.OracleStatus.StaleRiskyAnswer;
        }
        if (_isStale(asset, uint256(p.assetHeartbeat) + p.assetHeartbeatMargin)) {
            return IRebalancingVault.OracleStatus.StaleAssetAnswer;
        }
        if (risky.usd < p.minPrice || risky.usd > p.maxPrice) return IRebalancingVault.OracleStatus.RiskyOutOfBounds;
        uint256 offPeg = asset.usd > WAD ? asset.usd - WAD : WAD - asset.usd;
        if (offPeg > WAD * p.pegBoundBps / 1e4) return IRebalancingVault.OracleStatus.AssetDepegged;
        return IRebalancingVault.OracleStatus.Fresh;
    }

    function _isStale(Answer memory answer, uint256 maxAge) private view returns (bool) {
        return block.timestamp - answer.updatedAt > maxAge;
    }

    /// @dev Answer 0 is up. `startedAt` 0 is an invalid round, so nothing is known.
    function _sequencer(address feed, uint256 grace) private view returns (IRebalancingVault.OracleStatus) {
        if (feed == address(0)) return IRebalancingVault.OracleStatus.Fresh;
        (bool ok, int256 down, uint256 startedAt,) = _latestRound(feed);
        if (!ok || down != 0 || startedAt == 0 || startedAt > block.timestamp) {
            return IRebalancingVault.OracleStatus.SequencerDown;
        }
        if (block.timestamp - startedAt <= grace) return IRebalancingVault.OracleStatus.SequencerGrace;
        return IRebalancingVault.OracleStatus.Fresh;
    }

    /// @dev Scaled to WAD. Decimals are read every time: an aggregator behind the proxy may come with others.
    function _answer(address feed) private view returns (Answer memory answer) {
        (bool ok, int256 value,, uint256 updatedAt) = _latestRound(feed);
        (bool known, uint256 decimals) = _decimals(feed);
        if (!ok || !known || value <= 0 || value > int256(uint256(type(uint128).max))) return answer;
        if (updatedAt == 0 || updatedAt > block.timestamp) return answer;
        // casting is safe: the value is positive
        // forge-lint: disable-next-line(unsafe-typecast)
        answer.usd = _toWad(uint256(value), decimals);
        answer.updatedAt = updatedAt;
        answer.valid = answer.usd != 0;
    }

    function _toWad(uint256 value, uint256 decimals) private pure returns (uint256) {
        return
            decimals <= WAD_DECIMALS ? value * 10 ** (WAD_DECIMALS - decimals) : value / 10 ** (decimals - WAD_DECIMALS);
    }

    function _latestRound(address feed)
        private
        view
        returns (bool ok, int256 answer, uint256 startedAt, uint256 updatedAt)
    {
        bytes memory data;
        (ok, data) = feed.staticcall(abi.encodeCall(IAggregatorV3.latestRoundData, ()));
        if (!ok || data.length < LATEST_ROUND_DATA_SIZE) return (false, 0, 0, 0);
        uint256 id;
        (id, answer, startedAt, updatedAt,) = abi.decode(data, (uint256, int256, uint256, uint256, uint256));
        ok = id != 0;
    }

    function _decimals(address feed) private view returns (bool ok, uint256 decimals) {
        bytes memory data;
        (ok, data) = feed.staticcall(abi.encodeCall(IAggregatorV3.decimals, ()));
        if (!ok || data.length < 32) return (false, 0);
        decimals = abi.decode(data, (uint256));
        ok = decimals <= MAX_DECIMALS;
    }
}
