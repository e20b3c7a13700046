// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IVolatilityFeed} from "../../src/interfaces/IVolatilityFeed.sol";

/// @title A volatility feed whose every answer is set by anyone, and which answers for nothing else
contract TestVolatilityFeed is IVolatilityFeed {
    struct Answer {
        uint256 annual;
        uint256 updatedAt;
    }

    mapping(uint256 strike => mapping(uint64 expiry => Answer answer)) private _answers;

    /// @notice Answers from now on.
    function set(uint256 strike, uint64 expiry, uint256 annual, uint256 updatedAt) external {
        _answers[strike][expiry] = Answer(annual, updatedAt);
    }

    /// @inheritdoc IVolatilityFeed
    function impliedVolatility(uint256 strike, uint64 expiry) external view returns (uint256, uint256) {
        Answer storage answer = _answers[strike][expiry];
        require(answer.annual != 0 || answer.updatedAt != 0, "unknown");
        return (answer.annual, answer.updatedAt);
    }
}
