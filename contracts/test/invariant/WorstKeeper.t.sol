// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Test} from "forge-std/Test.sol";
import {IRebalancingVault as V} from "../../src/interfaces/IRebalancingVault.sol";
import {IUniswapV3Pool} from "../../src/interfaces/IUniswapV3Pool.sol";
import {IVenue} from "../../src/interfaces/IVenue.sol";
import {Market} from "./Market.sol";

/// @title A keeper that always does its worst
/// @notice It owns the pool: before each trade the pool stands where the trade pays as little as the vault accepts, and
/// the market stands as far from the feed as the feed may be, on the side that hurts. It churns, it buys up to the
/// bound, and it sells by force whenever the bound is broken. What it takes is measured at the market's price.
contract WorstKeeper is Market {
    /// @notice One theft. Parts of NAV at its time, WAD.
    struct Theft {
        uint256 at;
        uint256 traded;
        uint256 taken;
        uint256 allowed;
        bool forced;
    }

    /// @dev Feed deviation of both feeds together, bps; the same as the vault's parameter.
    uint256 private constant ORACLE_ERROR_BPS = 75;
    /// @dev For the impact of the trade itself, in a pool this deep.
    uint256 private constant SPARE_BPS = 1;

    Theft[] internal thefts;
    uint256 public buys;
    uint256 public forcedSales;

    constructor() Market(true) {}

    /// @dev A bound that a vault can reach and break.
    function parameters() internal view override returns (V.Parameters memory p) {
        p = super.parameters();
        p.boundBps = 20_000;
    }

    function setUp() public override {
        super.setUp();
        addLiquidity(IUniswapV3Pool(v3Pool), 60_000, 1e21);
    }

    function theftCount() external view returns (uint256) {
        return thefts.length;
    }

    /// @notice Buys or sells all it may, at the worst price it may.
    function steals(uint256 seed) external {
        V.State memory s = vault.state();
        bool sale = seed % 2 == 0 && s.exposure > 0;
        bool forced = sale && isBroken(s);
        // Often more than the bucket has left, which must be refused.
        uint256 amountIn = most(s, sale, forced || seed % 8 > 5);
        if (amountIn < (sale ? 1e15 : USD)) return;
        uint256 worst = sale ? s.price * (BPS - 50 + SPARE_BPS) / BPS : s.price * BPS / (BPS - 50 + SPARE_BPS);
        // Before the pool's own fee of 0.05 %.
        moveV3(sale ? worst * 10_005 / BPS : worst * BPS / 10_005);
        V.Rebalance memory r = request(s, sale, amountIn);
        vm.prank(keeper);
        try vault.rebalance(r) {
            record(s, sale, forced, amountIn);
        } catch (bytes memory err) {
            bytes4 e = bytes4(err);
            bool early = (e == V.CoolingDown.selector || e == V.TurnoverExceeded.selector) && !forced;
            assertTrue(early || e == IVenue.InsufficientOutput.selector || e == V.CashLocked.selector);
        }
    }

    /// @notice Sells by force if the bound is broken.
    function forces() external {
        if (isBroken(vault.state())) this.steals(0);
    }

    function waits(uint256 time) external {
        pass(bound(time, 12, 3 hours));
    }

    function priceMoves(uint256 factor) external {
        riskyFeed.set(latestAnswer() * int256(bound(factor, 9_300, 10_800)) / 10_000);
    }

    // ---------------------------------------------------------------- the worst that passes

    function most(V.State memory s, bool sale, bool greedy) private pure returns (uint256) {
        uint256 value = s.nav * s.parameters.maxTradeBps / BPS;
        if (!greedy) value = Math.min(value, Math.saturatingSub(s.turnoverCapacity, s.turnoverLevel));
        if (sale) return Math.min(Math.mulDiv(value, SCALE, s.price), s.trackedRisky);
        // Up to the bound and the cap, after the loss of the trade itself.
        uint256 room = Math.min(boundOf(s) * 97 / 100, s.nav * 99 / 100);
        return Math.min(Math.min(value, Math.saturatingSub(room, s.exposure)), s.trackedAsset);
    }

    function request(V.State memory s, bool sale, uint256 amountIn) private view returns (V.Rebalance memory r) {
        r = through(sale, amountIn, v3Pool, v3);
        uint256 fair = sale
            ? Math.mulDiv(amountIn, s.price, SCALE, Math.Rounding.Ceil)
            : Math.mulDiv(amountIn, SCALE, s.price, Math.Rounding.Ceil);
        r.swaps[0].minAmountOut = Math.mulDiv(fair, BPS - s.parameters.slippageBps, BPS, Math.Rounding.Ceil);
    }

    /// @dev At a market price that is off the feed to the keeper's advantage.
    function record(V.State memory s, bool sale, bool forced, uint256 amountIn) private {
        V.State memory b = vault.state();
        uint256 got = sale ? b.trackedAsset - s.trackedAsset : b.trackedRisky - s.trackedRisky;
        uint256 market = s.price * (sale ? BPS + ORACLE_ERROR_BPS : BPS - ORACLE_ERROR_BPS) / BPS;
        uint256 given = sale ? worth(amountIn, market) : amountIn;
        uint256 taken = Math.saturatingSub(given, sale ? got : worth(got, market));
        uint256 traded = sale ? worth(amountIn, s.price) + 1 : amountIn;
        thefts.push(theft(s, traded, taken, forced));
        if (forced) ++forcedSales;
        if (!sale) ++buys;
    }

    function theft(V.State memory s, uint256 traded, uint256 taken, bool forced) private view returns (Theft memory t) {
        (t.at, t.forced) = (block.timestamp, forced);
        t.traded = Math.mulDiv(traded, WAD, s.nav);
        t.taken = Math.mulDiv(taken, WAD, s.nav);
        uint256 allowed = traded * (s.parameters.slippageBps + ORACLE_ERROR_BPS) / BPS + 3;
        t.allowed = Math.mulDiv(allowed, WAD, s.nav);
    }

    // ---------------------------------------------------------------- the bound

    /// @notice No trade takes more than its part, and no 24 hours more than the daily turnover (and what was forced out
    /// of the exposure that one full buy can build) allow.
    function checkBounds() external view {
        V.Parameters memory p = parameters();
        uint256 rate = p.slippageBps + ORACLE_ERROR_BPS;
        for (uint256 i = thefts.length; i > 0; --i) {
            if (thefts[i - 1].at + 1 days < block.timestamp) break;
            assertLe(thefts[i - 1].taken, thefts[i - 1].allowed, "more than a trade allows");
        }
        (uint256 free, uint256 all, uint256 taken) = lastDay();
        assertLe(free, p.turnoverCapBps * WAD / BPS, "more than a day's turnover");
        // One sale of everything can come on top, but not a second one: the excess has to leak away before any buy.
        uint256 turnoverAndExit = (p.turnoverCapBps + BPS) * WAD / BPS;
        assertLe(all, turnoverAndExit, "forced sales repeat");
        assertLe(taken, all * rate / BPS + 1e12, "more than its trades allow");
        assertLe(taken, turnoverAndExit * rate / BPS, "more than SECURITY.md says");
    }

    /// @return free Traded within the last 24 hours without force, part of NAV, WAD
    /// @return all The same with forced sales
    /// @return taken By the keeper
    function lastDay() public view returns (uint256 free, uint256 all, uint256 taken) {
        for (uint256 i = thefts.length; i > 0; --i) {
            Theft memory t = thefts[i - 1];
            if (t.at + 1 days < block.timestamp) break;
            all += t.traded;
            taken += t.taken;
            if (!t.forced) free += t.traded;
        }
    }
}

