// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title A vault that may hold options in a book
/// @notice Rules kept here, by `OptionEpoch`:
/// - What an option can cost at most is paid when it is opened, and has left the holdings: NAV, floor, cushion and bound
///   count an open option as nothing. It can only bring something in. So nothing that is owed is ever counted as free,
///   and the floor holds whatever the options do.
/// - The book takes no more than the owner granted for that position, in that one call, and can do nothing else but pay
///   in what the position can pay at most, after its expiry. No other call of the vault depends on it.
/// - While a position is open the vault cannot be priced, so nobody enters or leaves: an epoch. It ends with the expiry of
///   its first position, later positions do not outlast it, and it is at most 92 days long (`MAX_TENOR`). Between two
///   epochs the vault is open for at least a day (`WINDOW`). A book that does not settle keeps exits in kind closed for
///   at most 30 days beyond the end (`PATIENCE`); the owner can then name another, and what the old one still owes is
///   written off.
interface IOptionHolder {
    /// @notice A deposit, withdrawal or exit in kind with open positions, or another book for the vault.
    /// @param endsAt When the last of them expires; for exits in kind, when they open whatever the book does
    error EpochOpen(uint256 endsAt);
    /// @notice An epoch cannot begin before the vault has been open for the window.
    error EpochTooSoon(uint256 earliest);
    /// @notice Only the vault's option book.
    error NotOptionBook(address caller);
    /// @notice A book of other tokens.
    error WrongOptionBook(address book);
    /// @notice The book took more than the owner granted.
    error OptionCostTooHigh(uint256 cost, uint256 maxCost);
    /// @notice Expired, too far away, or later than the end of the epoch.
    error OptionExpiryOutOfRange(uint256 expiry, uint256 earliest, uint256 latest);
    /// @notice The book gave a number that it has given before.
    error OptionAlreadyOpen(uint64 id);
    /// @notice No open position of this number.
    error OptionUnknown(uint64 id);
    /// @notice A payment before the expiry.
    error OptionNotExpired(uint64 id, uint256 expiry);
    /// @notice A payment of more than the position can pay.
    error OptionPaymentTooLarge(uint256 amount, uint256 most);

    /// @notice The owner named another book, zero for none.
    event OptionBookChanged(address indexed book);
    /// @notice A position was opened.
    /// @param cost What it can cost at most and has left the holdings, asset units
    /// @param most What it can pay in at most, asset units
    /// @param expiry Seconds since 1970
    event OptionOpened(uint64 indexed id, uint256 cost, uint256 most, uint256 expiry);
    /// @notice A position has paid in, in asset units, and is gone.
    event OptionSettled(uint64 indexed id, uint256 amount);
    /// @notice The vault has no open position any more.
    event EpochClosed();

    /// @notice Whether positions are open, which closes deposits, withdrawals and exits in kind.
    function epochOpen() external view returns (bool);

    /// @notice Names the book, zero for none. Owner only, while no position is open; or when the patience is over, and then what the old book still owes is written off.
    function setOptionBook(address book) external;

    /// @notice Opens a position that was offered in the book. Owner only, with a fresh oracle, not paused nor in cash-lock;
    /// afterwards the exposure must be within cap and bound of what is left, as after a buy.
    /// @param id Number of the offer, which becomes that of the position
    /// @param terms keccak256 of the terms that the owner agrees to
    /// @param maxCost Most that it may cost, asset units
    function openOption(uint64 id, bytes32 terms, uint256 maxCost) external;

    /// @notice Takes in what a position pays, from the caller by its allowance, and forgets the position. The book only,
    /// from its expiry on.
    /// @param amount Asset units; what really comes in is counted
    function settleOption(uint64 id, uint256 amount) external;
}
