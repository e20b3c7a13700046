// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title What answers at Arbitrum's `ArbGasInfo` address on a local chain
/// @notice By one price that a test writes into storage. Written after the public documentation.
contract StandInArbGasInfo {
    uint256 private constant UNITS_PER_BYTE = 16;
    uint256 private constant BYTES_OF_A_SIMPLE_TRANSACTION = 140;
    uint256 private constant GAS_OF_A_SLOT = 20_000;

    /// @dev Slot 0: wei per unit of L1 calldata.
    uint256 private _perUnit;
    /// @dev Slot 1: from this block on the price in slot 2 holds, 0 for never.
    uint256 private _from;
    /// @dev Slot 2: wei per unit of L1 calldata.
    uint256 private _later;

    /// @notice Wei per L2 transaction, per byte of L1 calldata, per slot, per gas: base, congestion, both.
    function getPricesInWei() external view returns (uint256, uint256, uint256, uint256, uint256, uint256) {
        uint256 perByte = getL1BaseFeeEstimate() * UNITS_PER_BYTE;
        uint256 perGas = block.basefee;
        return (perByte * BYTES_OF_A_SIMPLE_TRANSACTION, perByte, GAS_OF_A_SLOT * perGas, perGas, 0, perGas);
    }

    /// @notice Wei per unit of L1 calldata.
    function getL1BaseFeeEstimate() public view returns (uint256) {
        return _from != 0 && block.number >= _from ? _later : _perUnit;
    }
}
