// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IOptionBook} from "../src/interfaces/IOptionBook.sol";
import {IRebalancingVault as V} from "../src/interfaces/IRebalancingVault.sol";
import {OptionBook} from "../src/OptionBook.sol";
import {RealPoolsSetup} from "./RealPools.t.sol";

/// @title What each action costs on real pools, in `.gas-snapshot`
/// @notice All is made ready in `setUp`; a test is one call on cold storage.
contract GasTest is RealPoolsSetup {
    bytes private _buy;
    bytes private _sale;
    bytes private _v2Sale;
    bytes private _preview;
    bytes private _open;
    OptionBook private _book;

    function riskyIsToken0() internal pure override returns (bool) {
        return true;
    }

    function setUp() public override {
        super.setUp();
        rebalance(through(false, 300_000 * USD, v3Pool, v3));
        pass(2 hours);
        vault.poke();
        pass(2 hours);
        _buy = abi.encodeCall(V.rebalance, (through(false, 90_000 * USD, v3Pool, v3)));
        _sale = abi.encodeCall(V.rebalance, (through(true, 30e18, v3Pool, v3)));
        _v2Sale = abi.encodeCall(V.rebalance, (through(true, 30e18, pair, v2)));
        _preview = abi.encodeCall(V.previewRebalance, (through(true, 30e18, v3Pool, v3)));
        _offered();
        stable.mint(alice, 1_000 * USD);
        vm.prank(alice);
        stable.approve(address(vault), type(uint256).max);
    }

    /// @dev A written call, offered for a test to open.
    function _offered() private {
        _book = new OptionBook(address(stable), address(risky), address(riskyFeed), 1 hours);
        vm.prank(owner);
        vault.setOptionBook(address(_book));
        uint64 expiry = uint64(block.timestamp + 1 days);
        IOptionBook.Terms memory t =
            IOptionBook.Terms(address(vault), bob, true, 3000e18, 4000e18, -50e18, 10_000 * USD, expiry, expiry - 1);
        stable.mint(bob, 10_000 * USD);
        vm.startPrank(bob);
        stable.approve(address(_book), type(uint256).max);
        uint64 id = _book.offer(t);
        vm.stopPrank();
        _open = abi.encodeCall(vault.openOption, (id, keccak256(abi.encode(t)), type(uint128).max));
    }

    function run(address caller, bytes memory data) private {
        vm.prank(caller);
        (bool ok,) = address(vault).call(data);
        assertTrue(ok);
    }

    function test_rebalance_buy_v3() public {
        run(keeper, _buy);
    }

    function test_rebalance_sale_v3() public {
        run(keeper, _sale);
    }

    function test_rebalance_sale_v2() public {
        run(keeper, _v2Sale);
    }

    function test_preview_rebalance() public {
        run(keeper, _preview);
    }

    function test_state() public {
        run(keeper, abi.encodeCall(V.state, ()));
    }

    function test_poke() public {
        run(bob, abi.encodeCall(V.poke, ()));
    }

    function test_deposit() public {
        run(alice, abi.encodeWithSignature("deposit(uint256,address)", 1_000 * USD, alice));
    }

    function test_withdraw() public {
        run(alice, abi.encodeWithSignature("withdraw(uint256,address,address)", 1_000 * USD, alice, alice));
    }

    function test_open_option() public {
        run(owner, _open);
    }

    function test_redeem_in_kind() public {
        run(alice, abi.encodeCall(V.redeemInKind, (1_000e12, alice, alice)));
    }
}
