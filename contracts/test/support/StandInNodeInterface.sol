// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {StandInArbGasInfo} from "./StandInArbGasInfo.sol";

/// @title What answers at Arbitrum's `NodeInterface` address on a local chain
/// @notice Takes only the bytes that are zero to compress, to nothing; pads as a node does. Written after the public
/// documentation.
contract StandInNodeInterface {
    StandInArbGasInfo private constant ARB_GAS_INFO = StandInArbGasInfo(address(0x6C));
    /// @dev Of a transaction around its calldata, signature included.
    uint256 private constant ENVELOPE_BYTES = 120;

    /// @notice Gas that buys the L1 part of such a call, the base fee, wei per unit of L1 calldata.
    function gasEstimateL1Component(address, bool, bytes calldata data)
        external
        payable
        returns (uint64, uint256, uint256)
    {
        uint256 length = ENVELOPE_BYTES;
        for (uint256 i = 0; i < data.length; ++i) {
            if (data[i] != 0) ++length;
        }
        uint256 perUnit = ARB_GAS_INFO.getL1BaseFeeEstimate();
        uint256 fee = (length + 16) * 16 * perUnit * 101 / 100 * 11 / 10;
        return (uint64(fee / block.basefee), block.basefee, perUnit);
    }
}