/// @title What a stolen keeper key can take
contract WorstKeeperInvariants is Test {
    WorstKeeper internal thief;

    function setUp() public {
        thief = new WorstKeeper();
        thief.setUp();
        bytes4[] memory selectors = new bytes4[](4);
        (selectors[0], selectors[1]) = (WorstKeeper.steals.selector, WorstKeeper.steals.selector);
        (selectors[2], selectors[3]) = (WorstKeeper.waits.selector, WorstKeeper.priceMoves.selector);
        targetContract(address(thief));
        targetSelector(FuzzSelector(address(thief), selectors));
    }

    /// @dev (turnover + 10,000 bps) x (slippage + oracle error), as SECURITY.md has it.
    function invariant_a_stolen_key_takes_no_more_than_turnover_and_one_exit_times_the_errors() public view {
        thief.checkBounds();
    }

    /// @dev The bound is no looser than it must be: churning as fast as it may, the thief comes close to it.
    function test_the_worst_keeper_comes_close_to_its_bound() public {
        for (uint256 i = 0; i < 140; ++i) {
            thief.steals(i);
            thief.waits(10 minutes);
            thief.checkBounds();
        }
        (uint256 free,, uint256 taken) = thief.lastDay();
        assertGt(free, 0.98e18, "a day's leak of the bucket");
        assertGt(taken, free * 115 / 10_000, "of 125 bps possible");
        assertGt(thief.buys(), 5);
    }

    /// @dev So the daily turnover alone is not the bound: all of it, the last part in buys, and then the bound breaks.
    function test_a_forced_exit_comes_on_top_of_the_daily_turnover() public {
        for (uint256 i = 0; i < 143; ++i) {
            thief.steals(i < 85 ? i : 1);
            thief.waits(10 minutes);
        }
        (uint256 free,,) = thief.lastDay();
        assertGt(free, 1.8e18, "nearly the cap of two");
        thief.priceMoves(9_300);
        thief.forces();
        (, uint256 all,) = thief.lastDay();
        assertGt(all, 2.1e18, "more than the cap");
        thief.checkBounds();
    }

    /// @dev A price that swings by five per cent breaks the bound of a vault held right at it, again and again.
    function test_forced_sales_do_not_repeat_all_day() public {
        uint256 highest = 0;
        for (uint256 i = 0; i < 288; ++i) {
            thief.steals(1);
            thief.priceMoves(9_500);
            thief.forces();
            thief.priceMoves(10_526);
            thief.waits(10 minutes);
            thief.checkBounds();
            (, uint256 all,) = thief.lastDay();
            if (all > highest) highest = all;
        }
        assertGt(thief.forcedSales(), 3);
        assertGt(highest, 1.5e18, "the cap is two");
    }
}
