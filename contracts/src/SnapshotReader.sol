// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IAggregatorV3} from "./interfaces/IAggregatorV3.sol";
import {IRebalancingVault} from "./interfaces/IRebalancingVault.sol";
import {ISnapshotReader} from "./interfaces/ISnapshotReader.sol";
import {IUniswapV2Pair} from "./interfaces/IUniswapV2Pair.sol";
import {IUniswapV3Pool} from "./interfaces/IUniswapV3Pool.sol";

/// @title The reader behind one `eth_call` with a code override
/// @notice Every part is read through a call to itself, so that whatever a contract answers wrongly reverts that part
/// alone, decoding included. Its casts are safe: ticks and word positions are bounded by the smallest and largest tick,
/// counts by the request, round ids and times by their types.
// forge-lint: disable-start(unsafe-typecast)
contract SnapshotReader is ISnapshotReader {
    uint256 private constant PHASE_SHIFT = 64;
    int24 private constant MIN_TICK = -887272;
    int24 private constant MAX_TICK = 887272;

    /// @inheritdoc ISnapshotReader
    function read(Request calldata request) external view returns (Response memory response) {
        response.blockNumber = block.number;
        response.timestamp = block.timestamp;
        response.baseFee = block.basefee;
        response.chainId = block.chainid;
        response.keeperBalance = request.keeper.balance;
        (response.vaultOk, response.vaultState) = request.vault.staticcall(abi.encodeCall(IRebalancingVault.state, ()));
        response.vaultOk = response.vaultOk && request.vault.code.length != 0;
        if (request.sequencerUptimeFeed != address(0)) {
            response.sequencer = _feedOrFailed(FeedRequest(request.sequencerUptimeFeed, 0, 0, 0));
        }
        response.feeds = new Feed[](request.feeds.length);
        for (uint256 i = 0; i < request.feeds.length; ++i) {
            response.feeds[i] = _feedOrFailed(request.feeds[i]);
        }
        response.pools = _pools(request.pools);
        response.pairs = _pairs(request.pairs);
        response.results = _results(request.calls);
    }

    /// @notice A feed; reverts where it cannot be read. Called by the reader itself.
    function readFeed(FeedRequest calldata request) external view returns (Feed memory feed) {
        IAggregatorV3 proxy = IAggregatorV3(request.feed);
        feed.ok = true;
        feed.feed = request.feed;
        feed.decimals = proxy.decimals();
        feed.latest = _latestRound(proxy);
        feed.phaseId = uint16(feed.latest.roundId >> PHASE_SHIFT);
        uint256 ofPhase = uint64(feed.latest.roundId);
        uint256 before = ofPhase == 0 ? 0 : ofPhase - 1;
        feed.previous = _previousRounds(request, feed.latest.roundId, before < request.rounds ? before : request.rounds);
    }

    /// @notice A pool; reverts where it cannot be read. Called by the reader itself.
    function readPool(PoolRequest calldata request) external view returns (Pool memory pool) {
        IUniswapV3Pool target = IUniswapV3Pool(request.pool);
        pool.ok = true;
        pool.pool = request.pool;
        pool.token0 = target.token0();
        pool.token1 = target.token1();
        pool.fee = target.fee();
        pool.tickSpacing = target.tickSpacing();
        pool.liquidity = target.liquidity();
        (pool.sqrtPriceX96, pool.tick,, pool.observationCardinality,, pool.feeProtocol, pool.unlocked) = target.slot0();
        _readWords(target, request.words, pool);
        _readTicks(target, pool);
        _observe(target, request.twapWindow, pool);
        _observeGrid(target, request.gridStep, request.gridSteps, pool);
    }

    /// @notice A pair; reverts where it cannot be read. Called by the reader itself.
    function readPair(address pair) external view returns (Pair memory) {
        (uint112 reserve0, uint112 reserve1,) = IUniswapV2Pair(pair).getReserves();
        return Pair(true, pair, IUniswapV2Pair(pair).token0(), IUniswapV2Pair(pair).token1(), reserve0, reserve1);
    }

    function _feedOrFailed(FeedRequest memory request) private view returns (Feed memory feed) {
        try this.readFeed(request) returns (Feed memory found) {
            return found;
        } catch {
            feed.feed = request.feed;
        }
    }

    function _pools(PoolRequest[] calldata requests) private view returns (Pool[] memory pools) {
        pools = new Pool[](requests.length);
        for (uint256 i = 0; i < requests.length; ++i) {
            try this.readPool(requests[i]) returns (Pool memory found) {
                pools[i] = found;
            } catch {
                pools[i].pool = requests[i].pool;
            }
        }
    }

    function _pairs(address[] calldata requests) private view returns (Pair[] memory pairs) {
        pairs = new Pair[](requests.length);
        for (uint256 i = 0; i < requests.length; ++i) {
            try this.readPair(requests[i]) returns (Pair memory found) {
                pairs[i] = found;
            } catch {
                pairs[i].pair = requests[i];
            }
        }
    }

    function _results(Call[] calldata calls) private view returns (Result[] memory results) {
        results = new Result[](calls.length);
        for (uint256 i = 0; i < calls.length; ++i) {
            (results[i].ok, results[i].data) = calls[i].target.staticcall(calls[i].data);
        }
    }

    function _latestRound(IAggregatorV3 proxy) private view returns (Round memory) {
        (uint80 id, int256 answer, uint256 startedAt, uint256 updatedAt,) = proxy.latestRoundData();
        return _round(id, answer, startedAt, updatedAt);
    }

    function _previousRounds(FeedRequest calldata request, uint80 latest, uint256 count)
        private
        view
        returns (Round[] memory rounds)
    {
        rounds = new Round[](count);
        uint256 found = 0;
        for (uint80 i = 1; i <= count; ++i) {
            uint80 id = latest - i;
            if (request.knownFrom != 0 && id >= request.knownFrom && id <= request.knownTo) continue;
            rounds[found++] = _roundOrMissing(IAggregatorV3(request.feed), id);
        }
        assembly ("memory-safe") {
            mstore(rounds, found)
        }
    }

    function _roundOrMissing(IAggregatorV3 proxy, uint80 roundId) private view returns (Round memory round) {
        round.roundId = roundId;
        try proxy.getRoundData(roundId) returns (uint80, int256 answer, uint256 startedAt, uint256 updatedAt, uint80) {
            if (updatedAt != 0) return _round(roundId, answer, startedAt, updatedAt);
        } catch {}
    }

    /// @dev A time that does not fit is no time: it becomes the largest, which no block reaches.
    function _round(uint80 id, int256 answer, uint256 startedAt, uint256 updatedAt)
        private
        pure
        returns (Round memory)
    {
        return Round(id, answer, _time(startedAt), _time(updatedAt));
    }

    function _time(uint256 value) private pure returns (uint64) {
        return value > type(uint64).max ? type(uint64).max : uint64(value);
    }

    function _readWords(IUniswapV3Pool target, uint16 each, Pool memory pool) private view {
        int24 spacing = pool.tickSpacing;
        int256 lowest = _floorDiv(MIN_TICK, spacing) >> 8;
        int256 highest = _floorDiv(MAX_TICK, spacing) >> 8;
        int256 middle = _floorDiv(pool.tick, spacing) >> 8;
        int256 first = _max(middle - int256(uint256(each)), lowest);
        int256 last = -_max(-(middle + int256(uint256(each))), -highest);
        pool.firstWord = int16(first);
        pool.bitmap = new uint256[](uint256(last - first + 1));
        for (uint256 i = 0; i < pool.bitmap.length; ++i) {
            pool.bitmap[i] = target.tickBitmap(int16(first + int256(i)));
        }
        pool.windowLower = int24(_max(first * 256 * spacing, MIN_TICK));
        pool.windowUpper = int24(-_max(-((last + 1) * 256 * spacing - 1), -int256(MAX_TICK)));
    }

    function _readTicks(IUniswapV3Pool target, Pool memory pool) private view {
        uint256 count = 0;
        for (uint256 i = 0; i < pool.bitmap.length; ++i) {
            for (uint256 word = pool.bitmap[i]; word != 0; word &= word - 1) {
                ++count;
            }
        }
        pool.ticks = new Tick[](count);
        uint256 found = 0;
        bytes memory query = abi.encodeCall(IUniswapV3Pool.ticks, (0));
        for (uint256 i = 0; i < pool.bitmap.length; ++i) {
            int256 base = (int256(pool.firstWord) + int256(i)) * 256;
            for (uint256 word = pool.bitmap[i]; word != 0; word &= word - 1) {
                pool.ticks[found++] = _tick(target, query, int24((base + int256(_lowestBit(word))) * pool.tickSpacing));
            }
        }
    }

    /// @dev By hand: of the eight words answered only two are wanted, and there may be hundreds of ticks.
    /// @param query Calldata of `ticks`, used again for every tick
    function _tick(IUniswapV3Pool target, bytes memory query, int24 index) private view returns (Tick memory) {
        uint256 gross;
        int256 net;
        bool ok;
        assembly ("memory-safe") {
            mstore(add(query, 36), index)
            ok := staticcall(gas(), target, add(query, 32), mload(query), 0, 64)
            ok := and(ok, gt(returndatasize(), 63))
            gross := mload(0)
            net := mload(32)
        }
        require(ok, TickUnreadable(index));
        return Tick(index, uint128(gross), int128(net));
    }

    function _observe(IUniswapV3Pool target, uint32 window, Pool memory pool) private view {
        if (window == 0) return;
        uint32[] memory secondsAgos = new uint32[](2);
        secondsAgos[0] = window;
        try target.observe(secondsAgos) returns (int56[] memory cumulatives, uint160[] memory) {
            pool.twapOk = true;
            pool.tickCumulativeThen = cumulatives[0];
            pool.tickCumulativeNow = cumulatives[1];
        } catch {}
    }

    function _observeGrid(IUniswapV3Pool target, uint32 step, uint16 steps, Pool memory pool) private view {
        if (steps == 0) return;
        uint32[] memory secondsAgos = new uint32[](uint256(steps) + 1);
        for (uint256 i = 0; i < steps; ++i) {
            secondsAgos[i] = uint32(step * (steps - i));
        }
        try target.observe(secondsAgos) returns (int56[] memory cumulatives, uint160[] memory) {
            pool.gridCumulatives = cumulatives;
        } catch {}
    }

    function _floorDiv(int24 value, int24 divisor) private pure returns (int256 quotient) {
        quotient = value / divisor;
        if (value < 0 && value % divisor != 0) --quotient;
    }

    function _max(int256 a, int256 b) private pure returns (int256) {
        return a > b ? a : b;
    }

    /// @dev Binary search for the lowest set bit of a word that is not 0.
    function _lowestBit(uint256 word) private pure returns (uint256 position) {
        uint256 width = 128;
        while (width != 0) {
            if (word << (256 - width) == 0) {
                word >>= width;
                position += width;
            }
            width >>= 1;
        }
    }
}
// forge-lint: disable-end(unsafe-typecast)
