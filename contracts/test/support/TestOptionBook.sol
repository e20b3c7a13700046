// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IOptionBook} from "../../src/interfaces/IOptionBook.sol";

/// @title A book with as many legs as the test wants, or one that answers with an error or not at all
contract TestOptionBook {
    /// @notice How it answers.
    enum Mood {
        Well,
        Reverts,
        BurnsGas,
        Garbage
    }

    uint256 private _count;
    Mood private _mood;

    /// @notice What it does from now on.
    function set(uint256 count, Mood mood) external {
        (_count, _mood) = (count, mood);
    }

    /// @notice Calls on one unit each, at strikes of 1, 2, 3 and so on.
    function legs(address) external view returns (IOptionBook.Leg[] memory found) {
        require(_mood != Mood.Reverts, "broken");
        while (_mood == Mood.BurnsGas) {}
        if (_mood == Mood.Garbage) {
            assembly ("memory-safe") {
                mstore(0, 64)
                return(0, 32)
            }
        }
        found = new IOptionBook.Leg[](_count);
        for (uint64 i = 0; i < _count; ++i) {
            found[i] = IOptionBook.Leg(i, true, (uint256(i) + 1) * 1e18, 2_000_000_000, 1);
        }
    }
}
