#!/usr/bin/env python3
"""Checks decisions of the vault keeper without the vault keeper, from the specification in docs/replay.md.

    verify.py hash   --snapshot FILE --policy FILE --decision FILE
    verify.py decide --snapshot FILE --policy FILE [--decision FILE]
    verify.py proof  --proof FILE [--records FILE [--after HASH]]
    verify.py ledger --records FILE [--after HASH]

FILEs are what `keeper snapshot`, `keeper policy show`, `keeper decide --json`, `keeper journal prove --json` and `keeper
journal export` print. `hash` computes the three hashes anew and holds them against those in the decision. `decide` takes
the whole decision anew, for policies of the form of examples/policies/cppi.toml, prints it and its hash, and holds it
against the given one. `proof` makes the root of a block from one leaf and its path; with the records of an export it
holds root, block and vault against the record that the proof names, after all that `ledger` does. `ledger` makes the hash of every
record of an export from the one before it (HASH is that of the record before the first), the roots of blocks from
their levels, and the hashes of full records from their texts. Exit codes: 0 they agree, 1 they differ, 2 wrong usage,
another version, or a policy that is not covered, each by name.

Whole numbers are Python's, decimals exact and rounded where the specification rounds, and doubles stand only where a
model computes, with the elementary functions written out: so the answer is the same to the last digit, without a
tolerance. The one package that it needs beside Python 3.11 is pycryptodome, for Keccak-256 (scripts/test-verify
installs it).
"""

import argparse
import json
import sys
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools" / "verify"))

import journal
from exact import NotCovered, bps, canonical, from_double, from_raw, minus, over, plus, times, written
from market import ZERO, Books, Market, Refusal, reason
from models import YEAR, Band, Cppi, Depth, ewma, largest_safe_multiplier, least_average_cost, shortfall_rate
from sizing import Sizing

VERSION = "3"


# ---------------------------------------------------------------- what is covered


def uncovered(policy):
    """The first part of a policy that this program does not decide."""
    kind = lambda section: section["kind"]
    source = policy["volatility"].get("source", {"kind": "feed"})
    parts = [
        ("strategy", kind(policy["strategy"]), {"cppi"}),
        ("trigger", kind(policy["trigger"]), {"economic"}),
        ("volatility.estimator", kind(policy["volatility"]["estimator"]), {"ewma", "fixed"}),
        ("volatility.source", kind(source), {"feed"}),
        ("gas.chain", policy["gas"].get("chain", "ethereum"), {"ethereum"}),
        ("execution.style", kind(policy["execution"].get("style", {"kind": "once"})), {"once"}),
        ("venues", "+".join(kind(venue) for venue in policy["venues"]), {"uniswap_v3"}),
    ]
    return next((f"{name} = {value}" for name, value, known in parts if value not in known), None)


# ---------------------------------------------------------------- from books to an appraisal


