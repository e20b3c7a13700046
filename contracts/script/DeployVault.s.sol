// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Script} from "forge-std/Script.sol";
import {console} from "forge-std/console.sol";
import {IRebalancingVault} from "../src/interfaces/IRebalancingVault.sol";
import {IUniswapV2Factory} from "../src/interfaces/IUniswapV2Factory.sol";
import {IUniswapV3Factory} from "../src/interfaces/IUniswapV3Factory.sol";
import {IOptionHolder} from "../src/interfaces/IOptionHolder.sol";
import {FloorUpkeep} from "../src/libraries/FloorUpkeep.sol";
import {MeanPrice} from "../src/libraries/MeanPrice.sol";
import {OptionEpoch} from "../src/libraries/OptionEpoch.sol";
import {Oracle} from "../src/libraries/Oracle.sol";
import {ParameterLimits} from "../src/libraries/ParameterLimits.sol";
import {PoolList} from "../src/libraries/PoolList.sol";
import {RebalanceGuards} from "../src/libraries/RebalanceGuards.sol";
import {OptionBook} from "../src/OptionBook.sol";
import {RebalancingVault} from "../src/RebalancingVault.sol";
import {UniswapV2Venue} from "../src/venues/UniswapV2Venue.sol";
import {UniswapV3Venue} from "../src/venues/UniswapV3Venue.sol";

