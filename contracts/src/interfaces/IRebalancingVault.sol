// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC4626} from "@openzeppelin/contracts/interfaces/IERC4626.sol";
import {IOptionHolder} from "./IOptionHolder.sol";

/// @title A vault over a stable asset and one risky asset, with a floor under every share
/// @notice Words and units used throughout.
/// - asset: the stable token the vault is measured in; risky: the other one. Amounts are token units.
/// - price: asset per risky, both whole tokens, 1e18 (WAD).
/// - NAV `V`: tracked asset plus tracked risky at the price, asset units. Exposure `E`: the risky part of it. Open options
///   count as nothing: `IOptionHolder`.
/// - per share: asset units per 10^6 share units (the share has six decimals more than the asset), WAD. The first
///   share costs 1e18.
/// - floor: the NAV per share the vault protects; cushion `C`: NAV above the floor of all shares, never negative.
/// - bound: the exposure beyond which anyone may make the vault sell, as a multiple of the cushion.
/// - bps: 1e4 is 100 %, or once. Times are seconds of block time, blocks are block numbers.
/// - degraded: the oracle cannot be used, and the price is the pools' own mean over the TWAP window.
interface IRebalancingVault is IERC4626, IOptionHolder {
    /// @notice How the floor moves between deposits and withdrawals. Those lift it by their fees alone, in the proportion in
    /// which the fees lift NAV per share: as a part of NAV no deposit, withdrawal or gift moves it.
    /// - Fixed: it stays.
    /// - Accruing: it grows at a stated rate, until cash-lock.
    /// - Ratchet: it is never below a share of the peak NAV per share.
    enum FloorKind {
        Fixed,
        Accruing,
        Ratchet
    }

    /// @notice Whether the oracle price may be used, or the first reason why not.
    enum OracleStatus {
        Fresh,
        SequencerDown,
        SequencerGrace,
        InvalidRiskyAnswer,
        InvalidAssetAnswer,
        StaleRiskyAnswer,
        StaleAssetAnswer,
        RiskyOutOfBounds,
        AssetDepegged
    }

    /// @notice What the owner sets, each inside hard-coded limits (`ParameterLimits`).
    /// @param minPrice Lowest risky/USD answer believed, WAD
    /// @param maxPrice Highest risky/USD answer believed, WAD
    /// @param rewardCap Most that one breach of the bound pays to callers of `deleverage`, asset units
    /// @param rebateCap Most gas paid back to the keeper for one rebalance, asset units; 0 for none
    /// @param accrualRate Growth of an accruing floor per year of 365 days, simple, WAD
    /// @param riskyHeartbeat Longest time between two answers of the risky/USD feed
    /// @param riskyHeartbeatMargin How much later than that an answer still counts
    /// @param assetHeartbeat Longest time between two answers of the asset/USD feed
    /// @param assetHeartbeatMargin How much later than that an answer still counts
    /// @param sequencerGrace Wait after a rollup's sequencer came back
    /// @param cooldown Shortest time between two rebalances
    /// @param twapWindow Window of the pools' mean price in degraded mode
    /// @param deleverageGrace How long the bound must be broken before `deleverage`
    /// @param deleverageWidening Time for the slippage of `deleverage` to widen from start to maximum
    /// @param pokeInterval Shortest time between the two pokes that make a peak
    /// @param pauseDuration After which a pause ends by itself
    /// @param maxDecisionAge Oldest decision block, in blocks before this one
    /// @param turnoverCapBps Most traded in any 24 hours, bps of NAV; one forced exit of everything can come on top
    /// @param boundBps Bound, bps of the cushion
    /// @param pegBoundBps Largest distance of asset/USD from 1
    /// @param feedDeviationBps Largest move both feeds together leave unreported
    /// @param maxTradeBps Most traded in one rebalance, bps of NAV
    /// @param slippageBps Largest loss of a swap against the oracle
    /// @param degradedSlippageBps Largest loss of a sale against the pools' mean price
    /// @param navLossBps Largest loss of NAV in one rebalance, at a fresh oracle and before the gas rebate
    /// @param capBps Largest exposure after a buy, bps of NAV
    /// @param entryFeeBps Lowest fee on deposits, of what becomes shares, kept by the vault
    /// @param exitFeeBps Lowest fee on withdrawals, of what the shares are worth, kept by the vault
    /// @param deleverageStartSlippageBps Largest loss of a `deleverage` sale just after the grace period
    /// @param deleverageMaxSlippageBps The same after the widening time
    /// @param rewardBps Reward of `deleverage`, bps of the value sold
    /// @param initialFloorBps First floor, bps of the first NAV per share
    /// @param ratchetShareBps Ratchet floor, bps of the peak NAV per share
    /// @param floorKind How the floor moves
    struct Parameters {
        uint128 minPrice;
        uint128 maxPrice;
        uint128 rewardCap;
        uint128 rebateCap;
        uint64 accrualRate;
        uint32 riskyHeartbeat;
        uint32 riskyHeartbeatMargin;
        uint32 assetHeartbeat;
        uint32 assetHeartbeatMargin;
        uint32 sequencerGrace;
        uint32 cooldown;
        uint32 twapWindow;
        uint32 deleverageGrace;
        uint32 deleverageWidening;
        uint32 pokeInterval;
        uint32 pauseDuration;
        uint32 maxDecisionAge;
        uint32 turnoverCapBps;
        uint32 boundBps;
        uint16 pegBoundBps;
        uint16 feedDeviationBps;
        uint16 maxTradeBps;
        uint16 slippageBps;
        uint16 degradedSlippageBps;
        uint16 navLossBps;
        uint16 capBps;
        uint16 entryFeeBps;
        uint16 exitFeeBps;
        uint16 deleverageStartSlippageBps;
        uint16 deleverageMaxSlippageBps;
        uint16 rewardBps;
        uint16 initialFloorBps;
        uint16 ratchetShareBps;
        FloorKind floorKind;
    }

