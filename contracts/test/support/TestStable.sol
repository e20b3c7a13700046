// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {TestToken} from "./TestToken.sol";

/// @title A dollar of six decimals that anyone may mint
contract TestStable is TestToken {
    constructor() TestToken("Test Dollar", "TUSD", 6) {}
}
