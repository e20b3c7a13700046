// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title A transaction of the keeper, run before it is signed
/// @notice Its code is put at the keeper's own address for the length of one `eth_call`, so that the vault sees its keeper
/// as `msg.sender`. It is never deployed.
interface IRehearsal {
    /// @notice How the call went.
    /// @param ok Whether it succeeded
    /// @param result What it returned, or its revert data
    /// @param gasUsed Gas of the call itself: without the base of a transaction and its calldata, refunds not deducted
    /// @param previewed Whether the preview answered; it is asked only where the call failed
    /// @param preview Its answer, or its revert data
    struct Rehearsed {
        bool ok;
        bytes result;
        uint256 gasUsed;
        bool previewed;
        bytes preview;
    }

    /// @notice There is no contract to call.
    error NoCode(address vault);

    /// @notice Runs a call of the keeper as a transaction would, and asks why where it fails.
    /// @param vault Contract called
    /// @param call Calldata of the transaction
    /// @param preview Calldata of the question why it fails, a view
    function rehearse(address vault, bytes calldata call, bytes calldata preview) external returns (Rehearsed memory);
}