/// @title Puts a vault on a chain: its libraries, the venues and the option book it lacks, the vault; and allows its pools
/// @notice Reads the file that VAULT_FILE names, `vault.toml` by default; `examples/vault.example.toml` explains every
/// key. Only the owner can allow pools and name the book: where another account deploys, the calls are printed.
contract DeployVault is Script {
    using SafeCast for uint256;

    /// @notice Pools of one kind, and what trades on them.
    /// @param factory Of the pools
    /// @param venue Zero for a new one
    /// @param pools None means that there is no such section
    struct Market {
        address factory;
        address venue;
        address[] pools;
    }

    /// @notice The book of the vault's options.
    /// @param wanted Whether there is such a section
    /// @param book Zero for a new one
    /// @param maxAge Of a new one: age of the feed's answer at an expiry up to which it is believed, seconds
    struct Options {
        bool wanted;
        address book;
        uint256 maxAge;
    }

    /// @notice All that the file says.
    struct Plan {
        IRebalancingVault.Deployment vault;
        Market v3;
        Market v2;
        Options options;
    }

    /// @notice A key of `[parameters]` that is none, or one too many.
    error UnknownParameter(uint256 found, uint256 expected);
    /// @notice `floor_kind` is fixed, accruing or ratchet.
    error UnknownFloorKind(string given);

    uint256 private constant PARAMETERS = 34;

    /// @notice Deploys what the file says, from the account that `forge script` was given.
    function run() external returns (RebalancingVault vault, address v3, address v2) {
        string memory file = vm.envOr("VAULT_FILE", string("vault.toml"));
        return deploy(read(vm.readFile(file)), msg.sender);
    }

    /// @notice Deploys a plan, from this account.
    function deploy(Plan memory plan, address deployer)
        public
        returns (RebalancingVault vault, address v3, address v2)
    {
        vm.startBroadcast(deployer);
        (v3, v2) = (plan.v3.venue, plan.v2.venue);
        if (plan.v3.pools.length != 0 && v3 == address(0)) {
            v3 = address(new UniswapV3Venue(IUniswapV3Factory(plan.v3.factory)));
        }
        if (plan.v2.pools.length != 0 && v2 == address(0)) {
            v2 = address(new UniswapV2Venue(IUniswapV2Factory(plan.v2.factory)));
        }
        vault = new RebalancingVault(plan.vault);
        if (deployer == plan.vault.owner) {
            _allow(vault, plan.v3.pools, v3);
            _allow(vault, plan.v2.pools, v2);
        }
        if (plan.options.wanted) _options(plan, vault, deployer);
        vm.stopBroadcast();
        _print(plan, vault, v3, v2, deployer);
    }

    function _allow(RebalancingVault vault, address[] memory pools, address venue) private {
        for (uint256 i = 0; i < pools.length; ++i) {
            vault.allowPool(pools[i], venue);
        }
    }

    /// @dev The plan then knows the book.
    function _options(Plan memory plan, RebalancingVault vault, address deployer) private {
        if (plan.options.book == address(0)) {
            IRebalancingVault.Deployment memory d = plan.vault;
            plan.options.book = address(new OptionBook(d.asset, d.risky, d.riskyFeed, plan.options.maxAge));
        }
        if (deployer == plan.vault.owner) vault.setOptionBook(plan.options.book);
    }

    // ---------------------------------------------------------------- what was done

    function _print(Plan memory plan, RebalancingVault vault, address v3, address v2, address deployer) private pure {
        console.log("Oracle         ", address(Oracle));
        console.log("MeanPrice      ", address(MeanPrice));
        console.log("PoolList       ", address(PoolList));
        console.log("ParameterLimits", address(ParameterLimits));
        console.log("RebalanceGuards", address(RebalanceGuards));
        console.log("FloorUpkeep    ", address(FloorUpkeep));
        console.log("OptionEpoch    ", address(OptionEpoch));
        if (v3 != address(0)) console.log("UniswapV3Venue ", v3);
        if (v2 != address(0)) console.log("UniswapV2Venue ", v2);
        if (plan.options.wanted) console.log("option book    ", plan.options.book);
        console.log("vault          ", address(vault));
        if (deployer == plan.vault.owner) return;
        console.log("left for the owner,", plan.vault.owner);
        _printCalls(plan.v3.pools, v3);
        _printCalls(plan.v2.pools, v2);
        if (!plan.options.wanted) return;
        console.log("call the vault with:");
        console.logBytes(abi.encodeCall(IOptionHolder.setOptionBook, (plan.options.book)));
    }

    function _printCalls(address[] memory pools, address venue) private pure {
        for (uint256 i = 0; i < pools.length; ++i) {
            console.log("call the vault with:");
            console.logBytes(abi.encodeCall(IRebalancingVault.allowPool, (pools[i], venue)));
        }
    }

    // ---------------------------------------------------------------- reading

    /// @notice What a file says; every key but those of the markets must be there.
    function read(string memory toml) public view returns (Plan memory plan) {
        IRebalancingVault.Deployment memory d = plan.vault;
        (d.name, d.symbol) = (vm.parseTomlString(toml, ".name"), vm.parseTomlString(toml, ".symbol"));
        d.asset = vm.parseTomlAddress(toml, ".asset");
        d.risky = vm.parseTomlAddress(toml, ".risky");
        d.riskyFeed = vm.parseTomlAddress(toml, ".risky_feed");
        d.assetFeed = vm.parseTomlAddress(toml, ".asset_feed");
        d.sequencerUptimeFeed = vm.parseTomlAddress(toml, ".sequencer_uptime_feed");
        d.riskyIsNative = vm.parseTomlBool(toml, ".risky_is_native");
        d.owner = vm.parseTomlAddress(toml, ".owner");
        d.keeper = vm.parseTomlAddress(toml, ".keeper");
        d.guardian = vm.parseTomlAddress(toml, ".guardian");
        d.policyHash = vm.parseTomlBytes32(toml, ".policy_hash");
        uint256 found = vm.parseTomlKeys(toml, ".parameters").length;
        require(found == PARAMETERS, UnknownParameter(found, PARAMETERS));
        _oracle(toml, d.parameters);
        _keeper(toml, d.parameters);
        _protection(toml, d.parameters);
        _users(toml, d.parameters);
        plan.v3 = _market(toml, ".uniswap_v3");
        plan.v2 = _market(toml, ".uniswap_v2");
        plan.options.wanted = vm.keyExistsToml(toml, ".option_book");
        if (!plan.options.wanted) return plan;
        if (vm.keyExistsToml(toml, ".option_book.book")) {
            plan.options.book = vm.parseTomlAddress(toml, ".option_book.book");
        } else {
            plan.options.maxAge = vm.parseTomlUint(toml, ".option_book.max_age");
        }
    }

    function _market(string memory toml, string memory section) private view returns (Market memory market) {
        if (!vm.keyExistsToml(toml, section)) return market;
        market.factory = vm.parseTomlAddress(toml, string.concat(section, ".factory"));
        market.pools = vm.parseTomlAddressArray(toml, string.concat(section, ".pools"));
        string memory venue = string.concat(section, ".venue");
        if (vm.keyExistsToml(toml, venue)) market.venue = vm.parseTomlAddress(toml, venue);
    }

    function _oracle(string memory toml, IRebalancingVault.Parameters memory p) private pure {
        p.minPrice = _uint(toml, "min_price").toUint128();
        p.maxPrice = _uint(toml, "max_price").toUint128();
        p.riskyHeartbeat = _uint(toml, "risky_heartbeat").toUint32();
        p.riskyHeartbeatMargin = _uint(toml, "risky_heartbeat_margin").toUint32();
        p.assetHeartbeat = _uint(toml, "asset_heartbeat").toUint32();
        p.assetHeartbeatMargin = _uint(toml, "asset_heartbeat_margin").toUint32();
        p.sequencerGrace = _uint(toml, "sequencer_grace").toUint32();
        p.twapWindow = _uint(toml, "twap_window").toUint32();
        p.pegBoundBps = _uint(toml, "peg_bound_bps").toUint16();
        p.feedDeviationBps = _uint(toml, "feed_deviation_bps").toUint16();
    }

    function _keeper(string memory toml, IRebalancingVault.Parameters memory p) private pure {
        p.cooldown = _uint(toml, "cooldown").toUint32();
        p.maxDecisionAge = _uint(toml, "max_decision_age").toUint32();
        p.maxTradeBps = _uint(toml, "max_trade_bps").toUint16();
        p.turnoverCapBps = _uint(toml, "turnover_cap_bps").toUint32();
        p.slippageBps = _uint(toml, "slippage_bps").toUint16();
        p.degradedSlippageBps = _uint(toml, "degraded_slippage_bps").toUint16();
        p.navLossBps = _uint(toml, "nav_loss_bps").toUint16();
        p.capBps = _uint(toml, "cap_bps").toUint16();
        p.boundBps = _uint(toml, "bound_bps").toUint32();
        p.rebateCap = _uint(toml, "rebate_cap").toUint128();
    }

    function _protection(string memory toml, IRebalancingVault.Parameters memory p) private pure {
        p.deleverageGrace = _uint(toml, "deleverage_grace").toUint32();
        p.deleverageWidening = _uint(toml, "deleverage_widening").toUint32();
        p.deleverageStartSlippageBps = _uint(toml, "deleverage_start_slippage_bps").toUint16();
        p.deleverageMaxSlippageBps = _uint(toml, "deleverage_max_slippage_bps").toUint16();
        p.rewardBps = _uint(toml, "reward_bps").toUint16();
        p.rewardCap = _uint(toml, "reward_cap").toUint128();
        p.pokeInterval = _uint(toml, "poke_interval").toUint32();
        p.pauseDuration = _uint(toml, "pause_duration").toUint32();
    }

    function _users(string memory toml, IRebalancingVault.Parameters memory p) private pure {
        p.entryFeeBps = _uint(toml, "entry_fee_bps").toUint16();
        p.exitFeeBps = _uint(toml, "exit_fee_bps").toUint16();
        p.initialFloorBps = _uint(toml, "initial_floor_bps").toUint16();
        p.ratchetShareBps = _uint(toml, "ratchet_share_bps").toUint16();
        p.accrualRate = _uint(toml, "accrual_rate").toUint64();
        string memory kind = vm.parseTomlString(toml, ".parameters.floor_kind");
        bytes32 hash = keccak256(bytes(kind));
        if (hash == keccak256("fixed")) p.floorKind = IRebalancingVault.FloorKind.Fixed;
        else if (hash == keccak256("accruing")) p.floorKind = IRebalancingVault.FloorKind.Accruing;
        else if (hash == keccak256("ratchet")) p.floorKind = IRebalancingVault.FloorKind.Ratchet;
        else revert UnknownFloorKind(kind);
    }

    function _uint(string memory toml, string memory key) private pure returns (uint256) {
        return vm.parseTomlUint(toml, string.concat(".parameters.", key));
    }
}
