// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IRebalancingVault} from "../../src/interfaces/IRebalancingVault.sol";
import {RebalancingVault} from "../../src/RebalancingVault.sol";
import {TestFeed} from "./TestFeed.sol";
import {TestStable} from "./TestStable.sol";
import {TestToken} from "./TestToken.sol";
import {TestVenue} from "./TestVenue.sol";
import {Tokens} from "./Tokens.sol";

/// @title A vault of dollars and a risky token at 3,000, on a venue that obeys the test
abstract contract VaultFixture is Tokens {
    uint256 internal constant USD = 1e6;
    uint256 internal constant START = 1_800_000_000;
    bytes32 internal constant POLICY = keccak256("policy");
    bytes32 internal constant DECISION = keccak256("decision");

    address internal owner = makeAddr("owner");
    address internal keeper = makeAddr("keeper");
    address internal guardian = makeAddr("guardian");
    address internal alice = makeAddr("alice");
    address internal bob = makeAddr("bob");
    address internal pool = makeAddr("pool");

    TestFeed internal riskyFeed;
    TestFeed internal assetFeed;
    TestFeed internal sequencerFeed;
    TestVenue internal venue;
    RebalancingVault internal vault;

    function setUp() public virtual {
        vm.warp(START);
        vm.roll(1_000_000);
        stable = new TestStable();
        risky = new TestToken("Wrapped Coin", "WCOIN", 18);
        riskyFeed = new TestFeed(8, 3000e8);
        assetFeed = new TestFeed(8, 1e8);
        venue = new TestVenue(stable, risky);
        venue.setPrice(3000 * USD);
        vault = newVault(deployment());
    }

    function newVault(IRebalancingVault.Deployment memory d) internal returns (RebalancingVault made) {
        made = new RebalancingVault(d);
        vm.prank(owner);
        made.allowPool(pool, address(venue));
    }

    /// @dev The policy of the documents, with bounds to match.
    function parameters() internal view virtual returns (IRebalancingVault.Parameters memory p) {
        p.minPrice = 10e18;
        p.maxPrice = 1_000_000e18;
        p.rewardCap = uint128(100 * USD);
        p.accrualRate = 0.05e18;
        p.riskyHeartbeat = 1 hours;
        p.riskyHeartbeatMargin = 5 minutes;
        p.assetHeartbeat = 1 days;
        p.assetHeartbeatMargin = 5 minutes;
        p.sequencerGrace = 1 hours;
        p.cooldown = 10 minutes;
        p.twapWindow = 30 minutes;
        p.deleverageGrace = 1 hours;
        p.deleverageWidening = 1 hours;
        p.pokeInterval = 1 hours;
        p.pauseDuration = 1 days;
        p.maxDecisionAge = 50;
        p.turnoverCapBps = 20_000;
        p.boundBps = 60_000;
        p.pegBoundBps = 200;
        p.feedDeviationBps = 75;
        p.maxTradeBps = 8_000;
        p.slippageBps = 50;
        p.degradedSlippageBps = 300;
        p.navLossBps = 50;
        p.capBps = 10_000;
        p.entryFeeBps = 10;
        p.exitFeeBps = 10;
        p.deleverageStartSlippageBps = 50;
        p.deleverageMaxSlippageBps = 500;
        p.rewardBps = 10;
        p.initialFloorBps = 8_000;
        p.ratchetShareBps = 8_000;
    }

    function deployment() internal view virtual returns (IRebalancingVault.Deployment memory d) {
        d.name = "Floor Vault";
        d.symbol = "fTUSD";
        d.asset = address(stable);
        d.risky = address(risky);
        d.riskyFeed = address(riskyFeed);
        d.assetFeed = address(assetFeed);
        d.sequencerUptimeFeed = address(sequencerFeed);
        d.riskyIsNative = true;
        d.owner = owner;
        d.keeper = keeper;
        d.guardian = guardian;
        d.policyHash = POLICY;
        d.parameters = parameters();
    }

    // ---------------------------------------------------------------- doing things

    function setParameters(IRebalancingVault.Parameters memory p) internal {
        vm.prank(owner);
        vault.setParameters(p);
    }

    function deposit(address user, uint256 assets) internal returns (uint256 shares) {
        stable.mint(user, assets);
        vm.startPrank(user);
        stable.approve(address(vault), assets);
        shares = vault.deposit(assets, user);
        vm.stopPrank();
    }

    /// @dev Time passes, and the feeds go on answering the same.
    function pass(uint256 time) internal {
        vm.warp(block.timestamp + time);
        vm.roll(block.number + time / 12 + 1);
        refresh();
    }

    function refresh() internal {
        (, int256 answer,,,) = riskyFeed.latestRoundData();
        riskyFeed.set(answer);
        (, answer,,,) = assetFeed.latestRoundData();
        assetFeed.set(answer);
    }

    /// @dev Oracle and venue agree on this many dollars.
    function setPrice(uint256 dollars) internal {
        riskyFeed.set(int256(dollars * 1e8));
        venue.setPrice(dollars * USD);
    }

    /// @dev A decision on the last block, one swap at the price of 3,000 less 0.2 %, unless changed.
    function request(bool sale, uint256 amountIn) internal view returns (IRebalancingVault.Rebalance memory r) {
        uint256 price = uint256(latestAnswer()) * USD / 1e8;
        uint256 fair = sale ? amountIn * price / 1e18 : amountIn * 1e18 / price;
        r.nonce = nextNonce();
        r.policyHash = POLICY;
        r.decisionHash = DECISION;
        r.decisionBlock = uint64(block.number - 1);
        r.decisionBlockHash = blockhash(block.number - 1);
        r.deadline = uint64(block.timestamp + 60);
        r.swaps = new IRebalancingVault.Swap[](1);
        r.swaps[0] = IRebalancingVault.Swap(pool, address(venue), sale, amountIn, fair * 998 / 1000);
    }

    function nextNonce() internal view returns (uint64) {
        return vault.state().nextNonce;
    }

    function latestAnswer() internal view returns (int256 answer) {
        (, answer,,,) = riskyFeed.latestRoundData();
    }

    function rebalance(IRebalancingVault.Rebalance memory r) internal {
        vm.prank(keeper);
        vault.rebalance(r);
    }

    function buy(uint256 assets) internal {
        rebalance(request(false, assets));
    }

    function sell(uint256 units) internal {
        rebalance(request(true, units));
    }

    /// @dev Alice's million, 60 % of it in risky: three times the cushion.
    function invested() internal {
        deposit(alice, 1_000_000 * USD);
        buy(600_000 * USD);
        pass(1 hours);
    }

    /// @dev Preview and execution must refuse with the same error.
    function refused(IRebalancingVault.Rebalance memory r, bytes memory err) internal {
        previewRefused(r, err);
        vm.expectRevert(err);
        rebalance(r);
    }

    function previewRefused(IRebalancingVault.Rebalance memory r, bytes memory err) internal {
        vm.prank(keeper);
        (bool ok, bytes4 selector, bytes memory data) = vault.previewRebalance(r);
        assertFalse(ok, "preview passes");
        assertEq(selector, bytes4(err), "preview selector");
        assertEq(data, err, "preview data");
    }

    function passes(IRebalancingVault.Rebalance memory r) internal {
        vm.prank(keeper);
        (bool ok, bytes4 selector, bytes memory data) = vault.previewRebalance(r);
        assertTrue(ok, "preview refuses");
        assertEq(selector, bytes4(0));
        assertEq(data.length, 0);
        rebalance(r);
    }
}