    /// @notice Everything a new vault is made of.
    /// @param name Name of the share token
    /// @param symbol Symbol of the share token
    /// @param asset Stable token, 6 to 18 decimals
    /// @param risky Risky token, 6 to 18 decimals
    /// @param riskyFeed Chainlink proxy, risky/USD
    /// @param assetFeed Chainlink proxy, asset/USD
    /// @param sequencerUptimeFeed Chainlink sequencer feed of a rollup, zero elsewhere
    /// @param riskyIsNative Whether risky is the wrapped native coin; gas can be paid back only then
    /// @param owner Sets parameters, pools, policy and roles; meant to be a timelock
    /// @param keeper May call `rebalance`
    /// @param guardian May pause
    /// @param policyHash keccak256 of the policy's canonical form
    /// @param parameters Parameters to begin with
    struct Deployment {
        string name;
        string symbol;
        address asset;
        address risky;
        address riskyFeed;
        address assetFeed;
        address sequencerUptimeFeed;
        bool riskyIsNative;
        address owner;
        address keeper;
        address guardian;
        bytes32 policyHash;
        Parameters parameters;
    }

    /// @notice An allow-listed pool.
    /// @param pool Its address
    /// @param venue The adapter that trades on it
    /// @param kind What arithmetic it follows, as short text: `uniswap-v3`, `uniswap-v2`
    /// @param fee Hundredths of a basis point of the amount in
    /// @param riskyIsToken0 Order of the tokens
    struct Pool {
        address pool;
        address venue;
        bytes32 kind;
        uint24 fee;
        bool riskyIsToken0;
    }

    /// @notice One swap of a rebalance. All swaps of a rebalance go the same way.
    struct Swap {
        address pool;
        address venue;
        bool sellRisky;
        uint256 amountIn;
        uint256 minAmountOut;
    }

    /// @notice What the keeper asks for, and the decision it comes from.
    /// @param nonce `nextNonce` of the vault
    /// @param policyHash Policy the decision followed
    /// @param decisionHash keccak256 of the decision's canonical form
    /// @param decisionBlock Block whose facts were decided on
    /// @param decisionBlockHash Its hash
    /// @param deadline Last block time at which this may execute
    /// @param swaps At least one
    struct Rebalance {
        uint64 nonce;
        bytes32 policyHash;
        bytes32 decisionHash;
        uint64 decisionBlock;
        bytes32 decisionBlockHash;
        uint64 deadline;
        Swap[] swaps;
    }

