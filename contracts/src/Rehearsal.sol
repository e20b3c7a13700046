// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IRehearsal} from "./interfaces/IRehearsal.sol";

/// @title The rehearsal behind one `eth_call` with a code override
/// @notice The call comes first, on storage that nothing has touched: a preview before it would warm the vault's slots, and
/// the gas measured would be less than a transaction needs. A failed call leaves no warm slot and no change behind it.
contract Rehearsal is IRehearsal {
    /// @inheritdoc IRehearsal
    /// @dev Looking at the code warms the vault's account, which a transaction to it finds warm. The call gets 63/64 of
    /// the gas at hand, which is plenty and changes nothing in what it uses.
    function rehearse(address vault, bytes calldata call, bytes calldata preview)
        external
        returns (Rehearsed memory r)
    {
        require(vault.code.length != 0, NoCode(vault));
        bytes memory data = call;
        uint256 gasBefore = gasleft();
        // What the keeper asks for is what is run; nobody else ever runs this.
        // forge-lint: disable-next-line(unchecked-call)
        (r.ok, r.result) = vault.call(data);
        r.gasUsed = gasBefore - gasleft();
        if (!r.ok) (r.previewed, r.preview) = vault.staticcall(preview);
    }
}