class Case:
    """A vault appraised under a policy, and what comes of it."""

    def __init__(self, snapshot, policy, policy_hash):
        self.snapshot, self.policy, self.vault = snapshot, policy, snapshot["vault"]
        self.books = books = Books(snapshot, policy, policy_hash)
        gas = policy["gas"]
        self.gas_price = int(snapshot["block"]["next_base_fee"]) + int(gas["reference_tip_wei"])
        self.fixed = books.gas(int(gas["rebalance_units"]), self.gas_price)
        self.market = Market(snapshot, policy, books)
        unquoted = self._cushion()
        unestimated = self._volatility()
        self._target()
        missing = unquoted or unestimated
        if missing and self.mandate is None:
            raise missing
        self.drift = minus(books.held, self.target)
        self.sell = books.held > self.target
        self._economics()

    def _cushion(self):
        books, reserve, missing = self.books, self.policy["reserve"], None
        impact = books.exposure
        if books.held > 0:
            try:
                impact = minus(books.exposure, self.market.fill(True, self.market.amount_in(True, books.held)).value)
            except Refusal as refusal:
                missing = refusal
                known = self.market.pool.most_in(self.market.down(True))
                impact = self.market.fill(True, known).loss(True, books.price) if known else ZERO
        self.impact = max(impact, ZERO)
        self.deviation = times(books.exposure, bps(int(reserve["feed_deviation_bps"])))
        exit_gas = books.gas(int(self.policy["gas"]["rebalance_units"]), int(reserve["exit_gas_price_wei"]))
        self.exit_gas = plus(exit_gas, books.gas(1, int(reserve.get("exit_data_fee_wei", "0"))))
        self.reserve = plus(plus(self.impact, self.deviation), self.exit_gas)
        self.net = minus(minus(books.nav, books.floor), self.reserve)
        return missing

    def _volatility(self):
        rule, now = self.policy["volatility"], self.books.now
        estimator, floor, missing = rule["estimator"], float(Decimal(rule["floor"])), None
        if estimator["kind"] == "fixed":
            estimate = float(Decimal(estimator["annual"]))
        else:
            rounds = usable_rounds(self.snapshot["feeds"]["risky_usd"], now)[-int(estimator["rounds"]) :]
            needed, gaps = max(8, int(estimator["min_rounds"])), [b[0] - a[0] for a, b in zip(rounds, rounds[1:])]
            most = int(estimator.get("max_gap_seconds", 2**64))
            numbers = {"rounds": len(rounds), "needed": needed}
            if len(rounds) >= needed and max(gaps) > most:
                numbers["fault"] = {"kind": "gap", "seconds": str(max(gaps)), "limit": str(most)}
            if len(rounds) < needed or "fault" in numbers:
                missing = None if "fallback" in estimator else Refusal("no_volatility", **numbers)
                estimate = float(Decimal(estimator.get("fallback", rule["floor"])))
            else:
                estimate = ewma(rounds, float(estimator["half_life_hours"]))
        self.volatility = max(estimate, floor)
        return missing

    def _target(self):
        """Bounds first, then the multiple of the cushion within them."""
        books, gap, strategy = self.books, self.policy["gap"], self.policy["strategy"]
        number = lambda key: Decimal(gap[key])
        self.effective, self.largest, self.bound = Decimal(strategy["multiplier"]), None, None
        if number("quantile") or number("jump"):
            outage = int(gap["outage_seconds"]) / YEAR
            largest = largest_safe_multiplier(float(number("quantile")), self.volatility, outage, float(number("jump")))
            self.largest = from_double(largest, 12)
            self.effective = min(self.effective, times(self.largest, number("safety")))
            self.bound = times(max(self.net, ZERO), self.largest)
        exposure, self.mandate = ZERO, None
        if self.net > 0:
            exposure = min(times(self.net, self.effective), times(books.nav, Decimal(strategy["cap"])))
        if self.vault["cash_lock"] or books.nav <= books.floor:
            exposure, self.mandate = ZERO, reason("cash_lock", nav=books.nav, floor=books.floor)
        elif self.net <= 0:
            exposure, self.mandate = ZERO, reason("reserve", reserve=self.reserve)
        elif self.bound is not None and books.exposure > self.bound:
            self.mandate = reason("floor_at_risk", exposure=books.exposure, bound=self.bound)
        self.target = over(exposure, books.price)

    def _economics(self):
        books, policy, sell = self.books, self.policy, self.sell
        self.proportional = times(books.price, self.market.marginal_cost(sell))
        costs, net, price = (float(self.fixed), float(self.proportional)), float(self.net), float(books.price)
        held, target = float(books.held), float(self.target)
        self.horizon = int(policy["risk"]["horizon_seconds"]) / YEAR
        penalty = self._penalty(held, target, price, net)
        protected = float(plus(books.floor, self.reserve))
        cap = float(Decimal(policy["strategy"]["cap"]))
        cppi = Cppi(float(self.effective), cap, net, protected, price, self.volatility, self.horizon)
        depth = Depth(self.market.pool, self.market.down(sell), sell, (books.risky_decimals, books.asset_decimals))
        interval = int(policy["execution"]["monitoring_seconds"]) / YEAR
        self.band = Band(cppi, held, target, penalty, costs, depth, interval)
        self.margin = Decimal(policy["execution"].get("cost_margin", "1"))
        self.outer = self.band.outer_at(float(self.margin))

    def _penalty(self, held, target, price, net):
        """`c`, and on the risky side what the gap adds to it."""
        gap = {key: float(Decimal(value)) for key, value in self.policy["gap"].items()}
        deviation = self.volatility * price
        aversion = float(Decimal(self.policy["risk"]["aversion"]))
        penalty = 0.5 * (aversion / float(self.books.nav)) * deviation * deviation
        risk = gap["jumps_per_year"], gap["jump_mean"], self.volatility, gap["outage_seconds"] / YEAR
        excess = shortfall_rate(held * price, net, *risk) - shortfall_rate(max(target, 0.0) * price, net, *risk)
        drift = held - target
        if drift <= 0.0 or excess <= 0.0 or gap["floor_weight"] == 0.0:
            return penalty
        return min(penalty + gap["floor_weight"] * (excess / drift / drift), sys.float_info.max)

    def appraisal(self):
        books, band = self.books, self.band
        fixed, proportional, size = band.tangent
        multiplier = {"effective": self.effective}
        if self.largest is not None:
            multiplier |= {"largest_safe": self.largest, "bound": self.bound}
        cushion = {
            "impact": self.impact, "deviation": self.deviation, "exit_gas": self.exit_gas, "reserve": self.reserve,
            "net": self.net,
        }
        economics = {
            "fixed": self.fixed, "proportional": self.proportional, "penalty": band.penalty, "sensitivity": band.gamma,
            "variance_rate": band.variance, "inner": band.inner, "outer": self.outer, "cost_rate": band.cost_rate,
            "size": size, "marginal": proportional,
        }
        return record({
            "price": books.price, "pool_price": self.market.mid, "nav": books.nav, "exposure": books.exposure,
            "floor": books.floor, "cushion": cushion, "volatility": self.volatility, "multiplier": multiplier,
            "held": books.held, "target": self.target, "drift": self.drift, "gas_price": self.gas_price,
            "economics": economics,
        })

    # ------------------------------------------------------------ the verdict

    def verdict(self):
        size = abs(self.drift)
        if self.mandate is not None:
            if self.drift <= 0:
                return hold(self.mandate)
        elif size == 0:
            return hold(reason("on_target"))
        elif float(size) < self.outer:
            return hold(reason("within_band", drift=self.drift, inner=self.band.inner, outer=self.outer))
        else:
            # No size of a trade brings more than all of the drift does, or costs less than gas.
            benefit, cost, _ = self._balance(size, ZERO)
            if benefit <= cost:
                return hold(reason("not_worth", benefit=benefit, cost=cost))
            size = max(minus(size, from_double(self.band.inner, 18)), ZERO)
        try:
            return self._trade(size)
        except Refusal as refusal:
            if refusal.reason["code"] != "too_small":
                raise
            kept = self._dust(size)
            if kept is None:
                raise
            return hold(kept)

    def _dust(self, size):
        """Why so little is held and not refused, if that is so."""
        value = times(self.books.price, size)
        if self.mandate is not None:
            return self.mandate if value < self.fixed else None
        benefit, cost, _ = self._balance(size, ZERO)
        if benefit <= cost:
            return reason("not_worth", benefit=benefit, cost=cost)
        smallest = max(Decimal(self.policy["limits"]["min_trade"]), self.fixed)
        return reason("too_small", value=value, min=smallest) if value < smallest else None

    def _trade(self, size):
        sizing = Sizing(self)
        best = size if self.mandate is not None else self._best(size)
        fill, minimum, cut_by = sizing.sized(best)
        balance = self._balance(fill.units, max(fill.loss(self.sell, self.market.mid), ZERO))
        why = self.mandate
        if why is None:
            unpaid = self._unpaid(best, balance, cut_by)
            if unpaid:
                return hold(reason("not_worth", benefit=unpaid[0], cost=unpaid[1]))
            why = reason("worth", benefit=balance[0], cost=balance[1], excess=balance[2])
        self._permitted(size, fill, cut_by, sizing.exempt)
        return {"verdict": "rebalance", "reason": why, "trade": self._written(fill, minimum, balance, cut_by)}

    def _best(self, most):
        """The part whose average cost is least."""

        def cost(units):
            try:
                return float(self.market.cost(self.sell, from_double(units, 18)))
            except (Refusal, NotCovered):
                return None

        found = least_average_cost(float(self.fixed), float(most), cost)
        return most if found is None else min(from_double(found, 18), most)

    def _balance(self, size, venue):
        """`(benefit, cost, excess)` of trading so much of the drift away."""
        drift = abs(self.drift)
        start, end = float(drift), float(abs(minus(drift, size)))
        penalty = self.band.penalty
        benefit = penalty * self.horizon * (start - end) * (start + end)
        cost = float(times(plus(self.fixed, venue), self.margin))
        return benefit, cost, max(penalty * start * start - self.band.cost_rate, 0.0)

    def _unpaid(self, best, balance, cut_by):
        """The balance that does not pay: of the trade, or of the best size before a limit cut it."""
        if balance[0] > balance[1] and cut_by is not None:
            try:
                balance = self._balance(best, self.market.cost(self.sell, best))
            except Refusal:
                return None
        return None if balance[0] > balance[1] else balance

    def _permitted(self, wanted, fill, cut_by, exempt):
        vault, limits, now = self.vault, self.policy["limits"], self.books.now
        if not self.sell and now < int(vault["paused_until"]):
            raise Refusal("paused", until=int(vault["paused_until"]))
        if self.mandate is None:
            self.market.steady(limits)
        last = int(vault["last_rebalance"])
        until = last + int(vault["guards"]["cooldown"])
        if last > 0 and now < until and not exempt:
            raise Refusal("cooldown", until=until)
        cap = int(limits["max_gas_price_wei" if self.mandate is None else "max_urgent_gas_price_wei"])
        if self.gas_price > cap:
            raise Refusal("gas_over_cap", price=self.gas_price, cap=cap)
        least = Decimal(limits["min_trade"])
        if self.mandate is not None:
            least = min(least, self.fixed)
        value = fill.value if cut_by else max(times(self.books.price, wanted), fill.value)
        if value < least:
            raise Refusal("too_small", value=value, min=least)

    def _written(self, fill, minimum, balance, cut_by):
        market, sell = self.market, self.sell
        fee = times(times(market.mid, fill.units) if sell else fill.value, market.fee)
        amounts = {"amount_in": fill.amount_in, "quoted_out": fill.amount_out}
        swap = {"pool": market.address, "venue": market.venue, "min_amount_out": minimum, **amounts}
        trade = {
            "sell_risky": sell, "swaps": [record(swap)], "size": fill.units, "value": fill.value, "fee": fee,
            "impact": minus(fill.loss(sell, market.mid), fee), "slippage": fill.loss(sell, self.books.price),
            "benefit": balance[0], "cost": balance[1], "mandatory": self.mandate is not None, **amounts,
        }
        return record(trade | ({"cut_by": cut_by} if cut_by else {}))


