"""How much of a wanted trade the limits let through (docs/replay.md, "Size")."""

from decimal import Decimal
from functools import cached_property

from exact import bps, from_raw, minus, over, plus, times, to_raw
from market import ZERO, Refusal
from uniswap_v3 import ceil_div

ONE = Decimal(1)


class Sizing:
    """A trade cut to what policy, vault and pool allow, in the vault's own integers."""

    def __init__(self, case):
        self.case, self.books, self.market, self.sell = case, case.books, case.market, case.sell
        self.guards = {key: int(value) for key, value in case.vault["guards"].items()}
        self.slippage = min(int(case.policy["limits"]["max_slippage_bps"]), self.guards["slippage_bps"])

    @cached_property
    def exempt(self):
        """Whether the vault lets a sale pass whatever cooldown and turnover say."""
        nav = self.books.raw_nav
        bound = 0 if self.case.vault["cash_lock"] else self._bound(nav)
        return self.sell and self.books.raw_exposure > max(bound, nav // 10_000)

    def _bound(self, nav):
        return max(nav - int(self.case.vault["floor"]), 0) * self.guards["bound_bps"] // 10_000

    def sized(self, wanted):
        """`(fill, least amount out, the limit that cut it)`."""
        amount, cut_by = self._within_holdings(wanted)
        if self.case.mandate is not None:
            known = self.market.pool.most_in(self.market.down(self.sell))
            if not known:
                raise Refusal("no_liquidity", pool=self.market.address, size=wanted)
            amount, cut_by = (known, "known_liquidity") if known < amount else (amount, cut_by)
        for _ in range(16):
            if amount == 0:
                break
            try:
                fill = self.market.fill(self.sell, amount)
            except Refusal:
                raise Refusal("no_liquidity", pool=self.market.address, size=wanted) from None
            excess = self._excess(fill)
            if not excess:
                tolerance = 10_000 - int(self.case.policy["execution"]["tolerance_bps"])
                return fill, max(ceil_div(fill.amount_out * tolerance, 10_000), self._least_out(amount)), cut_by
            kept, cut_by = min(excess, key=lambda one: one[0])
            amount = amount * to_raw(times(kept, Decimal("0.999999")), 18) // 10**18
        raise Refusal("too_small", value=ZERO, min=Decimal(self.case.policy["limits"]["min_trade"]))

    def _within_holdings(self, wanted):
        books, guards = self.books, self.guards
        most, cut_by = (books.raw_risky if self.sell else books.raw_asset), "holdings"
        values = [
            (to_raw(Decimal(self.case.policy["limits"]["max_trade"]), books.asset_decimals), "max_trade"),
            (ceil_div(books.raw_nav * guards["max_call_bps"], 10_000), "vault_call"),
        ]
        if not self.exempt:
            values.append((guards["turnover_left"], "vault_turnover"))
        for value, limit in values:
            amount = value * books.scale // books.wad if self.sell else value
            if amount < most:
                most, cut_by = amount, limit
        try:
            amount = self.market.amount_in(self.sell, wanted)
        except Refusal:
            return most, cut_by
        return (most, cut_by) if most < amount else (amount, None)

    def _least_out(self, amount):
        """What the oracle bound asks for, rounded up."""
        books = self.books
        fair = ceil_div(amount * books.wad, books.scale) if self.sell else ceil_div(amount * books.scale, books.wad)
        return ceil_div(fair * max(10_000 - self.slippage, 0), 10_000)

    def _excess(self, fill):
        """`(part that is inside, limit)` of every limit that the fill is over."""
        books, guards = self.books, self.guards
        asset = books.raw_asset + (fill.amount_out if self.sell else -fill.amount_in)
        risky = books.raw_risky + (-fill.amount_in if self.sell else fill.amount_out)
        exposure = books.to_asset(risky)
        nav = asset + exposure
        least = self._least_out(fill.amount_in)
        paid_back = max(nav - min(guards["gas_rebate"], asset), 0)
        over_cap = not self.sell and exposure > paid_back * guards["cap_bps"] // 10_000
        over_bound = not self.sell and exposure > self._bound(paid_back)
        found = []
        if fill.amount_out < least:
            found.append((self._within_slippage(fill, least), "slippage"))
        if nav + books.raw_nav * guards["nav_loss_bps"] // 10_000 < books.raw_nav:
            found.append((self._within_loss(fill), "vault_loss"))
        if over_cap:
            found.append((self._within_cap(fill), "vault_exposure"))
        if over_bound:
            found.append((self._within_bound(fill), "vault_exposure"))
        return found

    def _flow(self, fill):
        """`(given, received, received for a little more)`, valued by the oracle."""
        worth = times(self.books.price, fill.units)
        given, received = (worth, fill.value) if self.sell else (fill.value, worth)
        return given, received, max(self.market.rate(self.sell, self.market.spot(fill.root)), ZERO)

    def _within_slippage(self, fill, least):
        kept = 1 - bps(self.slippage)
        if self.market.rate(self.sell, self.market.mid) <= kept:
            raise Refusal("slippage_over_limit", out=str(fill.amount_out), min=str(least))
        given, received, marginal = self._flow(fill)
        return newton(given, minus(received, times(given, kept)), minus(marginal, kept))

    def _within_loss(self, fill):
        given, received, marginal = self._flow(fill)
        allowed = times(self.books.nav, bps(self.guards["nav_loss_bps"]))
        return newton(given, plus(minus(allowed, given), received), minus(marginal, ONE))

    def _nav_less_rebate(self):
        return minus(self.books.nav, from_raw(self.guards["gas_rebate"], self.books.asset_decimals))

    def _within_bound(self, fill):
        given, received, marginal = self._flow(fill)
        bound = bps(self.guards["bound_bps"])
        cushion = minus(self._nav_less_rebate(), self.books.floor)
        after = times(plus(minus(cushion, given), received), bound)
        room = minus(minus(after, self.books.exposure), received)
        return newton(given, room, minus(times(minus(bound, ONE), marginal), bound))

    def _within_cap(self, fill):
        given, received, _ = self._flow(fill)
        cap, nav = bps(self.guards["cap_bps"]), self._nav_less_rebate()
        before = minus(times(nav, cap), self.books.exposure)
        after = times(plus(minus(nav, given), received), cap)
        fall = minus(before, minus(minus(after, self.books.exposure), received))
        return ZERO if before <= 0 or fall <= 0 else over(before, fall)


def newton(given, room, slope):
    """The part that is left by one step of Newton's method towards `room = 0`."""
    if slope >= 0:
        return Decimal("0.5")
    return max(minus(ONE, over(over(room, given), slope)), ZERO)
