// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IOptionHolder} from "../../src/interfaces/IOptionHolder.sol";
import {TestToken} from "./TestToken.sol";

/// @title A book that says and takes what the test tells it to
contract HostileBook {
    TestToken private immutable ASSET;
    address public risky;
    uint64 private _expiry;
    uint256 private _most;
    uint256 private _takes;
    address private _target;
    bytes private _calls;

    constructor(TestToken asset_, address risky_) {
        (ASSET, risky) = (asset_, risky_);
    }

    function asset() external view returns (address) {
        return address(ASSET);
    }

    /// @notice What the next position is said to be, and how much is taken for it.
    function set(uint64 expiry, uint256 most, uint256 takes) external {
        (_expiry, _most, _takes) = (expiry, most, takes);
    }

    /// @notice Calls this while a position is opened.
    function setCall(address target, bytes calldata data) external {
        (_target, _calls) = (target, data);
    }

    function open(uint64, bytes32) external returns (uint64, uint256) {
        if (_takes != 0) require(ASSET.transferFrom(msg.sender, address(this), _takes));
        if (_target != address(0)) {
            (bool ok, bytes memory reason) = _target.call(_calls);
            if (!ok) {
                assembly ("memory-safe") {
                    revert(add(reason, 32), mload(reason))
                }
            }
        }
        return (_expiry, _most);
    }

    /// @notice Pays in for a position.
    function pay(IOptionHolder vault, uint64 id, uint256 amount) external {
        ASSET.mint(address(this), amount);
        ASSET.approve(address(vault), amount);
        vault.settleOption(id, amount);
    }

    /// @notice Tries to take more, later.
    function grab(address from, uint256 amount) external returns (bool) {
        return ASSET.transferFrom(from, address(this), amount);
    }
}
