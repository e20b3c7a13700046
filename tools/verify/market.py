"""The vault by the oracle, the pool that it trades with, and why there may be neither (docs/replay.md, "Decision")."""

from decimal import Decimal

from exact import bps, divided, from_raw, minus, over, times, to_raw, written
from uniswap_v3 import NoLiquidity, Pool, root_at

ZERO = Decimal(0)


class Refusal(Exception):
    """A reason of the record, with its numbers."""

    def __init__(self, code, **numbers):
        super().__init__(code)
        self.reason = reason(code, **numbers)


def reason(code, **numbers):
    return {"code": code, **{name: written(number) for name, number in numbers.items()}}


class Books:
    """The vault by the oracle. Raises the first reason why it cannot be valued."""

    def __init__(self, snapshot, policy, policy_hash):
        self.vault, self.policy = snapshot["vault"], policy
        self.now = int(snapshot["block"]["timestamp"])
        self._identity(snapshot, policy_hash)
        feeds, guards = snapshot["feeds"], self.vault["guards"]
        self._sequencer(feeds.get("sequencer"))
        risky = self._dollars("risky_usd", feeds["risky_usd"], int(guards["risky_max_age"]))
        asset = self._dollars("asset_usd", feeds["asset_usd"], int(guards["asset_max_age"]))
        limit = min(int(policy["limits"]["max_depeg_bps"]), int(guards["peg_bps"]))
        if abs(asset - 1) > bps(limit):
            raise Refusal("asset_depegged", price=asset, limit_bps=limit)
        self.price = self.native = self._in_asset(risky, asset)
        if "native_usd" in policy["feeds"]:
            native = self._dollars("native_usd", feeds.get("native_usd"), 2**64)
            self.native = self._in_asset(native, asset)
        self._value()

    def _identity(self, snapshot, policy_hash):
        policy, vault = self.policy, self.vault
        chain = int(policy["chain_id"]), int(snapshot["block"]["chain_id"])
        if chain[0] != chain[1]:
            raise Refusal("wrong_chain", policy=chain[0], block=chain[1])
        if policy_hash != vault["policy_hash"]:
            raise Refusal("policy_mismatch", policy=policy_hash, vault=vault["policy_hash"])
        stated = [
            ("risky_feed", policy["feeds"]["risky_usd"]["address"], vault["risky_feed"]),
            ("asset_feed", policy["feeds"]["asset_usd"]["address"], vault["asset_feed"]),
            ("floor", policy["floor"], vault["floor_policy"]),
        ]
        for what, ours, theirs in stated:
            if ours != theirs:
                raise Refusal("vault_mismatch", what=what)
        if vault["epoch_open"]:
            raise Refusal("epoch_open")

    def _sequencer(self, answer):
        rule = self.policy["feeds"].get("sequencer")
        if rule is None:
            return
        status = (answer or {}).get("status") if answer and answer["address"] == rule["address"] else None
        started = int(status["started_at"]) if status else 0
        if not (started > 0 and int(status["answer"]) == 0 and self.now - started > int(rule["grace_seconds"])):
            raise Refusal("sequencer_down")

    def _dollars(self, name, feed, max_age):
        rule = self.policy["feeds"][name]
        invalid = lambda why: Refusal("invalid_price", feed=name, why=why)
        latest = (feed or {}).get("latest")
        if not latest or int(latest["updated_at"]) == 0 or int(latest["id"]) == 0 or feed["address"] != rule["address"]:
            raise invalid("missing")
        if int(latest["answer"]) <= 0:
            raise invalid("not_positive")
        age = self.now - int(latest["updated_at"])
        if age < 0:
            raise invalid("from_the_future")
        limit = min(int(rule["heartbeat_seconds"]) + int(rule["margin_seconds"]), max_age)
        if age > limit:
            raise Refusal("stale_price", feed=name, age=age, limit=limit)
        price = from_raw(int(latest["answer"]), int(feed["decimals"]))
        if not Decimal(rule["min"]) <= price <= Decimal(rule["max"]):
            raise invalid("out_of_bounds")
        return price

    @staticmethod
    def _in_asset(dollars, asset):
        return from_raw(to_raw(dollars, 18) * 10**18 // to_raw(asset, 18), 18)

    def _value(self):
        vault = self.vault
        self.risky_decimals, self.asset_decimals = int(vault["risky"]["decimals"]), int(vault["asset"]["decimals"])
        self.wad, self.scale = to_raw(self.price, 18), 10 ** (18 + self.risky_decimals - self.asset_decimals)
        self.raw_risky, self.raw_asset = int(vault["risky_holdings"]), int(vault["asset_holdings"])
        self.raw_exposure = self.to_asset(self.raw_risky)
        self.raw_nav = self.raw_asset + self.raw_exposure
        if int(vault["total_supply"]) == 0 or self.raw_nav == 0:
            raise Refusal("empty_vault")
        self.held = from_raw(self.raw_risky, self.risky_decimals)
        in_asset = lambda raw: from_raw(raw, self.asset_decimals)
        self.exposure, self.nav = in_asset(self.raw_exposure), in_asset(self.raw_nav)
        self.floor = in_asset(int(vault["floor"]))

    def to_asset(self, risky):
        return risky * self.wad // self.scale

    def gas(self, units, price):
        return times(self.native, from_raw(units * price, 18))


class Fill:
    """What giving an exact amount does."""

    def __init__(self, amount_in, amount_out, root, units, value):
        self.amount_in, self.amount_out, self.root, self.units, self.value = amount_in, amount_out, root, units, value

    def loss(self, sell, price):
        worth = times(price, self.units)
        return minus(worth, self.value) if sell else minus(self.value, worth)


class Market:
    """The policy's pool against the vault's two tokens."""

    def __init__(self, snapshot, policy, books):
        self.books, limits = books, policy["limits"]
        self.address = policy["venues"][0]["pool"]
        vault = snapshot["vault"]
        allowed = [entry["venue"] for entry in vault["allowed_pools"] if entry["pool"] == self.address]
        if not allowed:
            raise Refusal("venue_not_allowed", pool=self.address)
        self.venue = allowed[0]
        found = [pool for pool in snapshot["pools"] if pool["state"]["address"] == self.address]
        self.pool = Pool(found[0]["state"]) if found and found[0]["kind"] == "uniswap_v3" else None
        tokens = vault["risky"]["address"], vault["asset"]["address"]
        self.risky_first = int(tokens[0], 16) < int(tokens[1], 16)
        ordered = tokens if self.risky_first else tokens[::-1]
        if not self.pool or not self.pool.is_sound() or self.pool.tokens != ordered:
            raise Refusal("no_liquidity", pool=self.address, size=ZERO)
        self.twap = found[0].get("twap")
        self.fee = Decimal(self.pool.fee).scaleb(-6)
        self.kept = 1 - self.fee
        self.mid = self.spot(self.pool.root)
        self.near(books.price, "oracle", int(limits["max_price_deviation_bps"]))

    def spot(self, root):
        return self.pool.price(root, self.risky_first, (self.books.risky_decimals, self.books.asset_decimals))

    def near(self, price, reference, limit):
        if over(abs(minus(self.mid, price)), price) > bps(limit):
            numbers = {"spot": self.mid, "reference": reference, "price": price, "limit_bps": limit}
            raise Refusal("price_deviation", pool=self.address, **numbers)

    def steady(self, limits):
        rule = limits.get("twap")
        if rule is None:
            return
        if not self.twap or self.twap["window_seconds"] != rule["window_seconds"]:
            raise Refusal("no_twap", pool=self.address)
        self.near(self.spot(root_at(int(self.twap["mean_tick"]))), "twap", int(rule["max_deviation_bps"]))

    def down(self, sell):
        """Whether the pool's price falls: token0 is given."""
        return sell == self.risky_first

    def marginal_cost(self, sell):
        return self.fee if sell else divided(self.fee, self.kept)

    def rate(self, sell, mid):
        """What a little more given brings at such a price, both valued by the oracle."""
        return times(over(mid, self.books.price) if sell else over(self.books.price, mid), self.kept)

    def amount_in(self, sell, size):
        """What to give so that `size` units change hands."""
        units = to_raw(size, self.books.risky_decimals)
        if sell or units == 0:
            return units
        try:
            return self.pool.swap(self.down(sell), wanted=units)[0]
        except NoLiquidity:
            raise Refusal("no_liquidity", pool=self.address, size=size) from None

    def fill(self, sell, amount):
        books = self.books
        try:
            _, out, root = self.pool.swap(self.down(sell), given=amount)
        except NoLiquidity:
            given = from_raw(amount, books.risky_decimals if sell else books.asset_decimals)
            raise Refusal("no_liquidity", pool=self.address, size=given if sell else over(given, self.mid)) from None
        risky, asset = (amount, out) if sell else (out, amount)
        return Fill(amount, out, root, from_raw(risky, books.risky_decimals), from_raw(asset, books.asset_decimals))

    def cost(self, sell, size):
        """What the venue takes for `size` units against its own price."""
        amount = self.amount_in(sell, size)
        value = self.fill(sell, amount).value if sell else from_raw(amount, self.books.asset_decimals)
        worth = times(self.mid, size)
        return max(minus(worth, value) if sell else minus(value, worth), ZERO)