def usable_rounds(feed, now):
    """`(time, price)` of the rounds up to block time, oldest first; of several with one time the last."""
    rounds = []
    for answered in [*feed["history"], *([feed["latest"]] if "latest" in feed else [])]:
        time, answer = int(answered["updated_at"]), int(answered["answer"])
        if not 1 <= time <= now or answer <= 0 or (rounds and rounds[-1][0] > time):
            continue
        if rounds and rounds[-1][0] == time:
            rounds.pop()
        rounds.append((time, float(from_raw(answer, int(feed["decimals"])))))
    return rounds


def hold(why):
    return {"verdict": "hold", "reason": why}


def record(members):
    return {key: record(value) if isinstance(value, dict) else written(value) for key, value in members.items()}


def decide(snapshot, policy, policy_hash):
    """The whole decision."""
    left = uncovered(policy)
    if left:
        raise NotCovered(left)
    try:
        case = Case(snapshot, policy, policy_hash)
    except Refusal as refusal:
        return {"verdict": "refuse", "reason": refusal.reason}
    try:
        verdict = case.verdict()
    except Refusal as refusal:
        verdict = {"verdict": "refuse", "reason": refusal.reason}
    return {**verdict, "appraisal": case.appraisal()}


# ---------------------------------------------------------------- the command


