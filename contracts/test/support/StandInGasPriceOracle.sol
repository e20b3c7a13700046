// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title What answers at an OP-stack chain's `GasPriceOracle` address on a local chain
/// @notice Prices bytes as the Ecotone upgrade does, by their calldata gas, and the operator's fee as Jovian does; both by
/// prices that a test writes into storage. Written after the public specification.
contract StandInGasPriceOracle {
    /// @dev Slot 0: wei per unit of calldata gas.
    uint256 private _perGas;
    /// @dev Slot 1: hundredths of wei per unit of L2 gas.
    uint256 private _operatorScalar;
    /// @dev Slot 2: wei per transaction.
    uint256 private _operatorConstant;
    /// @dev Slot 3: from this block on the price in slot 4 holds, 0 for never.
    uint256 private _from;
    /// @dev Slot 4: wei per unit of calldata gas.
    uint256 private _later;

    /// @notice Wei for an unsigned transaction; 68 bytes are added for its signature.
    function getL1Fee(bytes calldata data) external view returns (uint256) {
        uint256 gas = 68 * 16;
        for (uint256 i = 0; i < data.length; ++i) {
            gas += data[i] == 0 ? 4 : 16;
        }
        return gas * (_from != 0 && block.number >= _from ? _later : _perGas);
    }

    /// @notice Wei for the operator of a transaction that uses so much gas.
    function getOperatorFee(uint256 gasUsed) external view returns (uint256) {
        return gasUsed * _operatorScalar * 100 + _operatorConstant;
    }
}
