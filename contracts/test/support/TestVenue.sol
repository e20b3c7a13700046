// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IVenue} from "../../src/interfaces/IVenue.sol";
import {TestToken} from "./TestToken.sol";

/// @title A venue that trades at any price the test sets, and misbehaves when told to
contract TestVenue is IVenue {
    TestToken private immutable ASSET;
    TestToken private immutable RISKY;
    /// @dev Asset units per 1e18 risky units.
    uint256 private _price;
    uint256 private _meanPrice;
    uint256 private _takenBps = 10_000;
    uint256 private _paidBps = 10_000;
    bool private _broken;
    function() external private _callback;
    bool private _callsBack;

    constructor(TestToken asset, TestToken risky) {
        ASSET = asset;
        RISKY = risky;
    }

    /// @notice Price of the next swaps, asset units per 1e18 risky units.
    function setPrice(uint256 price) external {
        _price = price;
    }

    /// @notice Mean price, 0 for none.
    function setMeanPrice(uint256 price) external {
        _meanPrice = price;
    }

    /// @notice Takes and pays only a part of what it should.
    function setPart(uint256 takenBps, uint256 paidBps) external {
        (_takenBps, _paidBps) = (takenBps, paidBps);
    }

    /// @notice Makes the mean price revert.
    function setBroken(bool on) external {
        _broken = on;
    }

    /// @notice Calls this in every swap.
    function setCallback(function() external callback) external {
        (_callback, _callsBack) = (callback, true);
    }

    /// @inheritdoc IVenue
    function kind() external pure returns (bytes32) {
        return "test";
    }

    /// @inheritdoc IVenue
    function describe(address) external view returns (address, address, uint24) {
        return (address(RISKY), address(ASSET), 500);
    }

    /// @inheritdoc IVenue
    function meanQuote(address, address, uint128 amountIn, uint32) external view returns (bool, uint256) {
        require(!_broken, "broken");
        return (_meanPrice != 0, uint256(amountIn) * _meanPrice / 1e18);
    }

    /// @inheritdoc IVenue
    function swapExactIn(address, address tokenIn, uint256 amountIn, uint256, address recipient)
        external
        returns (uint256 amountOut)
    {
        bool sale = tokenIn == address(RISKY);
        amountOut = (sale ? amountIn * _price / 1e18 : amountIn * 1e18 / _price) * _paidBps / 10_000;
        require(TestToken(tokenIn).transferFrom(msg.sender, address(this), amountIn * _takenBps / 10_000));
        if (_callsBack) _callback();
        (sale ? ASSET : RISKY).mint(recipient, amountOut);
    }
}