    /// @notice The floor, as of now.
    /// @param perShare Floor per share with accrual and ratchet up to now
    /// @param storedPerShare Floor per share at the last poke, user action or cash-lock
    /// @param assets Floor of all shares, asset units, rounded up
    /// @param peakPerShare Highest NAV per share seen at two pokes an interval apart
    /// @param candidatePerShare NAV per share waiting for its second poke
    /// @param candidateAt Time of its first poke
    /// @param cashLock Whether NAV was seen at or below the floor; no buys until `rearm`
    struct Floor {
        uint256 perShare;
        uint256 storedPerShare;
        uint256 assets;
        uint256 peakPerShare;
        uint256 candidatePerShare;
        uint64 candidateAt;
        bool cashLock;
    }

    /// @notice Everything a keeper needs, as of the block of the call.
    /// @param sequencerUptimeFeed Zero where there is none
    /// @param pausedUntil In the past when not paused
    /// @param trackedAsset Asset held, gifts not counted
    /// @param trackedRisky Risky held, gifts not counted
    /// @param oracleStatus `Fresh`, or why the vault is degraded
    /// @param price What the vault values risky at: the oracle when fresh, the pools' mean price when degraded; 0 for none
    /// @param nav At that price
    /// @param exposure At that price
    /// @param nextNonce Nonce of the next rebalance
    /// @param lastRebalanceAt Zero before the first
    /// @param turnoverLevel Traded and not yet leaked away, asset units; above the capacity after exempt sales
    /// @param turnoverCapacity Level at which the bucket is full, asset units
    /// @param turnoverLeakPerDay Asset units per 24 hours, evenly
    /// @param deleverageSince When the bound was first seen broken; 0 while it holds
    /// @param gasRebate Most that the next rebalance pays back, asset units
    /// @param optionBook The book that may hold options of this vault; zero for none
    /// @param epochOpen Whether option legs are open, which closes deposits, withdrawals and in-kind exits
    struct State {
        address asset;
        address risky;
        uint8 assetDecimals;
        uint8 riskyDecimals;
        uint8 shareDecimals;
        address riskyFeed;
        address assetFeed;
        address sequencerUptimeFeed;
        address owner;
        address keeper;
        address guardian;
        bytes32 policyHash;
        uint64 pausedUntil;
        uint256 totalSupply;
        uint256 trackedAsset;
        uint256 trackedRisky;
        OracleStatus oracleStatus;
        uint256 price;
        uint256 nav;
        uint256 exposure;
        uint64 nextNonce;
        uint64 lastRebalanceAt;
        uint256 turnoverLevel;
        uint256 turnoverCapacity;
        uint256 turnoverLeakPerDay;
        Floor floor;
        uint64 deleverageSince;
        uint256 gasRebate;
        address optionBook;
        bool epochOpen;
        Parameters parameters;
        Pool[] pools;
    }

    // ---------------------------------------------------------------- guards of `rebalance`, in the order checked

    /// @notice The caller is not the keeper.
    error NotKeeper(address caller);
    /// @notice A buy while paused. Pause never stops a sale.
    error Paused(uint256 until);
    /// @notice Not the next nonce.
    error WrongNonce(uint256 expected, uint256 given);
    /// @notice Not the policy the owner approved.
    error WrongPolicy(bytes32 expected, bytes32 given);
    /// @notice The decision block is older than `maxDecisionAge`, or not mined yet.
    error DecisionBlockOutOfRange(uint256 decisionBlock, uint256 oldest, uint256 newest);
    /// @notice The decision block has another hash on this chain.
    error WrongDecisionBlockHash(bytes32 expected, bytes32 given);
    /// @notice Too late.
    error DeadlinePassed(uint256 deadline);
    /// @notice Too soon after the last rebalance. A sale while the bound is broken is exempt.
    error CoolingDown(uint256 until);
    /// @notice No swaps, or a swap of nothing.
    error EmptySwap();
    /// @notice Sales and buys in one rebalance.
    error MixedSwaps();
    /// @notice Not an allow-listed pool, or not through its venue.
    error PoolNotAllowed(address pool, address venue);
    /// @notice A buy, deposit or withdrawal without a fresh oracle.
    error OracleNotFresh(OracleStatus status);
    /// @notice A degraded sale, and no allow-listed pool has a mean price.
    error NoReferencePrice();
    /// @notice A buy in cash-lock, or at a NAV that will be locked.
    error CashLocked();
    /// @notice More than the vault holds, gifts not counted.
    error HoldingExceeded(uint256 amountIn, uint256 held);
    /// @notice More than `maxTradeBps` of NAV in one rebalance.
    error TradeTooLarge(uint256 value, uint256 limit);
    /// @notice More than the turnover bucket has left. A sale while the bound is broken is exempt.
    error TurnoverExceeded(uint256 value, uint256 available);
    /// @notice A minimum output below the reference value less the slippage bound.
    error MinAmountOutTooLow(uint256 index, uint256 minAmountOut, uint256 lowest);

