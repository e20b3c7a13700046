// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IAggregatorV3} from "../interfaces/IAggregatorV3.sol";
import {IOptionBook} from "../interfaces/IOptionBook.sol";

/// @title The price that a feed gave at a moment of the past, proven by the round after it
/// @notice Of the feed's phases only the present one counts, or the one before it where the present one has no answer up to
/// that moment: so there is at most one round to name at any time, and nobody can choose. The feed does not say when a
/// phase began to count, so a new phase that had answered by the moment decides from the block it takes over in.
library SettlementPrice {
    uint256 private constant WAD_DECIMALS = 18;
    /// @dev Above the round of its aggregator, an id names the phase.
    uint80 private constant PHASE = 1 << 64;
    /// @dev More rounds than any aggregator has.
    uint80 private constant MANY = 1 << 40;

    struct Round {
        bool found;
        int256 answer;
        uint256 updatedAt;
    }

    /// @notice The answer of `roundId`, or the reason why it is not the one that held at `moment`.
    /// @param feed Chainlink proxy
    /// @param moment Seconds since 1970
    /// @param maxAge Age at `moment` up to which an answer is believed, seconds
    /// @return price WAD, never 0
    function at(IAggregatorV3 feed, uint80 roundId, uint256 moment, uint256 maxAge)
        internal
        view
        returns (uint256 price)
    {
        Round memory round = _round(feed, roundId);
        require(_priced(round), IOptionBook.RoundMissing(roundId));
        require(round.updatedAt <= moment, IOptionBook.RoundAfterExpiry(roundId, round.updatedAt));
        require(moment - round.updatedAt <= maxAge, IOptionBook.RoundStale(roundId, round.updatedAt));
        _requireLastBefore(feed, roundId, moment);
        // casting is safe: the answer is positive
        // forge-lint: disable-next-line(unsafe-typecast)
        price = _toWad(uint256(round.answer), feed.decimals());
        require(price != 0, IOptionBook.RoundMissing(roundId));
    }

    /// @notice The round that settles at `moment` by `at`; 0 where there is none. It is found by halving, so a round that is
    /// missing among the others hides it.
    function find(IAggregatorV3 feed, uint256 moment, uint256 maxAge) internal view returns (uint80 roundId) {
        uint80 latest = _latest(feed);
        uint80 phase = _phase(latest);
        if (latest == phase || !_later(feed, latest, moment)) return 0;
        roundId = _halve(feed, phase, latest, moment);
        if (roundId == phase) roundId = phase == 0 ? 0 : _lastOf(feed, phase - PHASE, moment);
        Round memory round = _round(feed, roundId);
        if (!_priced(round) || moment - round.updatedAt > maxAge) return 0;
    }

    /// @dev The last round of a phase that is over by `moment`, by doubling and halving from its first: the same whoever asks,
    /// also where rounds are missing. 0 where there is none.
    function _lastOf(IAggregatorV3 feed, uint80 phase, uint256 moment) private view returns (uint80) {
        uint80 step = 1;
        while (step < MANY && _by(feed, phase + step, moment)) step *= 2;
        (uint80 held, uint80 later) = (phase + step / 2, phase + step);
        while (later - held > 1) {
            uint80 middle = held + (later - held) / 2;
            if (_by(feed, middle, moment)) held = middle;
            else later = middle;
        }
        return held == phase ? 0 : held;
    }

    /// @dev Between the last round known to hold by the moment, and the first known not to.
    function _halve(IAggregatorV3 feed, uint80 held, uint80 later, uint256 moment) private view returns (uint80) {
        while (later - held > 1) {
            uint80 middle = held + (later - held) / 2;
            if (_later(feed, middle, moment)) later = middle;
            else held = middle;
        }
        return held;
    }

    function _phase(uint80 roundId) private pure returns (uint80) {
        return roundId - roundId % PHASE;
    }

    /// @dev Whether the feed has the round, and had it by `moment`.
    function _by(IAggregatorV3 feed, uint80 roundId, uint256 moment) private view returns (bool) {
        Round memory round = _round(feed, roundId);
        return round.found && round.updatedAt <= moment;
    }

    function _latest(IAggregatorV3 feed) private view returns (uint80 latest) {
        try feed.latestRoundData() returns (uint80 id, int256, uint256, uint256, uint80) {
            latest = id;
        } catch {}
    }

    function _later(IAggregatorV3 feed, uint80 roundId, uint256 moment) private view returns (bool) {
        Round memory round = _round(feed, roundId);
        return round.found && round.updatedAt > moment;
    }

    function _requireLastBefore(IAggregatorV3 feed, uint80 roundId, uint256 moment) private view {
        (uint80 latest,,,,) = feed.latestRoundData();
        (uint80 phase, uint80 present) = (_phase(roundId), _phase(latest));
        Round memory next = _round(feed, roundId + 1);
        require(!next.found || next.updatedAt > moment, IOptionBook.RoundSuperseded(roundId, roundId + 1));
        if (phase == present) {
            require(next.found, IOptionBook.RoundNotSuperseded(roundId));
        } else {
            bool before = phase + PHASE == present && _later(feed, present + 1, moment);
            require(before, IOptionBook.RoundOfOtherPhase(roundId));
            uint80 last = _lastOf(feed, phase, moment);
            require(roundId == last, IOptionBook.RoundSuperseded(roundId, last));
        }
    }

    function _priced(Round memory round) private pure returns (bool) {
        return round.found && round.answer > 0 && round.answer <= int256(uint256(type(uint128).max));
    }

    function _round(IAggregatorV3 feed, uint80 roundId) private view returns (Round memory round) {
        try feed.getRoundData(roundId) returns (uint80, int256 answer, uint256, uint256 updatedAt, uint80) {
            round = Round(updatedAt != 0, answer, updatedAt);
        } catch {}
    }

    function _toWad(uint256 value, uint256 decimals) private pure returns (uint256) {
        return
            decimals <= WAD_DECIMALS ? value * 10 ** (WAD_DECIMALS - decimals) : value / 10 ** (decimals - WAD_DECIMALS);
    }
}