def keccak_of(data):
    try:
        from Crypto.Hash import keccak as implementation
    except ImportError:
        raise NotCovered("Keccak-256: install pycryptodome, as scripts/test-verify does") from None
    return implementation.new(digest_bits=256, data=data).digest()


def keccak(text):
    return "0x" + keccak_of(text.encode()).hex()


# What a policy does not write where it equals the default (docs/replay.md, "Policy").
DEFAULTS = {
    "reserve": {"exit_data_fee_wei": "0"},
    "volatility": {"source": {"kind": "feed"}},
    "gas": {"chain": "ethereum", "swap_units": "115000"},
    "execution": {"cost_margin": "1", "style": {"kind": "once"}},
}
HEDGE_DEFAULTS = {"target_delta": "0", "rate": "0", "carry": "0"}


def without(section, defaults):
    return {key: value for key, value in section.items() if key not in defaults or value != defaults[key]}


def strategy_as_hashed(strategy):
    if "primary" in strategy:
        strategy = strategy | {"primary": strategy_as_hashed(strategy["primary"])}
    return without(strategy, HEDGE_DEFAULTS) if strategy["kind"] == "delta_hedge" else strategy


def as_hashed(policy):
    """A policy without the members that equal a default: whether they are stated makes no other policy."""
    sections = {key: without(value, DEFAULTS[key]) if key in DEFAULTS else value for key, value in policy.items()}
    return sections | {"strategy": strategy_as_hashed(policy["strategy"])}


