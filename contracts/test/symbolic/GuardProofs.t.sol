// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Test} from "forge-std/Test.sol";
import {Mark} from "../../src/Books.sol";
import {IRebalancingVault as V} from "../../src/interfaces/IRebalancingVault.sol";
import {GuardsHarness} from "./GuardsHarness.sol";

interface ISymbolic {
    function enableSymbolicStorage(address) external;
}

/// @title No path leads past a failed guard of `rebalance`
/// @notice Proven by halmos (`scripts/audit-contracts`) for every content of the vault's storage, every mark, caller,
/// time and request of one or two swaps. Each proof assumes that its guard fails, and nothing else. forge does not run
/// them: what begins with `check_` is no test to it.
contract GuardProofs is Test {
    ISymbolic private constant SYMBOLIC = ISymbolic(0xF3993A62377BCd56AE39D773740A5390411E8BC9);
    uint256 private constant BPS = 1e4;

    GuardsHarness private _guards;

    function setUp() public {
        _guards = new GuardsHarness();
        SYMBOLIC.enableSymbolicStorage(address(_guards));
    }

    /// @notice The world at the time of the call.
    struct World {
        address caller;
        uint64 time;
        uint64 number;
        uint256 scale;
    }

    function refused(World memory w, Mark memory m, V.Rebalance memory r) private {
        vm.warp(w.time);
        vm.roll(w.number);
        vm.prank(w.caller);
        try _guards.check(m, r, w.scale) {
            assert(false);
        } catch {}
    }

    function isSale(V.Rebalance memory r) private pure returns (bool sale) {
        sale = true;
        for (uint256 i = 0; i < r.swaps.length; ++i) {
            sale = sale && r.swaps[i].sellRisky;
        }
    }

    function isFresh(Mark memory m) private pure returns (bool) {
        return m.status == V.OracleStatus.Fresh;
    }

    // ---------------------------------------------------------------- who and when

    function check_only_the_keeper_passes(World memory w, Mark memory m, V.Rebalance memory r) public {
        vm.assume(w.caller != _guards.facts().keeper);
        refused(w, m, r);
    }

    function check_no_buy_passes_while_paused(World memory w, Mark memory m, V.Rebalance memory r) public {
        vm.assume(!isSale(r) && w.time < _guards.facts().pausedUntil);
        refused(w, m, r);
    }

    function check_only_the_next_nonce_passes(World memory w, Mark memory m, V.Rebalance memory r) public {
        vm.assume(r.nonce != _guards.facts().nextNonce);
        refused(w, m, r);
    }

    function check_only_the_stored_policy_passes(World memory w, Mark memory m, V.Rebalance memory r) public {
        vm.assume(r.policyHash != _guards.facts().policyHash);
        refused(w, m, r);
    }

    function check_no_old_decision_passes(World memory w, Mark memory m, V.Rebalance memory r) public {
        vm.assume(uint256(r.decisionBlock) + _guards.parameters().maxDecisionAge < w.number);
        refused(w, m, r);
    }

    function check_no_decision_of_this_block_or_later_passes(World memory w, Mark memory m, V.Rebalance memory r)
        public
    {
        vm.assume(r.decisionBlock >= w.number);
        refused(w, m, r);
    }

    function check_no_decision_on_another_chain_passes(World memory w, Mark memory m, V.Rebalance memory r) public {
        vm.assume(r.decisionBlockHash != blockhash(r.decisionBlock));
        refused(w, m, r);
    }

    function check_nothing_passes_after_its_deadline(World memory w, Mark memory m, V.Rebalance memory r) public {
        vm.assume(w.time > r.deadline);
        refused(w, m, r);
    }

    function check_nothing_but_a_forced_sale_passes_in_the_cooldown(World memory w, Mark memory m, V.Rebalance memory r)
        public
    {
        vm.assume(uint256(_guards.facts().lastRebalanceAt) + _guards.parameters().cooldown > w.time);
        vm.assume(!isSale(r) || !_guards.isBroken(m));
        refused(w, m, r);
    }

    // ---------------------------------------------------------------- where and at what price

    function check_no_other_pool_passes(World memory w, Mark memory m, V.Rebalance memory r) public {
        bool other = false;
        for (uint256 i = 0; i < r.swaps.length; ++i) {
            address venue = r.swaps[i].venue;
            other = other || venue == address(0) || _guards.venueOf(r.swaps[i].pool) != venue;
        }
        vm.assume(other);
        refused(w, m, r);
    }

    function check_no_mixed_swaps_pass(World memory w, Mark memory m, V.Rebalance memory r) public {
        vm.assume(r.swaps.length == 2);
        vm.assume(r.swaps[0].sellRisky != r.swaps[1].sellRisky);
        refused(w, m, r);
    }

    function check_no_empty_swap_passes(World memory w, Mark memory m, V.Rebalance memory r) public {
        bool empty = r.swaps.length == 0;
        for (uint256 i = 0; i < r.swaps.length; ++i) {
            empty = empty || r.swaps[i].amountIn == 0;
        }
        vm.assume(empty);
        refused(w, m, r);
    }

    function check_no_buy_passes_without_a_fresh_oracle(World memory w, Mark memory m, V.Rebalance memory r) public {
        vm.assume(!isSale(r) && !isFresh(m));
        refused(w, m, r);
    }

    function check_no_sale_passes_without_any_price(World memory w, Mark memory m, V.Rebalance memory r) public {
        vm.assume(isSale(r) && m.price == 0);
        refused(w, m, r);
    }

    function check_no_buy_passes_in_cash_lock_or_without_cushion(World memory w, Mark memory m, V.Rebalance memory r)
        public
    {
        vm.assume(!isSale(r) && (_guards.facts().cashLock || m.cushion == 0));
        refused(w, m, r);
    }

    // ---------------------------------------------------------------- how much

    function check_no_more_than_is_held_passes(World memory w, Mark memory m, V.Rebalance memory r) public {
        GuardsHarness.Facts memory f = _guards.facts();
        vm.assume(total(r) > (isSale(r) ? f.trackedRisky : f.trackedAsset));
        refused(w, m, r);
    }

    function check_no_trade_above_the_size_limit_passes(World memory w, Mark memory m, V.Rebalance memory r) public {
        uint256 limit = Math.mulDiv(m.nav, _guards.parameters().maxTradeBps, BPS, Math.Rounding.Ceil);
        vm.assume(value(w, m, r) > limit);
        refused(w, m, r);
    }

    function check_nothing_but_a_forced_sale_passes_a_spent_turnover(
        World memory w,
        Mark memory m,
        V.Rebalance memory r
    ) public {
        vm.assume(!isSale(r) || !_guards.isBroken(m));
        vm.warp(w.time);
        vm.assume(value(w, m, r) > _guards.turnoverLeft(m.nav));
        refused(w, m, r);
    }

    function check_no_minimum_below_the_slippage_bound_passes(World memory w, Mark memory m, V.Rebalance memory r)
        public
    {
        V.Parameters memory p = _guards.parameters();
        uint256 kept = BPS - (isFresh(m) ? p.slippageBps : p.degradedSlippageBps);
        bool sale = isSale(r);
        bool low = false;
        for (uint256 i = 0; i < r.swaps.length; ++i) {
            uint256 fair = sale
                ? Math.mulDiv(r.swaps[i].amountIn, m.price, w.scale, Math.Rounding.Ceil)
                : Math.mulDiv(r.swaps[i].amountIn, w.scale, m.price, Math.Rounding.Ceil);
            low = low || r.swaps[i].minAmountOut < Math.mulDiv(fair, kept, BPS, Math.Rounding.Ceil);
        }
        vm.assume(low);
        refused(w, m, r);
    }

    function total(V.Rebalance memory r) private pure returns (uint256 sum) {
        for (uint256 i = 0; i < r.swaps.length; ++i) {
            sum += r.swaps[i].amountIn;
        }
    }

    /// @dev Of all amounts in, asset units.
    function value(World memory w, Mark memory m, V.Rebalance memory r) private pure returns (uint256) {
        return isSale(r) ? Math.mulDiv(total(r), m.price, w.scale, Math.Rounding.Ceil) : total(r);
    }
}
