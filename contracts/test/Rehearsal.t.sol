// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IRebalancingVault as V} from "../src/interfaces/IRebalancingVault.sol";
import {IRehearsal} from "../src/interfaces/IRehearsal.sol";
import {Rehearsal} from "../src/Rehearsal.sol";
import {VaultFixture} from "./support/VaultFixture.sol";

/// @notice A cheatcode that this forge-std does not know yet.
interface ICool {
    function cool(address target) external;
}

/// @title The rehearsal at the keeper's address, on a real vault
contract RehearsalTest is VaultFixture {
    function setUp() public override {
        super.setUp();
        invested();
        // Never deployed in earnest: its code stands at the keeper's address, as by a state override.
        vm.etch(keeper, address(new Rehearsal()).code);
    }

    function rehearse(V.Rebalance memory r) private returns (IRehearsal.Rehearsed memory) {
        bytes memory call = abi.encodeCall(V.rebalance, (r));
        return IRehearsal(keeper).rehearse(address(vault), call, abi.encodeCall(V.previewRebalance, (r)));
    }

    function test_the_vault_sees_its_keeper_and_the_call_has_its_effects() public {
        IRehearsal.Rehearsed memory done = rehearse(request(true, 10 ether));
        assertTrue(done.ok);
        assertEq(done.result.length, 0);
        assertEq(vault.state().nextNonce, 2);
        assertFalse(done.previewed, "no question where nothing failed");
        assertEq(done.preview.length, 0);
    }

    function test_the_gas_is_that_of_a_transaction_on_cold_storage() public {
        V.Rebalance memory r = request(true, 10 ether);
        uint256 before = vm.snapshotState();
        ICool(address(vm)).cool(address(vault));
        IRehearsal.Rehearsed memory done = rehearse(r);
        vm.revertToState(before);
        ICool(address(vm)).cool(address(vault));
        bytes memory call = abi.encodeCall(V.rebalance, (r));
        assertGt(address(vault).code.length, 0, "and with this its account is warm");
        vm.prank(keeper);
        uint256 gasBefore = gasleft();
        (bool ok,) = address(vault).call(call);
        uint256 gasUsed = gasBefore - gasleft();
        assertTrue(ok);
        assertApproxEqAbs(done.gasUsed, gasUsed, 500);
    }

    function test_a_refusing_guard_is_named_by_the_call_and_by_the_preview() public {
        V.Rebalance memory r = request(true, 10 ether);
        r.nonce = 7;
        bytes memory err = abi.encodeWithSelector(V.WrongNonce.selector, 1, 7);
        IRehearsal.Rehearsed memory done = rehearse(r);
        assertFalse(done.ok);
        assertEq(done.result, err);
        assertTrue(done.previewed);
        assertEq(done.preview, abi.encode(false, V.WrongNonce.selector, err));
        assertEq(vault.state().nextNonce, 1);
    }

    function test_a_failure_behind_the_guards_leaves_the_preview_content() public {
        V.Rebalance memory r = request(true, 10 ether);
        venue.setPrice(2000 * USD);
        IRehearsal.Rehearsed memory done = rehearse(r);
        assertFalse(done.ok);
        assertEq(bytes4(done.result), V.InsufficientAmountOut.selector);
        assertTrue(done.previewed);
        assertEq(done.preview, abi.encode(true, bytes4(0), bytes("")));
    }

    function test_an_account_without_code_is_no_vault() public {
        vm.expectRevert(abi.encodeWithSelector(IRehearsal.NoCode.selector, alice));
        IRehearsal(keeper).rehearse(alice, "", "");
    }
}