def decision_hash(snapshot, policy_hash, decision, version=VERSION):
    parts = {"decision": decision, "decision_version": version, "policy_hash": policy_hash, "snapshot": snapshot}
    return keccak(canonical(parts))


def given_decision(recorded):
    """What is hashed of a decision as it is exported."""
    version = recorded.get("decision_version")
    if version != VERSION:
        raise NotCovered(f"decision_version = {version}")
    return {key: recorded[key] for key in ("verdict", "reason", "trade", "appraisal") if key in recorded}


def first_difference(ours, theirs, path=""):
    """The first path at which two values are not the same, with both."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted(ours.keys() | theirs.keys()):
            found = first_difference(ours.get(key), theirs.get(key), f"{path}.{key}" if path else key)
            if found:
                return found
        return None
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        found = (first_difference(a, b, f"{path}[{at}]") for at, (a, b) in enumerate(zip(ours, theirs)))
        return next((one for one in found if one), None)
    return None if ours == theirs else f"{path}: {json.dumps(ours)} here, {json.dumps(theirs)} in the decision given"


def check_hashes(snapshot, policy, recorded):
    """Whether all three hashes are what they are said to be."""
    policy_hash = keccak(canonical(policy))
    computed = {
        "snapshot_hash": keccak(canonical(snapshot)),
        "policy_hash": policy_hash,
        "decision_hash": decision_hash(snapshot, policy_hash, given_decision(recorded)),
    }
    wrong = [name for name, value in computed.items() if recorded.get(name) != value]
    for name, value in computed.items():
        print(f"{name} {value}" + (f" is not {recorded.get(name)}" if name in wrong else ""))
    return not wrong


def check_decision(snapshot, policy, recorded):
    """Whether the decision is the one that comes out here; nothing is given where `recorded` is none."""
    policy_hash = keccak(canonical(policy))
    ours = decide(snapshot, policy, policy_hash)
    computed = {
        "snapshot_hash": keccak(canonical(snapshot)),
        "policy_hash": policy_hash,
        "decision_hash": decision_hash(snapshot, policy_hash, ours),
    }
    print(canonical(ours))
    print(computed["decision_hash"])
    if recorded is None:
        return True
    difference = first_difference(ours, given_decision(recorded))
    for name, value in computed.items():
        if not difference and recorded.get(name) != value:
            difference = f"{name}: {value} here, {recorded.get(name)} in the decision given"
    if difference:
        print(f"verify.py: {difference}", file=sys.stderr)
    return not difference


def check_proof(arguments):
    proof = read(arguments.proof)
    root = journal.check_proof(keccak_of, proof)
    print(f"the leaf is under root {root}")
    if "vault" in proof:
        print(f"the name {json.dumps(proof['vault'])} is the configuration's, which nothing binds: the vault is its address")
    if "chain_id" in proof and not arguments.records:
        print(f"that this is on chain {proof['chain_id']} is not shown: give the export with --records")
    if not proof["path"]:
        print("the leaf is the only one, and so the root itself: that binds nothing but the leaf")
    if None in (proof.get("snapshot_hash"), proof.get("decision_hash")):
        print("the hashes that make the leaf are not given: whose it is is not shown")
    if arguments.records:
        return check_bound(arguments, proof)
    print(f"that this is the root of {proof['leaves']} leaves at block {proof['block']} stands in record {proof['seq']} of an export,")
    print("against which it has to be held: give it with --records")
    return True


def check_bound(arguments, proof):
    """Holds block and vault of a proof against the record that it names."""
    bound = journal.Bound(proof)
    for record in checked_records(arguments):
        bound.take(record)
    bound.check()
    block, last = bound.block, bound.last
    print(f"record {block['seq']} has block {block['block_number']} of chain {block['chain_id']}, {block['block_hash']}, with this root")
    print(f"and leaf {proof['index']} of vault {proof['address']}")
    if bound.left:
        print(f"the block has left the chain since, by record {bound.left}")
    print(f"the export reaches to record {last['seq']}, with the hash {last['ledger_hash']}")
    return True


def check_full_record(record, version):
    """The hashes of a full record against its texts."""
    if record["snapshot"] is None:
        return
    snapshot, decision = json.loads(record["snapshot"]), json.loads(record["decision"])
    computed = {
        "snapshot_hash": keccak(record["snapshot"]),
        "decision_hash": decision_hash(snapshot, record["policy_hash"], decision, version),
    }
    for name, value in computed.items():
        if record[name] != value:
            raise journal.Wrong(f"record {record['seq']}: its texts make the {name} {value}, not {record[name]}")


def exported(lines):
    """The records in the lines of an export; a line that holds none is wrong with the number that it should have."""
    seq = None
    for at, line in enumerate(lines, 1):
        place = f"line {at}" if seq is None else f"record {seq + 1}"
        try:
            record = json.loads(line)
            seq = int(record["seq"])
        except (ValueError, KeyError, TypeError):
            what = "is cut off or no record" if line.strip() else "is a blank line"
            raise ValueError(f"{place} {what}: export the journal again") from None
        yield record


def checked_records(arguments):
    """Yields the records of an export, each held against its hash, its level and its texts."""
    after = journal.unhex(arguments.after) if arguments.after else None
    version, first = VERSION, None
    with arguments.records.open(encoding="utf-8") as lines:
        for record in journal.check_records(keccak_of, exported(lines), after):
            version = record["decision_version"] if record["kind"] == "run" else version
            if record["kind"] == "cycle":
                check_full_record(record, version)
            first = first or record
            yield record
    if after is None and first["seq"] != "1":
        print(f"the content of record {first['seq']} was not held against its hash: give the hash of the one before it with --after")


def check_ledger(arguments):
    count = 0
    for record in checked_records(arguments):
        count, last = count + 1, record
    print(f"{count} records to number {last['seq']}, with the hash {last['ledger_hash']}")
    return True


def check_given(arguments):
    """`hash` and `decide`."""
    files = [arguments.snapshot, arguments.policy, arguments.decision]
    snapshot, policy, recorded = (read(file) if file else None for file in files)
    check = check_hashes if arguments.what == "hash" else check_decision
    return check(snapshot, as_hashed(policy), recorded)


def read(file):
    """The JSON object in a file."""
    value = json.loads(file.read_text("utf-8"))
    if not isinstance(value, dict):
        raise ValueError(f"{file} holds no JSON object")
    return value


def parsed():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="what", required=True)
    for what, run, names in [
        ("hash", check_given, {"snapshot": True, "policy": True, "decision": True}),
        ("decide", check_given, {"snapshot": True, "policy": True, "decision": False}),
        ("proof", check_proof, {"proof": True, "records": False}),
        ("ledger", check_ledger, {"records": True}),
    ]:
        command = commands.add_parser(what)
        command.set_defaults(run=run)
        for name, wanted in names.items():
            command.add_argument(f"--{name}", type=Path, metavar="FILE", required=wanted)
        if "records" in names:
            command.add_argument("--after", metavar="HASH")
    return parser.parse_args()


def main():
    arguments = parsed()
    try:
        return 0 if arguments.run(arguments) else 1
    except journal.Wrong as wrong:
        print(f"verify.py: {wrong}", file=sys.stderr)
        return 1
    except NotCovered as part:
        print(f"verify.py: not covered: {part}", file=sys.stderr)
    except ArithmeticError as error:
        print(f"verify.py: not covered: numbers beyond the range of a model ({error})", file=sys.stderr)
    except RecursionError:
        print("verify.py: the files are nested deeper than the documented form", file=sys.stderr)
    except (AttributeError, KeyError, TypeError, IndexError) as error:
        print(f"verify.py: the files do not have the documented form: {error!r}", file=sys.stderr)
    except (OSError, ValueError) as error:
        print(f"verify.py: {error}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
