// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title What stands in for OpenZeppelin's `Math` in the proofs
/// @notice Multiplying and dividing is a hash of its arguments, of which halmos knows nothing but that equal arguments
/// have equal results. So the proofs hold whatever the product is, and the solver is spared 512-bit arithmetic.
library Math {
    enum Rounding {
        Floor,
        Ceil,
        Trunc,
        Expand
    }

    function mulDiv(uint256 x, uint256 y, uint256 denominator) internal pure returns (uint256) {
        return mulDiv(x, y, denominator, Rounding.Floor);
    }

    function mulDiv(uint256 x, uint256 y, uint256 denominator, Rounding rounding) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode(x, y, denominator, rounding)));
    }

    function min(uint256 a, uint256 b) internal pure returns (uint256) {
        return a < b ? a : b;
    }

    function max(uint256 a, uint256 b) internal pure returns (uint256) {
        return a > b ? a : b;
    }

    function saturatingSub(uint256 a, uint256 b) internal pure returns (uint256) {
        return a > b ? a - b : 0;
    }
}
