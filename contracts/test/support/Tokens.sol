// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {TestToken} from "./TestToken.sol";

/// @title The two tokens of every test
abstract contract Tokens is Test {
    TestToken internal stable;
    TestToken internal risky;
}
