"""One Uniswap v3 pool in the pool's own integers ("Uniswap v3 Core", Adams et al. 2021), as far as it was read."""

import math

from exact import NotCovered, from_raw


class NoLiquidity(Exception):
    """A swap that leaves what is known of the pool."""


LOWEST_ROOT, HIGHEST_ROOT = 4295128739, 1461446703485210103287273052203988822378723970342
MOST_TICK = 887_272
# 2^128/1.0001^(2^i/2), as in TickMath.
TICK_FACTORS = [
    0xFFFCB933BD6FAD37AA2D162D1A594001, 0xFFF97272373D413259A46990580E213A, 0xFFF2E50F5F656932EF12357CF3C7FDCC,
    0xFFE5CACA7E10E4E61C3624EAA0941CD0, 0xFFCB9843D60F6159C9DB58835C926644, 0xFF973B41FA98C081472E6896DFB254C0,
    0xFF2EA16466C96A3843EC78B326B52861, 0xFE5DEE046A99A2A811C461F1969C3053, 0xFCBE86C7900A88AEDCFFC83B479AA3A4,
    0xF987A7253AC413176F2B074CF7815E54, 0xF3392B0822B70005940C7A398E4B70F3, 0xE7159475A2C29B7443B29C7FA6E889D9,
    0xD097F3BDFD2022B8845AD8F792AA5825, 0xA9F746462D870FDF8A65DC1F90E061E5, 0x70D869A156D2A1B890BB3DF62BAF32F7,
    0x31BE135F97D08FD981231505542FCFA6, 0x9AA508B5B7A84E1C677DE54F3E99BC9, 0x5D6AF8DEDB81196699C329225EE604,
    0x2216E584F5FA1EA926041BEDFE98, 0x48A170391F7DC42444E8FA2,
]


def root_at(tick):
    """The square root of the price at a tick, times 2^96."""
    ratio = 1 << 128
    for bit, factor in enumerate(TICK_FACTORS):
        if abs(tick) >> bit & 1:
            ratio = ratio * factor >> 128
    if tick > 0:
        ratio = (2**256 - 1) // ratio
    return -(-ratio >> 32)


def tick_of(root):
    """The highest tick whose price is at most this."""
    low, high = -MOST_TICK, MOST_TICK + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if root_at(middle) <= root else (low, middle)
    return low


