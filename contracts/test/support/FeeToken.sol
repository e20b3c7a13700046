// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {TestToken} from "./TestToken.sol";

/// @title A token that burns one per cent of every transfer while told to
contract FeeToken is TestToken {
    /// @notice Whether transfers cost.
    bool public charging;

    constructor(uint8 decimals_) TestToken("Fee Token", "FEE", decimals_) {}

    /// @notice Starts or stops charging.
    function setCharging(bool on) external {
        charging = on;
    }

    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        if (charging && from != address(0) && to != address(0)) super._update(to, address(0), value / 100);
    }
}
