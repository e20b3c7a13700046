// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IRebalancingVault as V} from "../src/interfaces/IRebalancingVault.sol";
import {VaultFixture} from "./support/VaultFixture.sol";

/// @title The hard limits: every parameter at both ends and one beyond, the error naming it
contract ParametersTest is VaultFixture {
    /// @dev Position of a parameter in the ABI encoding, which is one word each.
    struct Limit {
        bytes32 name;
        uint256 word;
        uint256 min;
        uint256 max;
    }

    function limits() private pure returns (Limit[] memory l) {
        l = new Limit[](32);
        l[0] = Limit("rewardCap", 2, 0, 10_000e6);
        l[1] = Limit("rebateCap", 3, 0, 1_000e6);
        l[2] = Limit("accrualRate", 4, 0, 0.5e18);
        l[3] = Limit("riskyHeartbeat", 5, 1 minutes, 7 days);
        l[4] = Limit("riskyHeartbeatMargin", 6, 0, 1 days);
        l[5] = Limit("assetHeartbeat", 7, 1 minutes, 7 days);
        l[6] = Limit("assetHeartbeatMargin", 8, 0, 1 days);
        l[7] = Limit("sequencerGrace", 9, 0, 1 days);
        l[8] = Limit("cooldown", 10, 0, 7 days);
        l[9] = Limit("twapWindow", 11, 5 minutes, 1 days);
        l[10] = Limit("deleverageGrace", 12, 1 minutes, 7 days);
        l[11] = Limit("deleverageWidening", 13, 1, 7 days);
        l[12] = Limit("pokeInterval", 14, 5 minutes, 7 days);
        l[13] = Limit("pauseDuration", 15, 1 hours, 7 days);
        l[14] = Limit("maxDecisionAge", 16, 1, 256);
        l[15] = Limit("turnoverCapBps", 17, 1, 100_000);
        l[16] = Limit("boundBps", 18, 10_000, 200_000);
        l[17] = Limit("pegBoundBps", 19, 1, 1_000);
        l[18] = Limit("feedDeviationBps", 20, 0, 1_000);
        l[19] = Limit("maxTradeBps", 21, 1, 10_000);
        // As wide as the degraded slippage of the other parameters lets it be.
        l[20] = Limit("slippageBps", 22, 1, 300);
        l[21] = Limit("degradedSlippageBps", 23, 50, 1_500);
        l[22] = Limit("navLossBps", 24, 1, 500);
        l[23] = Limit("capBps", 25, 1, 10_000);
        l[24] = Limit("entryFeeBps", 26, 0, 500);
        l[25] = Limit("exitFeeBps", 27, 0, 500);
        l[26] = Limit("deleverageStartSlippageBps", 28, 0, 500);
        l[27] = Limit("deleverageMaxSlippageBps", 29, 50, 2_000);
        l[28] = Limit("rewardBps", 30, 0, 100);
        l[29] = Limit("initialFloorBps", 31, 0, 9_900);
        l[30] = Limit("ratchetShareBps", 32, 0, 9_900);
        l[31] = Limit("minPrice", 0, 1, 1_000_000e18 - 1);
    }

    function test_every_parameter_may_be_at_its_limits() public {
        Limit[] memory l = limits();
        for (uint256 i = 0; i < l.length; ++i) {
            setParameters(changed(l[i].word, l[i].min));
            setParameters(changed(l[i].word, l[i].max));
            assertEq(wordOf(vault.state().parameters, l[i].word), l[i].max);
        }
    }

    function test_no_parameter_may_be_beyond_its_limits() public {
        Limit[] memory l = limits();
        for (uint256 i = 0; i < l.length; ++i) {
            if (l[i].min != 0) refusedBy(l[i], l[i].min - 1);
            refusedBy(l[i], l[i].max + 1);
        }
    }

    function test_the_highest_price_is_above_the_lowest_and_below_the_overflow() public {
        V.Parameters memory p = parameters();
        p.maxPrice = 1e36;
        setParameters(p);
        p.maxPrice = 1e36 + 1;
        expectOutOfRange("maxPrice", 1e36 + 1, 10e18 + 1, 1e36, p);
        p.maxPrice = 10e18;
        expectOutOfRange("maxPrice", 10e18, 10e18 + 1, 1e36, p);
    }

    function test_a_rebate_needs_a_cooldown() public {
        V.Parameters memory p = parameters();
        p.rebateCap = 1;
        p.cooldown = 5 minutes - 1;
        expectOutOfRange("cooldown", 5 minutes - 1, 5 minutes, 7 days, p);
        p.cooldown = 5 minutes;
        setParameters(p);
    }

    function test_a_new_vault_is_held_to_the_limits_too() public {
        V.Deployment memory d = deployment();
        d.parameters.boundBps = 9_999;
        vm.expectRevert(
            abi.encodeWithSelector(V.ParameterOutOfRange.selector, bytes32("boundBps"), 9_999, 10_000, 200_000)
        );
        this.make(d);
    }

    function make(V.Deployment memory d) external {
        newVault(d);
    }

    function test_the_event_has_all_of_them() public {
        V.Parameters memory p = parameters();
        p.cooldown = 42;
        vm.expectEmit();
        emit V.ParametersChanged(p);
        setParameters(p);
    }

    // ---------------------------------------------------------------- support

    /// @dev The rewards' cap is checked before the start of the slippage, and so on: one change at a time.
    function refusedBy(Limit memory l, uint256 value) private {
        V.Parameters memory p = changed(l.word, value);
        vm.prank(owner);
        vm.expectPartialRevert(V.ParameterOutOfRange.selector);
        vault.setParameters(p);
        vm.prank(owner);
        try vault.setParameters(p) {
            fail();
        } catch (bytes memory err) {
            // Where two parameters bound each other, the error names the one that is checked against the other.
            assertTrue(namedIn(err, l.name) || related(err, l.name), string(abi.encodePacked(l.name)));
        }
    }

    function namedIn(bytes memory err, bytes32 name) private pure returns (bool) {
        bytes32 found;
        assembly ("memory-safe") {
            found := mload(add(err, 36))
        }
        return found == name;
    }

    function related(bytes memory err, bytes32 name) private pure returns (bool) {
        return (name == "slippageBps" && namedIn(err, "degradedSlippageBps"))
            || (name == "deleverageMaxSlippageBps" && namedIn(err, "deleverageStartSlippageBps"))
            || (name == "minPrice" && namedIn(err, "maxPrice"));
    }

    function expectOutOfRange(bytes32 name, uint256 value, uint256 min, uint256 max, V.Parameters memory p) private {
        vm.expectRevert(abi.encodeWithSelector(V.ParameterOutOfRange.selector, name, value, min, max));
        setParameters(p);
    }

    function changed(uint256 word, uint256 value) private view returns (V.Parameters memory) {
        bytes memory data = abi.encode(parameters());
        assembly ("memory-safe") {
            mstore(add(add(data, 32), mul(word, 32)), value)
        }
        return abi.decode(data, (V.Parameters));
    }

    function wordOf(V.Parameters memory p, uint256 word) private pure returns (uint256 value) {
        bytes memory data = abi.encode(p);
        assembly ("memory-safe") {
            value := mload(add(add(data, 32), mul(word, 32)))
        }
    }
}
