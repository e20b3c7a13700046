// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Every fact of a decision in one `eth_call`
/// @notice Never deployed: its code is put at any address by a state override. A part that fails has `ok` false and
/// loses no other part.
interface ISnapshotReader {
    /// @notice A feed to read.
    /// @param feed Chainlink proxy
    /// @param rounds How many rounds before the newest to look at
    /// @param knownFrom First round the caller already knows, 0 for none
    /// @param knownTo Last of them; known rounds are counted but neither read nor returned
    struct FeedRequest {
        address feed;
        uint16 rounds;
        uint80 knownFrom;
        uint80 knownTo;
    }

    /// @notice A Uniswap v3 pool to read.
    /// @param pool The pool
    /// @param words Words of the tick bitmap to read on each side of the current one
    /// @param twapWindow Seconds for the cumulative ticks, 0 for none
    /// @param gridStep Seconds between the points of a grid that ends at the block
    /// @param gridSteps Steps of that grid, 0 for none
    struct PoolRequest {
        address pool;
        uint16 words;
        uint32 twapWindow;
        uint32 gridStep;
        uint16 gridSteps;
    }

    /// @notice Any other call to make.
    struct Call {
        address target;
        bytes data;
    }

    /// @notice What became of it.
    /// @param ok Whether it succeeded; one to an account without code does, and answers nothing
    /// @param data What it returned, or the revert data
    struct Result {
        bool ok;
        bytes data;
    }

    /// @notice What to read.
    /// @param vault Vault whose `state()` is read
    /// @param keeper Account whose native balance is read
    /// @param sequencerUptimeFeed Zero for none
    /// @param feeds Price feeds
    /// @param pools Uniswap v3 pools
    /// @param pairs Uniswap v2 pairs
    /// @param calls Other calls, each on its own
    struct Request {
        address vault;
        address keeper;
        address sequencerUptimeFeed;
        FeedRequest[] feeds;
        PoolRequest[] pools;
        address[] pairs;
        Call[] calls;
    }

    /// @notice One round of a feed; missing where `updatedAt` is 0.
    struct Round {
        uint80 roundId;
        int256 answer;
        uint64 startedAt;
        uint64 updatedAt;
    }

    /// @notice A feed's newest round and those before it in the same phase, newest first.
    struct Feed {
        bool ok;
        address feed;
        uint8 decimals;
        uint16 phaseId;
        Round latest;
        Round[] previous;
    }

    /// @notice An initialised tick. Gross liquidity 0 under a set bitmap bit means its state is unknown.
    struct Tick {
        int24 index;
        uint128 liquidityGross;
        int128 liquidityNet;
    }

    /// @notice A Uniswap v3 pool around its price.
    /// @param firstWord Position of the first bitmap word read
    /// @param bitmap The words, upwards
    /// @param windowLower Lowest tick the words speak of
    /// @param windowUpper Highest tick the words speak of
    /// @param ticks All initialised ticks in the window, upwards
    /// @param twapOk Whether the pool's observations reach back over the window
    /// @param tickCumulativeThen At the start of the window
    /// @param tickCumulativeNow At its end
    /// @param gridCumulatives At the points of the grid, oldest first; empty where the observations do not reach back
    struct Pool {
        bool ok;
        address pool;
        address token0;
        address token1;
        uint24 fee;
        int24 tickSpacing;
        uint160 sqrtPriceX96;
        int24 tick;
        uint16 observationCardinality;
        uint8 feeProtocol;
        bool unlocked;
        uint128 liquidity;
        int16 firstWord;
        uint256[] bitmap;
        int24 windowLower;
        int24 windowUpper;
        Tick[] ticks;
        bool twapOk;
        int56 tickCumulativeThen;
        int56 tickCumulativeNow;
        int56[] gridCumulatives;
    }

    /// @notice A Uniswap v2 pair.
    struct Pair {
        bool ok;
        address pair;
        address token0;
        address token1;
        uint112 reserve0;
        uint112 reserve1;
    }

    /// @notice What was read.
    /// @param baseFee BASEFEE as the call sees it, wei; the header of the block is the authority
    /// @param keeperBalance Native balance, wei
    /// @param vaultOk Whether `state()` answered
    /// @param vaultState Its answer, ABI-encoded as `IRebalancingVault.State`, or the revert data
    /// @param sequencer Of `sequencerUptimeFeed`; `ok` false where there is none
    /// @param results Of `calls`, in their order
    struct Response {
        uint256 blockNumber;
        uint256 timestamp;
        uint256 baseFee;
        uint256 chainId;
        uint256 keeperBalance;
        bool vaultOk;
        bytes vaultState;
        Feed sequencer;
        Feed[] feeds;
        Pool[] pools;
        Pair[] pairs;
        Result[] results;
    }

    /// @notice The pool does not answer for a tick its bitmap names.
    error TickUnreadable(int24 tick);

    /// @notice Reads everything asked for.
    function read(Request calldata request) external view returns (Response memory);
}
