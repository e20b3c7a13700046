// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IAggregatorV3} from "../../src/interfaces/IAggregatorV3.sol";

/// @title A feed whose every answer is set by the test
contract TestFeed is IAggregatorV3 {
    struct Round {
        int256 answer;
        uint256 startedAt;
        uint256 updatedAt;
    }

    /// @inheritdoc IAggregatorV3
    uint8 public decimals;
    /// @notice Newest round, phase included.
    uint80 public latest;
    /// @notice Whether every read reverts.
    bool public broken;
    mapping(uint80 id => Round round) private _rounds;

    constructor(uint8 decimals_, int256 answer) {
        decimals = decimals_;
        latest = uint80(1) << 64;
        push(answer, block.timestamp, block.timestamp);
    }

    /// @notice Answers now.
    function set(int256 answer) external {
        push(answer, block.timestamp, block.timestamp);
    }

    /// @notice Adds a round.
    function push(int256 answer, uint256 startedAt, uint256 updatedAt) public {
        _rounds[++latest] = Round(answer, startedAt, updatedAt);
    }

    /// @notice Moves to another round id, a new phase for example.
    function setLatest(uint80 id) external {
        latest = id;
    }

    /// @notice Changes the decimals, as a new aggregator might.
    function setDecimals(uint8 decimals_) external {
        decimals = decimals_;
    }

    /// @notice Makes reads revert.
    function setBroken(bool on) external {
        broken = on;
    }

    /// @inheritdoc IAggregatorV3
    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        return getRoundData(latest);
    }

    /// @inheritdoc IAggregatorV3
    function getRoundData(uint80 id) public view returns (uint80, int256, uint256, uint256, uint80) {
        require(!broken, "broken");
        Round storage round = _rounds[id];
        return (id, round.answer, round.startedAt, round.updatedAt, id);
    }
}