    // ---------------------------------------------------------------- guards after the swaps

    /// @notice A swap took another amount than asked for.
    error WrongAmountIn(uint256 expected, uint256 taken);
    /// @notice A swap returned less than its minimum.
    error InsufficientAmountOut(uint256 received, uint256 minAmountOut);
    /// @notice NAV fell by more than `navLossBps`.
    error NavLossTooLarge(uint256 navBefore, uint256 navAfter);
    /// @notice Exposure after a buy above the cap or the bound.
    error ExposureTooLarge(uint256 exposure, uint256 limit);

    // ---------------------------------------------------------------- other errors

    /// @notice A token moved another amount than asked for.
    error TransferMismatch(uint256 expected, uint256 moved);
    /// @notice `deleverage` before the bound has been broken for the grace period.
    error DeleverageNotDue(uint256 since);
    /// @notice `deleverage` while the bound holds.
    error BoundHolds(uint256 exposure, uint256 limit);
    /// @notice Only the guardian or the owner.
    error NotGuardian(address caller);
    /// @notice A parameter outside its hard limits; `name` is short text.
    error ParameterOutOfRange(bytes32 name, uint256 value, uint256 min, uint256 max);
    /// @notice A token with other than 6 to 18 decimals, or a contract that is none.
    error UnsupportedToken(address token);
    /// @notice The zero address where something is needed.
    error ZeroAddress();
    /// @notice The pool's tokens are not asset and risky.
    error WrongPoolTokens(address pool);
    /// @notice The pool is on the list already.
    error PoolAlreadyAllowed(address pool);
    /// @notice The list of pools is full.
    error TooManyPools();
    /// @notice `rearm` outside cash-lock.
    error NotCashLocked();
    /// @notice A floor not below NAV per share.
    error FloorNotBelowNav(uint256 floorPerShare, uint256 navPerShare);

    // ---------------------------------------------------------------- events

    /// @notice The keeper traded.
    /// @param sellRisky Direction of all swaps
    /// @param amountIn Sum over the swaps, units of the token sold
    /// @param amountOut Sum over the swaps, units of the token bought
    /// @param price Price the guards used
    event Rebalanced(
        uint64 indexed nonce,
        bytes32 indexed policyHash,
        bytes32 indexed decisionHash,
        uint64 decisionBlock,
        bool sellRisky,
        uint256 amountIn,
        uint256 amountOut,
        uint256 price,
        uint256 navBefore,
        uint256 navAfter
    );
    /// @notice Anyone made the vault sell down to its bound.
    event Deleveraged(
        address indexed caller,
        address indexed pool,
        uint256 amountIn,
        uint256 amountOut,
        uint256 reward,
        uint256 price,
        uint256 navBefore,
        uint256 navAfter
    );
    /// @notice Gas paid back to the keeper, asset units.
    event GasRebated(uint64 indexed nonce, uint256 amount);
    /// @notice An exit for a share of both holdings.
    event RedeemedInKind(
        address indexed caller,
        address indexed receiver,
        address indexed owner,
        uint256 shares,
        uint256 assetAmount,
        uint256 riskyAmount
    );
    /// @notice The floor or the peak moved.
    event FloorMoved(uint256 floorPerShare, uint256 peakPerShare);
    /// @notice NAV was seen at or below the floor.
    event CashLockEntered(uint256 navPerShare, uint256 floorPerShare);
    /// @notice The owner ended cash-lock with a new floor.
    event Rearmed(uint256 floorPerShare, uint256 navPerShare);
    /// @notice The bound was first seen broken.
    event BoundBroken(uint256 exposure, uint256 limit);
    /// @notice The bound was seen to hold again.
    event BoundRestored();
    /// @notice Gifts (or losses) were taken into the tracked holdings.
    event Synced(uint256 trackedAsset, uint256 trackedRisky);
    /// @notice Buys, deposits and withdrawals stop until then.
    event PausedUntil(uint256 until);
    /// @notice The owner changed the parameters.
    event ParametersChanged(Parameters parameters);
    /// @notice The owner approved another policy.
    event PolicyHashChanged(bytes32 policyHash);
    /// @notice The owner named another keeper.
    event KeeperChanged(address indexed keeper);
    /// @notice The owner named another guardian.
    event GuardianChanged(address indexed guardian);
    /// @notice The owner allowed a pool.
    event PoolAllowed(address indexed pool, address indexed venue, bytes32 kind);
    /// @notice The owner took a pool off the list.
    event PoolDisallowed(address indexed pool);

