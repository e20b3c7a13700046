"""One CPPI in vectorbt, backtesting.py, bt and the keeper: the same prices, the same rule, final values and times.

The rule: at the close of every bar, exposure is to be min(m·max(V − floor, 0), V); a trade takes it there whenever it is further
away than a part of V. No costs, fractional units, so that everyone can reach the same value to the last cent. Time is that of the
run itself: files are read, functions compiled and modules loaded before. Everyone runs in turn, so often, and the fastest counts.
"""

import argparse
import json
import math
import subprocess
import sys
import time
import warnings

warnings.filterwarnings("ignore")

import backtesting
import backtesting.lib
import bt
import numpy as np
import pandas as pd
import vectorbt as vbt
from numba import njit

CAPITAL = 1_000_000.0
MULTIPLIER = 3.0
FLOOR = 800_000.0
# backtesting.py trades whole units of what a row prices: a millionth of a coin here.
UNIT = 1e-6


@njit
def wanted(cash, units, price, fraction):
    """Units to hold, or those held where they are near enough."""
    nav = cash + units * price
    exposure = min(MULTIPLIER * max(nav - FLOOR, 0.0), nav)
    return units if abs(exposure - units * price) <= fraction * nav else exposure / price


@njit
def order(c, fraction):
    """vectorbt's order at one bar."""
    price = c.close[c.i, c.col]
    size = wanted(c.cash_now, c.position_now, price, fraction) - c.position_now
    if abs(size) < 1e-12:
        return vbt.portfolio.enums.NoOrder
    return vbt.portfolio.nb.order_nb(size=size, price=price)


def with_vectorbt(closes, fraction):
    portfolio = vbt.Portfolio.from_order_func(closes, order, fraction, init_cash=CAPITAL, freq="1h")
    return float(portfolio.final_value()), int(portfolio.orders.count())


class Cppi(backtesting.Strategy):
    """backtesting.py's strategy; its prices are those of UNIT."""

    fraction = 0.0

    def init(self):
        pass

    def next(self):
        price, units = self.data.Close[-1], self.position.size
        cash = self.equity - units * price
        # Of what would not be paid for to the last unit nothing is bought, so rounded down.
        size = math.floor(wanted(cash, units, price, self.fraction)) - units
        if size > 0:
            self.buy(size=size)
        elif size < 0:
            self.sell(size=-size)


def with_backtesting(bars, fraction):
    backtesting.backtesting._tqdm = lambda rows, **_: rows
    test = backtesting.Backtest(bars, Cppi, cash=CAPITAL, trade_on_close=True, finalize_trades=False)
    stats = test.run(fraction=fraction)
    return float(stats["Equity Final [$]"]), int(stats._strategy._broker.trades_made)


class ToTarget(bt.Algo):
    """bt's algorithm: the weight of the coin."""

    def __init__(self, fraction):
        super().__init__()
        self.fraction, self.trades = fraction, 0

    def __call__(self, target):
        price = target.universe.at[target.now, "coin"]
        units = target["coin"].position if "coin" in target.children else 0.0
        nav = target.value
        to = wanted(nav - units * price, units, price, self.fraction)
        if to == units:
            return False
        self.trades += 1
        target.temp["weights"] = {"coin": to * price / nav}
        return True


def with_bt(frame, fraction):
    algos = [ToTarget(fraction), bt.algos.Rebalance()]
    strategy = bt.Strategy("cppi", algos, children=[bt.Security("coin")])
    test = bt.Backtest(strategy, frame, initial_capital=CAPITAL, integer_positions=False, progress_bar=False)
    test.run()
    return float(test.strategy.values.iloc[-1]), test.strategy.stack.algos[0].trades


def count_orders():
    """backtesting.py keeps trades alone, which one order may close several of: its orders are counted as they are made."""
    process = backtesting.backtesting._Broker.new_order
    begin = backtesting.backtesting._Broker.__init__

    def new_order(self, *args, **kwargs):
        self.trades_made += 1
        return process(self, *args, **kwargs)

    def init(self, *args, **kwargs):
        self.trades_made = 0
        begin(self, *args, **kwargs)

    backtesting.backtesting._Broker.new_order, backtesting.backtesting._Broker.__init__ = new_order, init


def keeper(program, prices, policy, setting):
    """The example program: its final value, trades, and the seconds that it says its walk took."""
    done = subprocess.run([program, prices, policy, setting], check=True, capture_output=True, text=True)
    told = json.loads(done.stdout)
    return told["end"], told["rebalances"], told["walk_seconds"]


def timed(run, *args):
    started = time.perf_counter()
    value, trades = run(*args)
    return value, trades, time.perf_counter() - started


def main():
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("--program", required=True, help="the example program backtest_policy, built for release")
    parse.add_argument("--prices", required=True, help="CSV with ts,open,high,low,close,volume")
    parse.add_argument("--policy", action="append", required=True, help="NAME:FRACTION:FILE of a rule and the keeper's policy")
    parse.add_argument("--setting", required=True, help="the keeper's world without costs")
    parse.add_argument("--rounds", type=int, default=3)
    asked = parse.parse_args()

    frame = pd.read_csv(asked.prices)
    frame.index = pd.to_datetime(frame["ts"])
    closes = frame["close"].astype(float)
    bars = pd.DataFrame({name.capitalize(): frame[name].astype(float) * UNIT for name in ("open", "high", "low", "close")})
    # It decides from the second row on.
    bars = pd.concat([bars.iloc[:1].set_axis([bars.index[0] - pd.Timedelta("1h")]), bars])
    coin = pd.DataFrame({"coin": closes})
    count_orders()
    worst = 0.0
    for rule in asked.policy:
        name, fraction, policy = rule.split(":", 2)
        fraction = float(fraction)
        runs = {
            "keeper": lambda: keeper(asked.program, asked.prices, policy, asked.setting),
            f"vectorbt {vbt.__version__}": lambda: timed(with_vectorbt, closes, fraction),
            f"backtesting.py {backtesting.__version__}": lambda: timed(with_backtesting, bars, fraction),
            f"bt {bt.__version__}": lambda: timed(with_bt, coin, fraction),
        }
        with_vectorbt(closes, fraction)  # Compiles it.
        best = {}
        for _ in range(asked.rounds):
            for who, run in runs.items():
                value, trades, seconds = run()
                if who not in best or seconds < best[who][2]:
                    best[who] = (value, trades, seconds)
        base = best["keeper"]
        print(f"\n{name}: {len(closes)} bars of {asked.prices.rsplit('/', 1)[-1]}")
        print(f"{'':24}{'final value':>18}{'against keeper':>16}{'trades':>9}{'seconds':>11}{'bars/s':>13}{'times keeper':>14}")
        for who, (value, trades, seconds) in best.items():
            apart = value / base[0] - 1.0
            worst = max(worst, abs(apart))
            print(f"{who:24}{value:18.2f}{apart:16.2e}{trades:9d}{seconds:11.4f}{len(closes) / seconds:13.0f}{seconds / base[2]:14.2f}")
    if worst > 1e-3:
        sys.exit(f"the final values are {worst:.2e} apart: not the same rule")


main()
