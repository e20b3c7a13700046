// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {DeployVault} from "../script/DeployVault.s.sol";
import {IRebalancingVault as V} from "../src/interfaces/IRebalancingVault.sol";
import {OptionBook} from "../src/OptionBook.sol";
import {RebalancingVault} from "../src/RebalancingVault.sol";
import {TestToken} from "./support/TestToken.sol";
import {RealPoolsSetup} from "./RealPools.t.sol";

/// @title The example, deployed as it stands
contract DeployExampleTest is Test {
    address private constant USDC = 0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48;
    address private constant WETH = 0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2;
    address private constant OWNER = 0x1111111111111111111111111111111111111111;
    string private constant EXAMPLE = "examples/vault.example.toml";

    DeployVault private _script;

    function setUp() public {
        _script = new DeployVault();
        vm.etch(USDC, address(new TestToken("USD Coin", "USDC", 6)).code);
        vm.etch(WETH, address(new TestToken("Wrapped Ether", "WETH", 18)).code);
    }

    function test_the_example_deploys_a_vault_for_its_owner() public {
        vm.setEnv("VAULT_FILE", EXAMPLE);
        (RebalancingVault vault, address v3, address v2) = _script.run();
        V.State memory s = vault.state();
        assertEq(vault.name(), "Floor Vault");
        assertEq(s.asset, USDC);
        assertEq(s.risky, WETH);
        assertEq(s.owner, OWNER);
        assertEq(s.keeper, 0x2222222222222222222222222222222222222222);
        assertEq(s.guardian, 0x3333333333333333333333333333333333333333);
        assertEq(s.riskyFeed, 0x5f4eC3Df9cbd43714FE2740f5E3616155c5b8419);
        assertEq(s.assetFeed, 0x8fFfFfd4AfB6115b954Bd326cbe7B4BA576818f6);
        assertEq(s.pools.length, 0, "only the owner allows pools");
        assertGt(v3.code.length, 0);
        assertEq(v2, address(0), "no pools, no venue");
        assertEq(s.optionBook, address(0), "none in the example");
    }

    function test_a_book_is_read_as_a_new_one_or_one_that_exists() public view {
        string memory example = vm.readFile(EXAMPLE);
        assertFalse(_script.read(example).options.wanted);
        string memory fresh =
            vm.replace(vm.replace(example, "# [option_book]", "[option_book]"), "# max_age", "max_age");
        DeployVault.Options memory options = _script.read(fresh).options;
        assertTrue(options.wanted);
        assertEq(options.book, address(0));
        assertEq(options.maxAge, 4_500);
        string memory there =
            vm.replace(fresh, "max_age = 4_500", "book = \"0x00000000000000000000000000000000000B00c5\"");
        assertEq(_script.read(there).options.book, 0x00000000000000000000000000000000000B00c5);
    }

    /// @dev A value in the place of another would pass the hard limits in many cases.
    function test_every_parameter_comes_from_its_own_key() public {
        string[34] memory keys = [
            "min_price",
            "max_price",
            "reward_cap",
            "rebate_cap",
            "accrual_rate",
            "risky_heartbeat",
            "risky_heartbeat_margin",
            "asset_heartbeat",
            "asset_heartbeat_margin",
            "sequencer_grace",
            "cooldown",
            "twap_window",
            "deleverage_grace",
            "deleverage_widening",
            "poke_interval",
            "pause_duration",
            "max_decision_age",
            "turnover_cap_bps",
            "bound_bps",
            "peg_bound_bps",
            "feed_deviation_bps",
            "max_trade_bps",
            "slippage_bps",
            "degraded_slippage_bps",
            "nav_loss_bps",
            "cap_bps",
            "entry_fee_bps",
            "exit_fee_bps",
            "deleverage_start_slippage_bps",
            "deleverage_max_slippage_bps",
            "reward_bps",
            "initial_floor_bps",
            "ratchet_share_bps",
            "floor_kind"
        ];
        string memory toml = "";
        for (uint256 i = 0; i < 33; ++i) {
            toml = string.concat(toml, keys[i], " = ", vm.toString(i + 1), "\n");
        }
        toml = string.concat(toml, "floor_kind = \"ratchet\"\n");
        // In the order of the struct, each is one more than the one before.
        bytes memory encoded = abi.encode(_script.read(with(toml)).vault.parameters);
        uint256[34] memory values = abi.decode(encoded, (uint256[34]));
        for (uint256 i = 0; i < 33; ++i) {
            assertEq(values[i], i + 1, keys[i]);
        }
        assertEq(values[33], uint256(V.FloorKind.Ratchet));
    }

    function test_a_parameter_that_is_none_is_refused() public {
        string memory toml = string.concat(vm.readFile(EXAMPLE), "\nspeed = 1\n");
        vm.expectRevert(abi.encodeWithSelector(DeployVault.UnknownParameter.selector, 35, 34));
        _script.read(toml);
    }

    function test_a_floor_of_no_kind_is_refused() public {
        string memory toml = vm.replace(vm.readFile(EXAMPLE), "\"fixed\"", "\"low\"");
        vm.expectRevert(abi.encodeWithSelector(DeployVault.UnknownFloorKind.selector, "low"));
        _script.read(toml);
    }

    /// @dev The example with these parameters.
    function with(string memory parameters) private view returns (string memory) {
        string[] memory parts = vm.split(vm.readFile(EXAMPLE), "[parameters]");
        return string.concat(parts[0], "[parameters]\n", parameters);
    }
}

/// @title An owner who deploys has a vault that can trade
contract DeployAsOwnerTest is RealPoolsSetup {
    function riskyIsToken0() internal pure override returns (bool) {
        return true;
    }

    function test_a_vault_deployed_by_its_owner_trades_at_once() public {
        DeployVault script = new DeployVault();
        DeployVault.Plan memory plan;
        plan.vault = deployment();
        plan.v3 = DeployVault.Market(address(makeV3Factory()), v3, new address[](1));
        plan.v3.pools[0] = v3Pool;
        plan.v2 = DeployVault.Market(address(0), v2, new address[](1));
        plan.v2.pools[0] = pair;
        plan.options = DeployVault.Options(true, address(0), 1 hours);
        (RebalancingVault made, address v3Used, address v2Used) = script.deploy(plan, owner);
        assertEq(v3Used, v3, "a venue that exists is used again");
        assertEq(v2Used, v2);
        OptionBook book = OptionBook(made.state().optionBook);
        assertEq(abi.encode(book.asset(), book.risky(), book.feed()), abi.encode(stable, risky, riskyFeed));
        assertEq(book.MAX_AGE(), 1 hours);
        vault = made;
        deposit(alice, 1_000_000 * USD);
        passes(through(false, 300_000 * USD, v3Pool, v3));
        pass(1 hours);
        passes(through(true, 10e18, pair, v2));
    }
}
