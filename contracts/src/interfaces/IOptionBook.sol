// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title European options between vaults and counterparties, settled in the asset
/// @notice Words and units: asset, risky, WAD as in `IRebalancingVault`. A strike is whole asset per whole risky, WAD. A size
/// is risky units, positive where the vault is long. Times are seconds since 1970.
///
/// A position is what two sides agree on: a call or a put of one strike, whose payoff stops growing at a limit. It is the
/// same as two plain options, one at the strike and the opposite at the limit, and those two are its legs: what a strategy
/// hedges. A put with limit 0 is one plain leg.
///
/// Whoever is short can owe `size * |limit - strike|` at most, the collateral. It lies in the book from the start, paid by
/// the premium and by the short side, so nobody can fail to pay, and the vault owes nothing beyond what it paid at first.
interface IOptionBook {
    /// @notice Where a position stands.
    /// - Offered: the counterparty has paid its part, the vault has not.
    /// - Open: both have; to be settled after the expiry.
    /// - Settled: both parts are known, and the vault's is still here because the vault did not take it.
    /// - Closed: withdrawn, or settled and taken.
    enum Status {
        None,
        Offered,
        Open,
        Settled,
        Closed
    }

    /// @notice What two sides agree on.
    /// @param vault One side, an `IOptionHolder`
    /// @param counterparty The other
    /// @param isCall Call or put
    /// @param strike Where the payoff begins
    /// @param limit Where it stops growing: above the strike of a call, below that of a put, where 0 is allowed
    /// @param size Of the vault
    /// @param premium What the long side pays the short side, asset units, at most the collateral
    /// @param expiry When the payoff is fixed
    /// @param validUntil Until when the vault may open it
    struct Terms {
        address vault;
        address counterparty;
        bool isCall;
        uint256 strike;
        uint256 limit;
        int256 size;
        uint256 premium;
        uint64 expiry;
        uint64 validUntil;
    }

    /// @notice A position.
    /// @param collateral All that the book holds for it, asset units: what the short side can owe at most
    /// @param toVault The vault's part of the collateral, once settled
    struct Position {
        Status status;
        Terms terms;
        uint256 collateral;
        uint256 toVault;
    }

    /// @notice One plain option, of unlimited payoff.
    /// @param id Its number
    /// @param isCall Call or put
    /// @param strike Its strike
    /// @param expiry Seconds since 1970; from then on it is worth what the feed said at that time
    /// @param size Risky units, negative where the vault has written it
    struct Leg {
        uint64 id;
        bool isCall;
        uint256 strike;
        uint64 expiry;
        int256 size;
    }

    // ---------------------------------------------------------------- errors

    /// @notice A constructor's token or feed is none.
    error BadMarket();
    /// @notice Terms that cannot be; `name` is short text.
    error BadTerms(bytes32 name);
    /// @notice The position is in another state.
    error WrongStatus(uint64 id, Status status);
    /// @notice Only the side named.
    error NotParty(address caller);
    /// @notice The terms are not those of this number.
    error OtherTerms(bytes32 expected, bytes32 given);
    /// @notice The offer has lapsed.
    error OfferLapsed(uint256 validUntil);
    /// @notice The vault has as many positions as the book keeps for one.
    error TooManyPositions();
    /// @notice A token moved another amount than asked for.
    error TransferMismatch(uint256 expected, uint256 moved);
    /// @notice Before the expiry, or before it may be undone.
    error TooEarly(uint256 from);
    /// @notice Nobody needs to undo it: this round settles it.
    error Settleable(uint80 roundId);

    /// @notice The feed has no such round, or no price in it.
    error RoundMissing(uint80 roundId);
    /// @notice The round began to hold after the expiry.
    error RoundAfterExpiry(uint80 roundId, uint256 updatedAt);
    /// @notice The feed had not answered for too long at the expiry: nobody knows the price, and the position is to be undone.
    error RoundStale(uint80 roundId, uint256 updatedAt);
    /// @notice A later round began to hold at or before the expiry, too; or, of a phase that is over, `by` is the one that
    /// counts (0 for none).
    error RoundSuperseded(uint80 roundId, uint80 by);
    /// @notice No later round shows that this was the last before the expiry: wait for the feed's next answer.
    error RoundNotSuperseded(uint80 roundId);
    /// @notice Another phase of the feed held at the expiry.
    error RoundOfOtherPhase(uint80 roundId);

    // ---------------------------------------------------------------- events

    /// @notice A counterparty has paid its part of an offer.
    event Offered(uint64 indexed id, address indexed vault, address indexed counterparty, Terms terms);
    /// @notice The counterparty has taken its offer back.
    event OfferWithdrawn(uint64 indexed id);
    /// @notice The vault has paid its part.
    event Opened(uint64 indexed id, uint256 cost, uint256 collateral);
    /// @notice Both parts of the collateral are known.
    /// @param price At the expiry, WAD; 0 where the position was undone
    event Settled(uint64 indexed id, uint80 roundId, uint256 price, uint256 toVault, uint256 toCounterparty);
    /// @notice The vault has taken its part.
    event Delivered(uint64 indexed id, uint256 toVault);
    /// @notice The vault did not take its part; anyone may try again.
    event DeliveryRefused(uint64 indexed id);
    /// @notice An account has taken out what was its own.
    event Claimed(address indexed account, uint256 amount);

    // ---------------------------------------------------------------- reading

    /// @notice The token that everything is paid in.
    function asset() external view returns (address);

    /// @notice The token that the options are on.
    function risky() external view returns (address);

    /// @notice The Chainlink proxy whose round decides, risky/USD; an asset unit counts as a dollar.
    function feed() external view returns (address);

    /// @notice The open legs of a vault. An expired leg is open until it is settled and taken.
    function legs(address vault) external view returns (Leg[] memory);

    /// @notice How many they are.
    function openLegs(address vault) external view returns (uint256);

    /// @notice A position, or an offer, or none.
    function position(uint64 id) external view returns (Position memory);

    /// @notice What an account may claim, asset units.
    function claimable(address account) external view returns (uint256);

    // ---------------------------------------------------------------- opening

    /// @notice Offers a position to a vault and pays the counterparty's part: the collateral where the vault would be long, the
    /// premium where it would be short. The caller is the counterparty.
    /// @return id Its number
    function offer(Terms calldata terms) external returns (uint64 id);

    /// @notice Takes an offer back, with what was paid. The counterparty only.
    function withdrawOffer(uint64 id) external;

    /// @notice Opens an offer and takes the vault's part by its allowance: the premium where it is long, the collateral less
    /// the premium where it is short. The vault only.
    /// @param terms keccak256 of the ABI-encoded terms
    /// @return expiry When it expires
    /// @return most What it can pay the vault at most, asset units
    function open(uint64 id, bytes32 terms) external returns (uint64 expiry, uint256 most);

    // ---------------------------------------------------------------- settling, by anyone

    /// @notice Settles at the price that held at the expiry, and gives the vault its part. Of the feed's phases the present one
    /// counts, or the one before it where the present one has no answer up to the expiry.
    /// @param roundId The feed's last round that began at or before the expiry, which is proven by the next one
    function settle(uint64 id, uint80 roundId) external;

    /// @notice Undoes a position that was not settled for long after its expiry, and that no round of the feed
    /// settles: each side gets back what it paid. So an epoch ends even where no round can be proven, and whoever would lose
    /// gains nothing by waiting.
    function undo(uint64 id) external;

    /// @notice Tries again to give the vault its part.
    function deliver(uint64 id) external;

    /// @notice Pays out what is the caller's own.
    function claim() external returns (uint256 amount);
}
