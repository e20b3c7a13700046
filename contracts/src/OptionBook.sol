// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SignedMath} from "@openzeppelin/contracts/utils/math/SignedMath.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IAggregatorV3} from "./interfaces/IAggregatorV3.sol";
import {IOptionBook} from "./interfaces/IOptionBook.sol";
import {IOptionHolder} from "./interfaces/IOptionHolder.sol";
import {SettlementPrice} from "./libraries/SettlementPrice.sol";

/// @title The reference option book, for one pair of tokens and one feed
/// @notice Documented in `IOptionBook`. It has no owner and no parameter that can change. It holds, for every position, the
/// collateral exactly, and for every account what it may claim.
contract OptionBook is IOptionBook, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @notice Most positions of one vault; each has at most two legs.
    uint256 public constant MAX_POSITIONS = 32;
    /// @notice How long after its expiry a position can only be settled, not undone, seconds.
    uint256 public constant UNDO_DELAY = 7 days;
    uint256 private constant MAX_PRICE = 1e36;
    uint256 private constant MAX_SIZE = type(uint128).max;

    IERC20 private immutable ASSET;
    address private immutable RISKY;
    IAggregatorV3 private immutable FEED;
    /// @notice Age of the feed's answer at an expiry up to which it is believed, seconds.
    uint256 public immutable MAX_AGE;
    /// @dev See `Valuation`.
    uint256 private immutable SCALE;

    uint64 private _last;
    mapping(uint64 id => Position position) private _positions;
    mapping(address vault => uint64[] ids) private _open;
    /// @inheritdoc IOptionBook
    mapping(address account => uint256 amount) public claimable;

    constructor(address asset_, address risky_, address feed_, uint256 maxAge) {
        bool contracts = asset_.code.length != 0 && risky_.code.length != 0 && feed_.code.length != 0;
        require(contracts && asset_ != risky_ && maxAge != 0, BadMarket());
        (ASSET, RISKY, FEED, MAX_AGE) = (IERC20(asset_), risky_, IAggregatorV3(feed_), maxAge);
        uint256 assetDecimals = IERC20Metadata(asset_).decimals();
        uint256 riskyDecimals = IERC20Metadata(risky_).decimals();
        require(assetDecimals <= 18 && riskyDecimals <= 18, BadMarket());
        SCALE = 10 ** (18 + riskyDecimals - assetDecimals);
    }

    // ---------------------------------------------------------------- reading

    /// @inheritdoc IOptionBook
    function asset() external view returns (address) {
        return address(ASSET);
    }

    /// @inheritdoc IOptionBook
    function risky() external view returns (address) {
        return RISKY;
    }

    /// @inheritdoc IOptionBook
    function feed() external view returns (address) {
        return address(FEED);
    }

    /// @inheritdoc IOptionBook
    function position(uint64 id) external view returns (Position memory) {
        return _positions[id];
    }

    /// @inheritdoc IOptionBook
    function openLegs(address vault) public view returns (uint256 count) {
        uint64[] storage ids = _open[vault];
        for (uint256 i = 0; i < ids.length; ++i) {
            count += _positions[ids[i]].terms.limit == 0 ? 1 : 2;
        }
    }

    /// @inheritdoc IOptionBook
    function legs(address vault) external view returns (Leg[] memory found) {
        found = new Leg[](openLegs(vault));
        uint64[] storage ids = _open[vault];
        uint256 next = 0;
        for (uint256 i = 0; i < ids.length; ++i) {
            Terms storage t = _positions[ids[i]].terms;
            found[next++] = Leg(2 * ids[i], t.isCall, t.strike, t.expiry, t.size);
            if (t.limit != 0) found[next++] = Leg(2 * ids[i] + 1, t.isCall, t.limit, t.expiry, -t.size);
        }
    }

    // ---------------------------------------------------------------- opening

    /// @inheritdoc IOptionBook
    function offer(Terms calldata terms) external nonReentrant returns (uint64 id) {
        require(msg.sender == terms.counterparty, NotParty(msg.sender));
        uint256 collateral = _checked(terms);
        id = ++_last;
        _positions[id] = Position(Status.Offered, terms, collateral, 0);
        emit Offered(id, terms.vault, terms.counterparty, terms);
        _take(_postedByCounterparty(terms, collateral));
    }

    /// @inheritdoc IOptionBook
    function withdrawOffer(uint64 id) external nonReentrant {
        Position storage p = _inStatus(id, Status.Offered);
        require(msg.sender == p.terms.counterparty, NotParty(msg.sender));
        p.status = Status.Closed;
        claimable[msg.sender] += _postedByCounterparty(p.terms, p.collateral);
        emit OfferWithdrawn(id);
    }

    /// @inheritdoc IOptionBook
    function open(uint64 id, bytes32 terms) external nonReentrant returns (uint64 expiry, uint256 most) {
        Position storage p = _inStatus(id, Status.Offered);
        Terms memory t = p.terms;
        require(msg.sender == t.vault, NotParty(msg.sender));
        bytes32 expected = keccak256(abi.encode(t));
        require(terms == expected, OtherTerms(expected, terms));
        require(block.timestamp <= t.validUntil, OfferLapsed(t.validUntil));
        require(_open[t.vault].length < MAX_POSITIONS, TooManyPositions());
        p.status = Status.Open;
        _open[t.vault].push(id);
        if (t.size > 0) claimable[t.counterparty] += t.premium;
        uint256 cost = t.size > 0 ? t.premium : p.collateral - t.premium;
        emit Opened(id, cost, p.collateral);
        _take(cost);
        return (t.expiry, p.collateral);
    }

    /// @dev Reverts with the first thing that is wrong; else what the short side can owe at most, rounded up.
    function _checked(Terms calldata t) private view returns (uint256 collateral) {
        require(t.vault.code.length != 0, BadTerms("vault"));
        require(t.size != 0 && SignedMath.abs(t.size) <= MAX_SIZE, BadTerms("size"));
        require(t.strike != 0 && t.strike <= MAX_PRICE, BadTerms("strike"));
        bool limited = t.isCall ? t.limit > t.strike && t.limit <= MAX_PRICE : t.limit < t.strike;
        require(limited, BadTerms("limit"));
        require(t.expiry > t.validUntil && t.validUntil >= block.timestamp, BadTerms("times"));
        collateral = Math.mulDiv(SignedMath.abs(t.size), _width(t), SCALE, Math.Rounding.Ceil);
        require(t.premium <= collateral, BadTerms("premium"));
    }

    // ---------------------------------------------------------------- settling

    /// @inheritdoc IOptionBook
    function settle(uint64 id, uint80 roundId) external nonReentrant {
        Position storage p = _inStatus(id, Status.Open);
        require(block.timestamp >= p.terms.expiry, TooEarly(p.terms.expiry));
        uint256 price = SettlementPrice.at(FEED, roundId, p.terms.expiry, MAX_AGE);
        _split(id, p, roundId, price, _payoff(p.terms, price));
    }

    /// @inheritdoc IOptionBook
    function undo(uint64 id) external nonReentrant {
        Position storage p = _inStatus(id, Status.Open);
        uint256 from = p.terms.expiry + UNDO_DELAY;
        require(block.timestamp >= from, TooEarly(from));
        uint80 settling = SettlementPrice.find(FEED, p.terms.expiry, MAX_AGE);
        require(settling == 0, Settleable(settling));
        // The premium is what the long side has paid.
        _split(id, p, 0, 0, p.terms.premium);
    }

    /// @inheritdoc IOptionBook
    function deliver(uint64 id) external nonReentrant {
        _deliver(id, _inStatus(id, Status.Settled));
    }

    /// @inheritdoc IOptionBook
    function claim() external nonReentrant returns (uint256 amount) {
        amount = claimable[msg.sender];
        claimable[msg.sender] = 0;
        emit Claimed(msg.sender, amount);
        ASSET.safeTransfer(msg.sender, amount);
    }

    /// @dev The long side gets the payoff, the short side the rest of the collateral: nothing is left over.
    function _split(uint64 id, Position storage p, uint80 roundId, uint256 price, uint256 payoff) private {
        uint256 toVault = p.terms.size > 0 ? payoff : p.collateral - payoff;
        uint256 toCounterparty = p.collateral - toVault;
        (p.status, p.toVault) = (Status.Settled, toVault);
        claimable[p.terms.counterparty] += toCounterparty;
        emit Settled(id, roundId, price, toVault, toCounterparty);
        _deliver(id, p);
    }

    /// @dev A vault that does not take its part does not keep the counterparty's from it, so what it says is not copied;
    /// anyone may deliver again.
    function _deliver(uint64 id, Position storage p) private {
        (address vault, uint256 amount) = (p.terms.vault, p.toVault);
        ASSET.forceApprove(vault, amount);
        try IOptionHolder(vault).settleOption(id, amount) {
            p.status = Status.Closed;
            _forget(vault, id);
            emit Delivered(id, amount);
        } catch {
            emit DeliveryRefused(id);
        }
        ASSET.forceApprove(vault, 0);
    }

    function _forget(address vault, uint64 id) private {
        uint64[] storage ids = _open[vault];
        uint256 last = ids.length - 1;
        for (uint256 i = 0; i < last; ++i) {
            if (ids[i] == id) ids[i] = ids[last];
        }
        ids.pop();
    }

    // ---------------------------------------------------------------- arithmetic

    function _inStatus(uint64 id, Status status) private view returns (Position storage p) {
        p = _positions[id];
        require(p.status == status, WrongStatus(id, p.status));
    }

    /// @dev What the option is worth at this price, rounded down: at most the collateral.
    function _payoff(Terms memory t, uint256 price) private view returns (uint256) {
        uint256 inside = t.isCall ? Math.saturatingSub(price, t.strike) : Math.saturatingSub(t.strike, price);
        return Math.mulDiv(SignedMath.abs(t.size), Math.min(inside, _width(t)), SCALE);
    }

    function _width(Terms memory t) private pure returns (uint256) {
        return t.isCall ? t.limit - t.strike : t.strike - t.limit;
    }

    function _postedByCounterparty(Terms memory t, uint256 collateral) private pure returns (uint256) {
        return t.size > 0 ? collateral : t.premium;
    }

    /// @dev From the caller.
    function _take(uint256 amount) private {
        uint256 before = ASSET.balanceOf(address(this));
        ASSET.safeTransferFrom(msg.sender, address(this), amount);
        uint256 moved = ASSET.balanceOf(address(this)) - before;
        require(moved == amount, TransferMismatch(amount, moved));
    }
}
