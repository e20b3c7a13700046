// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {Test} from "forge-std/Test.sol";
import {console} from "forge-std/console.sol";
import {IRebalancingVault as V} from "../../src/interfaces/IRebalancingVault.sol";
import {VaultHandler} from "./VaultHandler.sol";

/// @title What holds whatever happens
/// @notice Most is checked by the actions themselves (`VaultHandler`), where before and after are known; no action may
/// revert. Here is what needs no before.
abstract contract VaultInvariants is Test {
    VaultHandler internal handler;

    function makeHandler() internal virtual returns (VaultHandler);

    function setUp() public {
        handler = makeHandler();
        handler.setUp();
        targetContract(address(handler));
        targetSelector(FuzzSelector(address(handler), handler.selectors()));
    }

    function invariant_shares_are_backed_and_no_approval_is_left_over() public view {
        (V vault, address v3, address v2) = handler.vaultAddress();
        (address stable, address risky) = handler.tokens();
        V.State memory s = vault.state();
        assertLe(s.trackedAsset, IERC20(stable).balanceOf(address(vault)));
        assertLe(s.trackedRisky, IERC20(risky).balanceOf(address(vault)));
        assertEq(IERC20(stable).allowance(address(vault), v3), 0);
        assertEq(IERC20(stable).allowance(address(vault), v2), 0);
        assertEq(IERC20(risky).allowance(address(vault), v3), 0);
        assertEq(IERC20(risky).allowance(address(vault), v2), 0);
        assertEq(IERC20(stable).balanceOf(v3) + IERC20(stable).balanceOf(v2), 0);
        assertEq(IERC20(risky).balanceOf(v3) + IERC20(risky).balanceOf(v2), 0);
    }

    function afterInvariant() public {
        handler.everybodyLeaves();
    }
}

/// @title That the actions do reach what they are to check
contract VaultHandlerTest is Test {
    using Address for address;

    /// @dev Numbers, and a last word that is a truth where one is wanted.
    function arguments(VaultHandler handler, bytes4 selector, uint256 seed) private pure returns (bytes memory) {
        uint256 truth = (seed >> 64) % 2;
        if (selector == handler.pauses.selector) return abi.encode(truth);
        if (selector == handler.gives.selector) return abi.encode(seed, truth);
        if (selector == handler.rebalances.selector) return abi.encode(seed, seed >> 16, seed >> 32, truth);
        return abi.encode(seed, seed >> 16, truth);
    }

    function test_a_long_run_meets_every_state() public {
        VaultHandler handler = new VaultHandler(true, V.FloorKind.Fixed);
        handler.setUp();
        bytes4[] memory selectors = handler.selectors();
        uint256 seed = 1;
        for (uint256 i = 0; i < 3_500; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            bytes4 selector = selectors[seed % selectors.length];
            address(handler).functionCall(abi.encodePacked(selector, arguments(handler, selector, seed >> 8)));
        }
        bytes32[15] memory states = [
            bytes32("buy"),
            "sale",
            "forced sale",
            "degraded forced sale",
            "paused forced sale",
            "early forced sale",
            "spent forced sale",
            "deleverage",
            "locked deleverage",
            "rearm",
            "withdraw",
            "redeem",
            "in kind",
            "gift",
            "deposit"
        ];
        for (uint256 i = 0; i < states.length; ++i) {
            console.log(string(abi.encodePacked(states[i])), handler.times(states[i]));
            assertGt(handler.times(states[i]), 0, string(abi.encodePacked(states[i])));
        }
    }
}

contract FixedFloorInvariants is VaultInvariants {
    function makeHandler() internal override returns (VaultHandler) {
        return new VaultHandler(true, V.FloorKind.Fixed);
    }
}

contract AccruingFloorInvariants is VaultInvariants {
    function makeHandler() internal override returns (VaultHandler) {
        return new VaultHandler(false, V.FloorKind.Accruing);
    }
}

contract RatchetFloorInvariants is VaultInvariants {
    function makeHandler() internal override returns (VaultHandler) {
        return new VaultHandler(true, V.FloorKind.Ratchet);
    }
}