def ceil_div(a, b):
    return -(-a // b)


class Pool:
    """A pool as far as it was read."""

    def __init__(self, state):
        number = lambda key: int(state[key])
        self.address, self.tokens = state["address"], (state["token0"], state["token1"])
        self.fee, self.spacing = number("fee"), number("tick_spacing")
        self.root, self.tick, self.liquidity = number("sqrt_price_x96"), number("tick"), number("liquidity")
        self.lower, self.upper = int(state["window"]["lower"]), int(state["window"]["upper"])
        fields = ("index", "liquidity_net", "liquidity_gross")
        self.ticks = [tuple(int(tick[field]) for field in fields) for tick in state["ticks"]]

    def is_sound(self):
        """Whether its state keeps the rules of the specification."""
        indices = [index for index, _, _ in self.ticks]
        if not (LOWEST_ROOT <= self.root < HIGHEST_ROOT and int(self.tokens[0], 16) < int(self.tokens[1], 16)):
            return False
        if not (self.fee < 1_000_000 and 0 < self.spacing <= 32_767):
            return False
        if not -MOST_TICK <= self.lower <= self.tick <= self.upper <= MOST_TICK:
            return False
        above = root_at(self.tick + 1) if self.tick < MOST_TICK else HIGHEST_ROOT
        ordered = all(a < b for a, b in zip(indices, indices[1:]))
        placed = all(self.lower <= index <= self.upper and index % self.spacing == 0 for index in indices)
        netted = all(abs(net) <= gross for _, net, gross in self.ticks)
        price_in_tick = root_at(self.tick) <= self.root <= above
        return price_in_tick and ordered and placed and netted and self._adds_up(True) and self._adds_up(False)

    def _adds_up(self, up):
        """Whether liquidity stays an amount to the end of what is known, and is gone at the end of all ticks."""
        ahead = [tick for tick in self.ticks if (tick[0] > self.tick) == up]
        liquidity, whole = self.liquidity, True
        for _, net, gross in ahead if up else reversed(ahead):
            if gross == 0:
                whole = False
                break
            liquidity += net if up else -net
            if not 0 <= liquidity < 2**128:
                return False
        ends = self.upper == MOST_TICK if up else self.lower == -MOST_TICK
        return liquidity == 0 or not (whole and ends)

    def swap(self, down, given=None, wanted=None):
        """`(amount in, amount out, root afterwards)` of giving or receiving exactly so much."""
        left = given if wanted is None else wanted
        if not 0 < left < 2**255:
            raise NotCovered("a swap of nothing, or of more than a pool counts")
        root, tick, liquidity, other = self.root, self.tick, self.liquidity, 0
        while left > 0:
            target_tick, crossed = self._next(tick, down)
            target = root_at(target_tick)
            target = max(target, LOWEST_ROOT + 1) if down else min(target, HIGHEST_ROOT - 1)
            started = root
            root, paid, fee, out = self._step(root, target, liquidity, left, wanted is None)
            left, other = (left - paid - fee, other + out) if wanted is None else (left - out, other + paid + fee)
            if root == target:
                if target in (LOWEST_ROOT + 1, HIGHEST_ROOT - 1):
                    raise NoLiquidity
                if crossed is not None:
                    liquidity = self._crossed(liquidity, crossed, down)
                tick = target_tick - 1 if down else target_tick
            elif root != started and left > 0:
                tick = tick_of(root)
        return (given, other, root) if wanted is None else (other, wanted, root)

    def most_in(self, down):
        """The most that can be given within what is known."""
        root, tick, liquidity, given = self.root, self.tick, self.liquidity, 0
        while True:
            try:
                target_tick, crossed = self._next(tick, down)
                target = root_at(target_tick)
                limit = LOWEST_ROOT + 1 if down else HIGHEST_ROOT - 1
                target = max(target, limit) if down else min(target, limit)
                root, paid, fee, _ = self._step(root, target, liquidity, 2**255 - 1 - given, True)
                given += paid + fee
                if target == limit:
                    raise NoLiquidity
                if crossed is not None:
                    liquidity = self._crossed(liquidity, crossed, down)
                tick = target_tick - 1 if down else target_tick
            except NoLiquidity:
                return max(given - 1, 0)

    @staticmethod
    def _crossed(liquidity, crossed, down):
        _, net, gross = crossed
        liquidity += -net if down else net
        if gross == 0 or not 0 <= liquidity < 2**128:
            raise NoLiquidity
        return liquidity

    def _next(self, tick, down):
        """The next initialised tick in the word of the bitmap, or the word's last tick."""
        start = tick // self.spacing if down else tick // self.spacing + 1
        word = start // 256 * 256
        end = (word if down else word + 255) * self.spacing
        end = max(-MOST_TICK, min(MOST_TICK, end))
        start *= self.spacing
        found = [t for t in self.ticks if (end <= t[0] <= start if down else start <= t[0] <= end)]
        crossed = (found[-1] if down else found[0]) if found else None
        index = crossed[0] if crossed else end
        if not self.lower <= index <= self.upper:
            raise NoLiquidity
        return index, crossed

    def _step(self, root, target, liquidity, left, exact_in):
        """SwapMath.computeSwapStep: `(root, amount in, fee, amount out)`."""
        down, kept = root >= target, 1_000_000 - self.fee
        token0 = lambda a, b, up: (ceil_div if up else int.__floordiv__)(
            (ceil_div if up else int.__floordiv__)((liquidity << 96) * abs(a - b), max(a, b)), min(a, b)
        )
        token1 = lambda a, b, up: (ceil_div if up else int.__floordiv__)(liquidity * abs(a - b), 1 << 96)
        amount_in = lambda to: (token0 if down else token1)(root, to, True)
        amount_out = lambda to: (token1 if down else token0)(root, to, False)
        whole = amount_in(target) if exact_in else amount_out(target)
        usable = left * kept // 1_000_000 if exact_in else left
        if usable >= whole:
            to = target
        elif down == exact_in:  # token0 moves
            scaled = liquidity << 96
            moved = usable * root if exact_in else -usable * root
            to = ceil_div(scaled * root, scaled + moved) if usable else root
        else:
            to = root + usable * 2**96 // liquidity if exact_in else root - ceil_div(usable << 96, liquidity)
        paid = (whole if usable >= whole else usable) if exact_in else amount_in(to)
        out = amount_out(to) if exact_in else (whole if usable >= whole else usable)
        fee = left - paid if exact_in and usable < whole else ceil_div(paid * self.fee, kept)
        return to, paid, fee, out

    def price(self, root, base_is_token0, decimals):
        """Quote tokens for one base token, rounded down at 18 places."""
        up = 10 ** (18 + decimals[0] - decimals[1])
        return from_raw(root * root * up >> 192 if base_is_token0 else (up << 192) // (root * root), 18)

    def stretches(self, down):
        """`(from, to, depth)` of every stretch of constant liquidity, in levels and raw units per level."""
        ahead = [t for t in self.ticks if t[0] <= self.tick] if down else [t for t in self.ticks if t[0] > self.tick]
        end = self.lower if down else self.upper - self.upper % self.spacing
        kept = math.sqrt(1.0 - self.fee / 1_000_000)
        level_of = lambda root: 1.0 / (root / 2**96 * kept) if down else root / 2**96 / kept
        level, liquidity = level_of(float(self.root)), self.liquidity
        for crossed in [*(reversed(ahead) if down else ahead), None]:
            start, depth = level, float(liquidity) / kept
            level = max(level_of(float(root_at(crossed[0] if crossed else end))), start)
            over_now = crossed is None or crossed[2] == 0
            if not over_now:
                liquidity += -crossed[1] if down else crossed[1]
                over_now = not 0 <= liquidity < 2**128
            if depth > 0.0 and level > start:
                yield start, level, depth
            if over_now:
                return
