// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IRebalancingVault as V} from "../src/interfaces/IRebalancingVault.sol";
import {ISnapshotReader as R} from "../src/interfaces/ISnapshotReader.sol";
import {IUniswapV3Pool} from "../src/interfaces/IUniswapV3Pool.sol";
import {SnapshotReader} from "../src/SnapshotReader.sol";
import {TestFeed} from "./support/TestFeed.sol";
import {StandInGasPriceOracle} from "./support/StandInGasPriceOracle.sol";
import {UniswapFixture} from "./support/UniswapFixture.sol";
import {VaultFixture} from "./support/VaultFixture.sol";

/// @title The reader on a real vault, feeds with phases, and real pools
contract SnapshotReaderTest is VaultFixture {
    SnapshotReader private reader;
    PoolMaker private maker;
    IUniswapV3Pool private v3Pool;
    address private pair;

    function setUp() public override {
        super.setUp();
        // Never deployed in earnest: its code stands at an address without any, as by a state override.
        reader = SnapshotReader(address(0xdead));
        vm.etch(address(reader), address(new SnapshotReader()).code);
        maker = new PoolMaker();
        (v3Pool, pair) = maker.make();
        invested();
    }

    function empty() private view returns (R.Request memory q) {
        q.vault = address(vault);
        q.keeper = keeper;
    }

    function test_the_block_and_the_keeper_are_read() public {
        vm.deal(keeper, 3 ether);
        vm.fee(7 gwei);
        R.Response memory a = reader.read(empty());
        assertEq(a.blockNumber, block.number);
        assertEq(a.timestamp, block.timestamp);
        assertEq(a.baseFee, 7 gwei);
        assertEq(a.chainId, block.chainid);
        assertEq(a.keeperBalance, 3 ether);
        assertFalse(a.sequencer.ok);
    }

    function test_the_vaults_state_is_the_vaults_own() public view {
        R.Response memory a = reader.read(empty());
        assertTrue(a.vaultOk);
        assertEq(a.vaultState, abi.encode(vault.state()));
    }

    function test_a_vault_without_code_loses_no_other_part() public view {
        R.Request memory q = empty();
        q.vault = alice;
        q.feeds = new R.FeedRequest[](1);
        q.feeds[0] = R.FeedRequest(address(riskyFeed), 0, 0, 0);
        R.Response memory a = reader.read(q);
        assertFalse(a.vaultOk);
        assertTrue(a.feeds[0].ok);
    }

    function test_other_calls_answer_each_on_its_own() public {
        StandInGasPriceOracle oracle = new StandInGasPriceOracle();
        vm.store(address(oracle), bytes32(0), bytes32(uint256(3)));
        R.Request memory q = empty();
        q.calls = new R.Call[](3);
        q.calls[0] = R.Call(address(oracle), abi.encodeCall(StandInGasPriceOracle.getL1Fee, (hex"00ff")));
        q.calls[1] = R.Call(address(oracle), hex"deadbeef");
        q.calls[2] = R.Call(alice, hex"deadbeef");
        R.Result[] memory results = reader.read(q).results;
        assertTrue(results[0].ok);
        assertEq(results[0].data, abi.encode((68 * 16 + 4 + 16) * 3));
        assertFalse(results[1].ok);
        // An account without code answers nothing, and that is no number.
        assertTrue(results[2].ok);
        assertEq(results[2].data.length, 0);
    }

    // ---------------------------------------------------------------- feeds

    function test_past_rounds_come_newest_first() public {
        rounds(5);
        R.Feed memory feed = read(R.FeedRequest(address(riskyFeed), 3, 0, 0));
        assertTrue(feed.ok);
        assertEq(feed.decimals, 8);
        assertEq(feed.phaseId, 1);
        assertEq(feed.latest.roundId, riskyFeed.latest());
        assertEq(feed.latest.answer, 3005e8);
        assertEq(feed.latest.updatedAt, block.timestamp);
        assertEq(feed.previous.length, 3);
        for (uint256 i = 0; i < 3; ++i) {
            assertEq(feed.previous[i].roundId, riskyFeed.latest() - 1 - i);
            assertEq(feed.previous[i].answer, int256(3004e8 - i * 1e8));
            assertEq(feed.previous[i].updatedAt, block.timestamp - (i + 1) * 60);
        }
    }

    function test_rounds_stop_at_the_start_of_the_phase() public {
        riskyFeed.setLatest(uint80(7) << 64);
        rounds(3);
        R.Feed memory feed = read(R.FeedRequest(address(riskyFeed), 100, 0, 0));
        assertEq(feed.phaseId, 7);
        assertEq(feed.previous.length, 2);
        assertEq(feed.previous[1].roundId, (uint80(7) << 64) + 1);
    }

    function test_missing_rounds_have_no_time() public {
        rounds(2);
        riskyFeed.setLatest(riskyFeed.latest() + 2);
        rounds(1);
        R.Feed memory feed = read(R.FeedRequest(address(riskyFeed), 4, 0, 0));
        assertEq(feed.previous[0].updatedAt, 0);
        assertEq(feed.previous[1].updatedAt, 0);
        assertEq(feed.previous[2].answer, 3002e8);
        assertEq(feed.previous[1].roundId, riskyFeed.latest() - 2);
    }

    function test_rounds_that_revert_are_missing() public {
        rounds(3);
        uint80 id = riskyFeed.latest() - 1;
        vm.mockCallRevert(address(riskyFeed), abi.encodeCall(TestFeed.getRoundData, (id)), "no data");
        R.Feed memory feed = read(R.FeedRequest(address(riskyFeed), 2, 0, 0));
        assertEq(feed.previous[0].roundId, id);
        assertEq(feed.previous[0].updatedAt, 0);
        assertGt(feed.previous[1].updatedAt, 0);
    }

    function test_known_rounds_are_counted_but_not_returned() public {
        rounds(10);
        uint80 top = riskyFeed.latest();
        R.Feed memory feed = read(R.FeedRequest(address(riskyFeed), 6, top - 4, top - 2));
        assertEq(feed.previous.length, 3);
        assertEq(feed.previous[0].roundId, top - 1);
        assertEq(feed.previous[1].roundId, top - 5);
        assertEq(feed.previous[2].roundId, top - 6);
    }

    function test_a_broken_feed_loses_no_other_part() public {
        riskyFeed.setBroken(true);
        R.Request memory q = empty();
        q.feeds = new R.FeedRequest[](3);
        q.feeds[0] = R.FeedRequest(address(riskyFeed), 3, 0, 0);
        q.feeds[1] = R.FeedRequest(address(assetFeed), 3, 0, 0);
        q.feeds[2] = R.FeedRequest(alice, 3, 0, 0);
        R.Response memory a = reader.read(q);
        assertFalse(a.feeds[0].ok);
        assertEq(a.feeds[0].feed, address(riskyFeed));
        assertTrue(a.feeds[1].ok);
        assertFalse(a.feeds[2].ok);
        assertTrue(a.vaultOk);
    }

    function test_the_sequencer_is_a_feed() public {
        TestFeed sequencer = new TestFeed(0, 0);
        R.Request memory q = empty();
        q.sequencerUptimeFeed = address(sequencer);
        R.Response memory a = reader.read(q);
        assertTrue(a.sequencer.ok);
        assertEq(a.sequencer.latest.answer, 0);
        assertEq(a.sequencer.latest.startedAt, block.timestamp);
        assertEq(a.sequencer.previous.length, 0);
    }

    // ---------------------------------------------------------------- pools

    function test_a_pool_is_read_whole() public {
        R.Pool memory p = readPool(R.PoolRequest(address(v3Pool), 2, 60, 0, 0));
        (uint160 sqrtPrice, int24 tick,, uint16 cardinality,,,) = v3Pool.slot0();
        assertTrue(p.ok);
        assertEq(p.token0, v3Pool.token0());
        assertEq(p.token1, v3Pool.token1());
        assertEq(p.fee, 500);
        assertEq(p.tickSpacing, 10);
        assertEq(p.sqrtPriceX96, sqrtPrice);
        assertEq(p.tick, tick);
        assertEq(p.observationCardinality, cardinality);
        assertTrue(p.unlocked);
        assertEq(p.liquidity, v3Pool.liquidity());
        assertEq(p.bitmap.length, 5);
        assertEq(p.windowUpper - p.windowLower, 5 * 2560 - 1);
        assertLe(p.windowLower, tick - 2 * 2560);
        assertGe(p.windowUpper, tick + 2 * 2560);
    }

    function test_every_initialised_tick_of_the_window_is_there_in_order() public {
        R.Pool memory p = readPool(R.PoolRequest(address(v3Pool), 8, 0, 0, 0));
        assertEq(p.ticks.length, 2 * 4, "four ranges, two ticks each");
        int256 sum = 0;
        for (uint256 i = 0; i < p.ticks.length; ++i) {
            (uint128 gross, int128 net,,,,,,) = v3Pool.ticks(p.ticks[i].index);
            assertEq(p.ticks[i].liquidityGross, gross);
            assertEq(p.ticks[i].liquidityNet, net);
            assertGt(gross, 0);
            if (i != 0) assertGt(p.ticks[i].index, p.ticks[i - 1].index);
            if (p.ticks[i].index <= p.tick) sum += net;
        }
        assertEq(uint256(sum), p.liquidity, "liquidity in range is the sum of all ticks below");
    }

    function test_the_window_ends_where_ticks_end() public {
        R.Pool memory p = readPool(R.PoolRequest(address(v3Pool), 1000, 0, 0, 0));
        assertEq(p.windowLower, -887272);
        assertEq(p.windowUpper, 887272);
        assertEq(p.firstWord, -347);
        assertEq(p.bitmap.length, 694);
    }

    function test_observations_are_read_as_far_as_they_reach() public {
        R.Pool memory p = readPool(R.PoolRequest(address(v3Pool), 0, 3600, 0, 0));
        assertTrue(p.twapOk);
        assertEq((p.tickCumulativeNow - p.tickCumulativeThen) / 3600, p.tick);
        p = readPool(R.PoolRequest(address(v3Pool), 0, 365 days, 0, 0));
        assertFalse(p.twapOk);
        assertTrue(p.ok);
        p = readPool(R.PoolRequest(address(v3Pool), 0, 0, 0, 0));
        assertFalse(p.twapOk);
    }

    function test_a_grid_of_observations_is_read_whole_or_not_at_all() public {
        R.Pool memory p = readPool(R.PoolRequest(address(v3Pool), 0, 1800, 600, 3));
        assertEq(p.gridCumulatives.length, 4);
        for (uint256 i = 0; i < 3; ++i) {
            assertEq((p.gridCumulatives[i + 1] - p.gridCumulatives[i]) / 600, p.tick);
        }
        assertEq(p.gridCumulatives[0], p.tickCumulativeThen);
        assertEq(p.gridCumulatives[3], p.tickCumulativeNow);
        p = readPool(R.PoolRequest(address(v3Pool), 0, 0, 1 days, 365));
        assertEq(p.gridCumulatives.length, 0);
        assertTrue(p.ok);
    }

    function test_a_false_pool_loses_no_other_part() public {
        R.Request memory q = empty();
        q.pools = new R.PoolRequest[](2);
        q.pools[0] = R.PoolRequest(address(risky), 1, 0, 0, 0);
        q.pools[1] = R.PoolRequest(address(v3Pool), 1, 0, 0, 0);
        q.pairs = new address[](2);
        (q.pairs[0], q.pairs[1]) = (alice, pair);
        R.Response memory a = reader.read(q);
        assertFalse(a.pools[0].ok);
        assertEq(a.pools[0].pool, address(risky));
        assertTrue(a.pools[1].ok);
        assertFalse(a.pairs[0].ok);
        assertEq(a.pairs[0].pair, alice);
        assertTrue(a.pairs[1].ok);
        assertEq(uint256(a.pairs[1].reserve0) * a.pairs[1].reserve1, 1_000e18 * 3_000_000e6);
    }

    function test_many_ticks_cost_about_two_million_gas() public {
        maker.addRanges(v3Pool, 83 - 4);
        R.Request memory q = empty();
        q.feeds = new R.FeedRequest[](2);
        q.feeds[0] = R.FeedRequest(address(riskyFeed), 6, 0, 0);
        q.feeds[1] = R.FeedRequest(address(assetFeed), 6, 0, 0);
        q.pools = new R.PoolRequest[](1);
        q.pools[0] = R.PoolRequest(address(v3Pool), 2, 60, 0, 0);
        // forge-std 1.9.3 does not know this cheat code yet.
        (bool cooled,) = address(vm).call(abi.encodeWithSignature("cool(address)", v3Pool));
        assertTrue(cooled);
        uint256 before = gasleft();
        R.Response memory a = reader.read(q);
        uint256 used = before - gasleft();
        assertEq(a.pools[0].ticks.length, 166);
        assertLt(used, 2_600_000);
        emit log_named_uint("gas of a read of 166 ticks", used);
    }

    // ---------------------------------------------------------------- support

    /// @dev Answers 3,001 and on, a minute apart, the last of them now.
    function rounds(uint256 count) private {
        for (uint256 i = 1; i <= count; ++i) {
            uint256 at = block.timestamp - (count - i) * 60;
            riskyFeed.push(int256(3000e8 + i * 1e8), at, at);
        }
    }

    function read(R.FeedRequest memory request) private view returns (R.Feed memory) {
        R.Request memory q = empty();
        q.feeds = new R.FeedRequest[](1);
        q.feeds[0] = request;
        return reader.read(q).feeds[0];
    }

    function readPool(R.PoolRequest memory request) private view returns (R.Pool memory) {
        R.Request memory q = empty();
        q.pools = new R.PoolRequest[](1);
        q.pools[0] = request;
        return reader.read(q).pools[0];
    }
}

/// @title Makes the pools that are read
contract PoolMaker is UniswapFixture {
    function make() external returns (IUniswapV3Pool pool, address pair) {
        makeTokens(true);
        pool = makeV3Pool(makeV3Factory(), 500, 1e18);
        for (int24 i = 1; i <= 3; ++i) {
            addLiquidity(pool, 10 * i, 1e17);
        }
        pair = makeV2Pair(makeV2Factory(), 1_000e18);
    }

    function addRanges(IUniswapV3Pool pool, int24 count) external {
        for (int24 i = 1; i <= count; ++i) {
            addLiquidity(pool, 100 + i, 1e15);
        }
    }
}
