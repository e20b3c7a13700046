// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IAggregatorV3} from "../interfaces/IAggregatorV3.sol";
import {IOptionBook} from "../interfaces/IOptionBook.sol";

/// @title The price that a feed gave at a moment of the past, proven by the round after it
/// @notice Of the feed's phases only the present one counts, or the one before it where the present one has no answer up to
/// that moment: so there is at most one round to name, and nobody can choose.
library SettlementPrice {
    uint256 private constant WAD_DECIMALS = 18;
    /// @dev Above the round of its aggregator, an id names the phase.
    uint256 private constant PHASE_SHIFT = 64;

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
        bool valid = round.answer > 0 && round.answer <= int256(uint256(type(uint128).max));
        require(round.found && valid, IOptionBook.RoundMissing(roundId));
        require(round.updatedAt <= moment, IOptionBook.RoundAfterExpiry(roundId, round.updatedAt));
        require(moment - round.updatedAt <= maxAge, IOptionBook.RoundStale(roundId, round.updatedAt));
        _requireLastBefore(feed, roundId, moment);
        // casting is safe: the answer is positive
        // forge-lint: disable-next-line(unsafe-typecast)
        price = _toWad(uint256(round.answer), feed.decimals());
        require(price != 0, IOptionBook.RoundMissing(roundId));
    }

    /// @notice The round of the feed's present phase that settles at `moment` by `at`; 0 where there is none. It is found by
    /// halving, so a round that is missing among the others hides it.
    function find(IAggregatorV3 feed, uint256 moment, uint256 maxAge) internal view returns (uint80 roundId) {
        uint80 latest = _latest(feed);
        uint80 phase = (latest >> PHASE_SHIFT) << PHASE_SHIFT;
        // The last round known to hold by the moment, and the first known not to.
        (uint80 held, uint80 later) = (phase, latest);
        if (latest == phase || !_later(feed, latest, moment)) return 0;
        while (later - held > 1) {
            uint80 middle = held + (later - held) / 2;
            if (_later(feed, middle, moment)) later = middle;
            else held = middle;
        }
        Round memory round = _round(feed, held);
        bool valid = round.found && round.answer > 0 && round.answer <= int256(uint256(type(uint128).max));
        return held != phase && valid && moment - round.updatedAt <= maxAge ? held : 0;
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
        (uint80 phase, uint80 present) = (roundId >> PHASE_SHIFT, latest >> PHASE_SHIFT);
        Round memory next = _round(feed, roundId + 1);
        require(!next.found || next.updatedAt > moment, IOptionBook.RoundSuperseded(roundId, roundId + 1));
        if (phase == present) {
            require(next.found, IOptionBook.RoundNotSuperseded(roundId));
        } else {
            Round memory first = _round(feed, (present << PHASE_SHIFT) + 1);
            bool before = phase + 1 == present && first.found && first.updatedAt > moment;
            require(before, IOptionBook.RoundOfOtherPhase(roundId));
        }
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