    // ---------------------------------------------------------------- reading

    /// @notice Everything a keeper needs in one call. Never reverts for a bad oracle.
    function state() external view returns (State memory);

    /// @notice Which guard would refuse `r` if the caller sent it now. Runs the guards of `rebalance` themselves, up to
    /// the swaps. One difference: where `decisionBlock` is the block of the call, its hash, which no block can know of
    /// itself, is not compared.
    /// @return ok Whether no guard refuses
    /// @return selector The refusing guard's error, or zero
    /// @return data The error with its arguments, ABI-encoded with the selector
    function previewRebalance(Rebalance calldata r) external view returns (bool ok, bytes4 selector, bytes memory data);

    // ---------------------------------------------------------------- keeper

    /// @notice Trades as asked, inside every guard. Keeper only. Sets cash-lock, and starts and clears the timer of
    /// `deleverage`, but moves neither peak nor floor.
    function rebalance(Rebalance calldata r) external;

    // ---------------------------------------------------------------- anyone

    /// @notice Moves peak and floor, sets cash-lock when NAV is at or below the floor, starts and clears the timer of
    /// `deleverage`.
    function poke() external;

    /// @notice Sells risky, never to below the bound, once the bound has been broken for the grace period; also while
    /// paused, in cooldown, or degraded. In cash-lock the bound is 0. Pays the caller a small capped reward.
    /// @param pool An allow-listed pool
    /// @param maxAmountIn Most to sell, risky units
    /// @return amountIn Sold, risky units
    /// @return amountOut Bought, asset units
    function deleverage(address pool, uint256 maxAmountIn) external returns (uint256 amountIn, uint256 amountOut);

    /// @notice Burns shares for their part of both holdings, without an oracle and without a fee: at any time but while options
    /// are open, and then too once their book has not settled for too long.
    function redeemInKind(uint256 shares, address receiver, address owner)
        external
        returns (uint256 assetAmount, uint256 riskyAmount);

    /// @notice Takes what the vault really holds into the tracked holdings: losses for anyone, gifts for the owner only,
    /// and only at a price. Then does what `poke` does. A gift lifts peak and floor as it lifts NAV per share; otherwise
    /// whoever deposits first could give, and take back, so much that the floor of all who follow protects nothing.
    function sync() external;

    // ---------------------------------------------------------------- owner and guardian

    /// @notice Sets all parameters. Owner only.
    function setParameters(Parameters calldata parameters) external;

    /// @notice Approves a policy. Owner only.
    function setPolicyHash(bytes32 policyHash) external;

    /// @notice Names the keeper; zero for none. Owner only.
    function setKeeper(address keeper) external;

    /// @notice Names the guardian; zero for none. Owner only.
    function setGuardian(address guardian) external;

    /// @notice Allows a pool, traded through `venue`. Owner only.
    function allowPool(address pool, address venue) external;

    /// @notice Takes a pool off the list. Owner only.
    function disallowPool(address pool) external;

    /// @notice Ends cash-lock with a floor below NAV per share. Owner only.
    function rearm(uint256 floorPerShare) external;

    /// @notice Stops buys, deposits and withdrawals for `pauseDuration`. Guardian or owner.
    function pause() external;

    /// @notice Ends a pause. Owner only.
    function unpause() external;
}
