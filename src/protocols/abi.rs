//! Bindings to the contracts, from `abi/*.json`.

#![expect(
    missing_docs,
    reason = "generated from the ABI; the documentation stands in the Solidity interfaces"
)]
#![expect(clippy::too_many_arguments, reason = "generated from the ABI")]

use alloy::sol;

sol! {
    /// The calls, events and errors of `abi/IRebalancingVault.json` that the keeper uses; a test holds them together.
    ///
    /// `State` and `Parameters` have more members than a tuple of alloy's. Their static members are put into groups
    /// here, which changes nothing in the encoding: a static tuple is encoded in place.
    #[derive(Debug, PartialEq, Eq)]
    interface RebalancingVault {
        enum FloorKind { Fixed, Accruing, Ratchet }
        enum OracleStatus {
            Fresh, SequencerDown, SequencerGrace, InvalidRiskyAnswer, InvalidAssetAnswer, StaleRiskyAnswer,
            StaleAssetAnswer, RiskyOutOfBounds, AssetDepegged
        }
        struct Amounts { uint128 minPrice; uint128 maxPrice; uint128 rewardCap; uint128 rebateCap; uint64 accrualRate; }
        struct Times {
            uint32 riskyHeartbeat; uint32 riskyHeartbeatMargin; uint32 assetHeartbeat; uint32 assetHeartbeatMargin;
            uint32 sequencerGrace; uint32 cooldown; uint32 twapWindow; uint32 deleverageGrace;
            uint32 deleverageWidening; uint32 pokeInterval; uint32 pauseDuration; uint32 maxDecisionAge;
        }
        struct Shares {
            uint32 turnoverCapBps; uint32 boundBps; uint16 pegBoundBps; uint16 feedDeviationBps; uint16 maxTradeBps;
            uint16 slippageBps; uint16 degradedSlippageBps; uint16 navLossBps; uint16 capBps; uint16 entryFeeBps;
            uint16 exitFeeBps; uint16 deleverageStartSlippageBps; uint16 deleverageMaxSlippageBps; uint16 rewardBps;
            uint16 initialFloorBps; uint16 ratchetShareBps;
        }
        struct Parameters { Amounts amounts; Times times; Shares shares; FloorKind floorKind; }
        struct Deployment {
            string name; string symbol; address asset; address risky; address riskyFeed; address assetFeed;
            address sequencerUptimeFeed; bool riskyIsNative; address owner; address keeper; address guardian;
            bytes32 policyHash; Parameters parameters;
        }
        struct Pool { address pool; address venue; bytes32 kind; uint24 fee; bool riskyIsToken0; }
        struct Swap { address pool; address venue; bool sellRisky; uint256 amountIn; uint256 minAmountOut; }
        struct Rebalance {
            uint64 nonce; bytes32 policyHash; bytes32 decisionHash; uint64 decisionBlock; bytes32 decisionBlockHash;
            uint64 deadline; Swap[] swaps;
        }
        struct Floor {
            uint256 perShare; uint256 storedPerShare; uint256 assets; uint256 peakPerShare; uint256 candidatePerShare;
            uint64 candidateAt; bool cashLock;
        }
        struct Identity {
            address asset; address risky; uint8 assetDecimals; uint8 riskyDecimals; uint8 shareDecimals;
            address riskyFeed; address assetFeed; address sequencerUptimeFeed; address owner; address keeper;
            address guardian; bytes32 policyHash; uint64 pausedUntil;
        }
        struct Books {
            uint256 totalSupply; uint256 trackedAsset; uint256 trackedRisky; OracleStatus oracleStatus; uint256 price;
            uint256 nav; uint256 exposure; uint64 nextNonce; uint64 lastRebalanceAt; uint256 turnoverLevel;
            uint256 turnoverCapacity; uint256 turnoverLeakPerDay;
        }
        struct State {
            Identity identity; Books books; Floor floor; uint64 deleverageSince; uint256 gasRebate;
            address optionBook; bool epochOpen; Parameters parameters; Pool[] pools;
        }

        error NotKeeper(address caller);
        error Paused(uint256 until);
        error WrongNonce(uint256 expected, uint256 given);
        error WrongPolicy(bytes32 expected, bytes32 given);
        error DecisionBlockOutOfRange(uint256 decisionBlock, uint256 oldest, uint256 newest);
        error WrongDecisionBlockHash(bytes32 expected, bytes32 given);
        error DeadlinePassed(uint256 deadline);
        error CoolingDown(uint256 until);
        error EmptySwap();
        error MixedSwaps();
        error PoolNotAllowed(address pool, address venue);
        error OracleNotFresh(OracleStatus status);
        error NoReferencePrice();
        error CashLocked();
        error HoldingExceeded(uint256 amountIn, uint256 held);
        error TradeTooLarge(uint256 value, uint256 limit);
        error TurnoverExceeded(uint256 value, uint256 available);
        error MinAmountOutTooLow(uint256 index, uint256 minAmountOut, uint256 lowest);
        error WrongAmountIn(uint256 expected, uint256 taken);
        error InsufficientAmountOut(uint256 received, uint256 minAmountOut);
        error NavLossTooLarge(uint256 navBefore, uint256 navAfter);
        error ExposureTooLarge(uint256 exposure, uint256 limit);

        event Rebalanced(
            uint64 indexed nonce, bytes32 indexed policyHash, bytes32 indexed decisionHash, uint64 decisionBlock,
            bool sellRisky, uint256 amountIn, uint256 amountOut, uint256 price, uint256 navBefore, uint256 navAfter
        );
        event Deleveraged(
            address indexed caller, address indexed pool, uint256 amountIn, uint256 amountOut, uint256 reward,
            uint256 price, uint256 navBefore, uint256 navAfter
        );
        event PolicyHashChanged(bytes32 policyHash);

        function state() external view returns (State memory);
        function previewRebalance(Rebalance calldata r)
            external view returns (bool ok, bytes4 selector, bytes memory data);
        function rebalance(Rebalance calldata r) external;
        function pause() external;
    }
}
sol!(
    #[derive(Debug, PartialEq, Eq)]
    SnapshotReader,
    "abi/SnapshotReader.json"
);
sol!(
    #[derive(Debug, PartialEq, Eq)]
    Rehearsal,
    "abi/Rehearsal.json"
);
sol!(Multicall3, "abi/IMulticall3.json");
sol!(AggregatorV3, "abi/IAggregatorV3.json");
sol!(UniswapV3Pool, "abi/IUniswapV3Pool.json");
sol!(UniswapV2Pair, "abi/IUniswapV2Pair.json");
sol!(
    #[derive(Debug, PartialEq, Eq)]
    OptionBook,
    "abi/IOptionBook.json"
);
sol!(VolatilityFeed, "abi/IVolatilityFeed.json");
