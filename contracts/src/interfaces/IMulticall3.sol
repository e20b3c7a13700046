// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Multicall3, the fallback where a provider refuses state overrides
interface IMulticall3 {
    /// @notice One call of a batch.
    /// @param target Contract to call
    /// @param allowFailure False to revert the whole batch when this call fails
    /// @param callData Calldata
    struct Call3 {
        address target;
        bool allowFailure;
        bytes callData;
    }

    /// @notice What one call of a batch returned.
    struct Result {
        bool success;
        bytes returnData;
    }

    /// @notice Runs all calls in order.
    function aggregate3(Call3[] calldata calls) external payable returns (Result[] memory returnData);

    /// @notice BASEFEE of the block, wei.
    function getBasefee() external view returns (uint256 basefee);

    /// @notice Number of the block.
    function getBlockNumber() external view returns (uint256 blockNumber);

    /// @notice The chain's id.
    function getChainId() external view returns (uint256 chainid);

    /// @notice Timestamp of the block, seconds.
    function getCurrentBlockTimestamp() external view returns (uint256 timestamp);

    /// @notice Native balance, wei.
    function getEthBalance(address account) external view returns (uint256 balance);
}
