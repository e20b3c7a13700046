"""The models, in doubles and in the order of operations of docs/replay.md ("Models")."""

import math

from libm import cbrt, erfc, exp, expm1, log, power

YEAR = 365.0 * 86_400.0


def normal_cdf(x):
    return 0.5 * erfc(-x / math.sqrt(2.0))


def ewma(rounds, half_life_hours):
    """Annualised volatility of `(time, price)`, oldest first (RiskMetrics 1996, over irregular times)."""
    decay = math.log(2.0) / (half_life_hours * 3600.0)
    variance, weight, left = 0.0, 0.0, 1.0
    newer = None
    for time, price in reversed(rounds):
        log_price = log(price)
        if newer is not None:
            seconds = float(newer[0] - time)
            share = -expm1(-decay * seconds)
            time_weight = left * share
            change = newer[1] - log_price
            variance += time_weight * change * change / seconds
            weight += time_weight
            left *= 1.0 - share
        newer = time, log_price
    return math.sqrt(variance / weight * YEAR)


class Scaled:
    """A product of doubles that cannot leave their range: a mantissa and an exponent."""

    def __init__(self, mantissa, exponent=0):
        self.mantissa, inner = math.frexp(mantissa)
        self.exponent = inner + exponent if self.mantissa != 0.0 else -100_000

    def times(self, cost):
        factor = Scaled(cost)
        return Scaled(factor.mantissa * self.mantissa, factor.exponent + self.exponent)

    def root(self, degree):
        return -(-self.exponent // degree)

    def over(self, scale, degree):
        return math.ldexp(self.mantissa, self.exponent - scale * degree)


def edges(variance_rate, penalty, fixed, proportional):
    """`(y₀, Y)`: the root of `v⁹ − (4F/B)^⅔·v − 4κ/B` by Halley's method, scaled by a power of two."""
    rate, cost = Scaled(variance_rate), Scaled(penalty)
    pace = Scaled(6.0 * rate.mantissa / cost.mantissa, rate.exponent - cost.exponent)
    fixed, proportional = pace.times(fixed), pace.times(proportional)
    scale = max(fixed.root(4), proportional.root(3))
    if scale <= -100_000 / 8:
        return 0.0, 0.0
    b = proportional.over(scale, 3)
    g = cbrt(fixed.over(scale, 4))
    a = g * g
    v = math.sqrt(math.sqrt(math.sqrt(a + b)))
    for _ in range(4):
        square = v * v
        seventh = square * square * square * v
        eighth = seventh * v
        value, slope = v * (eighth - a) - b, 9.0 * eighth - a
        change = 2.0 * value * slope / (2.0 * slope * slope - 72.0 * value * seventh)
        v -= change
        if abs(change) <= 1e-6 * v:
            break
    total = v * v * v
    outer = 0.5 * (total + g / v)
    inner = min(b / (4.0 * total * outer), outer)
    return math.ldexp(inner, scale), math.ldexp(outer, scale)


class Depth:
    """What a trade loses beyond the price of its first unit, by the level at which it ends."""

    def __init__(self, pool, down, sell, decimals):
        self.stretches = list(pool.stretches(down))
        self.sell = sell
        ten = lambda places: 1.0 / math.prod([10.0] * places)
        self.risky, self.asset = ten(decimals[0]), ten(decimals[1])
        self.begin = self.stretches[0][0] if self.stretches else None
        self.seen = 1

    def rise_for(self, size):
        raw, depth = size / self.risky, self.stretches[0][2]
        if self.sell:
            return raw / depth
        part = self.begin * raw / depth
        return self.begin * part / (1.0 - part) if part < 0.5 else self.begin

    def at(self, rise):
        """`(size, impact, slope)` of the trade that ends where the level has risen by so much."""
        begin, end = self.begin, self.begin + rise
        given = received = lost = 0.0
        while self.seen < len(self.stretches) and self.stretches[self.seen - 1][1] < end:
            self.seen += 1
        known = max(self.stretches[self.seen - 1][1], begin)
        for start, stop, depth in self.stretches[: self.seen]:
            if start - begin >= rise:
                break
            below, above = start - begin, min(rise, stop - begin)
            to, part = begin + above, depth * (above - below)
            beyond = below * to + begin * above
            given += part
            received += part / (start * to)
            lost += part * beyond / (start * to)
        square = begin * begin
        first = self.asset / self.risky * (1.0 / square if self.sell else square)
        above = min(rise, known - begin)
        reached = begin + above
        change = above * (begin + reached) / (reached * reached if self.sell else square)
        slope = first * (change + (rise - above) / begin)
        if self.sell:
            return given * self.risky, lost / square * self.asset, slope
        return received * self.risky, lost * self.asset, slope


class Tangent:
    """The search for the linear cost that the convex one is as good as: `Y − y₀ = z` over the level's rise."""

    def __init__(self, variance_rate, penalty, fixed, proportional, depth):
        self.drift, self.costs, self.depth = (variance_rate, penalty), (fixed, proportional), depth

    def found(self):
        """`(fixed, proportional, size)`."""
        fixed, proportional = self.costs
        if fixed == 0.0 or self.depth.begin is None:
            return fixed, proportional, 0.0
        low = self.point(0.0)
        if low[2] <= 0.0:
            return low[1]
        high = self.point(self.depth.rise_for(low[2]))
        for _ in range(64):
            if high[2] <= 0.0:
                break
            low, high = high, self.point(2.0 * high[0])
        return high[1] if high[2] > 0.0 else self.narrowed(low, high)

    def tangent(self, rise):
        size, impact, slope = self.depth.at(rise)
        return max(self.costs[0] + impact - size * slope, 0.0), self.costs[1] + slope, size

    def point(self, rise):
        tangent = self.tangent(rise)
        inner, outer = edges(*self.drift, *tangent[:2])
        return rise, tangent, outer - inner - tangent[2]

    def narrowed(self, low, high):
        """Inverse quadratic steps, or the middle where they are not to be trusted (Chandrupatla 1997)."""
        near, far = high, low
        part = near[2] / (near[2] - far[2])
        for _ in range(64):
            rise = near[0] + (0.5 if part is None else part) * (far[0] - near[0])
            after = self.point(rise)
            if (after[2] > 0.0) == (near[2] > 0.0):
                oldest = near
            else:
                oldest, far = far, near
            stuck = rise == near[0] or rise == far[0]
            near = after
            part = self.inverse(near, far, oldest)
            if stuck or abs(near[2]) <= 1e-6 * near[1][2]:
                break
        if part is None:
            part = near[2] / (near[2] - far[2])
        return self.tangent(near[0] + part * (far[0] - near[0]))

    @staticmethod
    def inverse(near, far, oldest):
        (x, _, a), (y, _, b), (z, _, c) = near, far, oldest
        if z == y or c == b or c == a or x == y:
            return None  # in doubles a comparison with what is no number fails
        way, drop = (x - y) / (z - y), (a - b) / (c - b)
        if not (drop * drop < way and (1.0 - drop) * (1.0 - drop) < 1.0 - way):
            return None
        return a / (b - a) * (c / (b - c)) + (z - x) / (y - x) * (a / (c - a)) * (b / (c - b))


def least_average_cost(fixed, most, cost):
    """The size that minimises `(fixed + cost(z))/z`, searched with at most twelve quotes; `None` without one."""
    if not (math.isfinite(most) and most > 0.0):
        return None
    top = cost(most)
    if top is None:
        return None
    search = SizeSearch(fixed, most, top)
    quotes, size = 1, most * 1e-2
    while size is not None and quotes < 12 and 0.0 < size < most:
        quotes += 1
        lost = cost(size)
        size = None if lost is None else search.next_size((size, lost), quotes)
    return search.best()[1][0]


class SizeSearch:
    """Quoted sizes and the chords between them, which bound a convex cost from below outside of themselves."""

    def __init__(self, fixed, most, top):
        self.fixed, self.smallest, self.points = fixed, most * 1e-6, [(0.0, 0.0), (most, top)]

    def average(self, point):
        return (self.fixed + point[1]) / point[0]

    def best(self):
        best = None
        for at, point in enumerate(self.points[1:], 1):
            if best is None or self.average(point) <= self.average(best[1]) * (1.0 + 1e-12):
                best = at, point
        return best

    def next_size(self, point, quotes):
        self.points.append(point)
        self.points.sort()
        at, (size, _) = self.best()
        worth = self.average(self.points[at]) * (1.0 - 2e-4)
        gaps = [gap for gap in (self.gap(at - 1), self.gap(at)) if gap and gap[3] < worth and gap[1] / gap[0] > 1.004]
        if not gaps:
            return None
        low, high, corner, _ = min(gaps, key=lambda gap: gap[3])
        below = max(self.points[at - 1][0], self.smallest)
        above = self.points[at + 1][0] if at + 1 < len(self.points) else size
        if quotes >= 4 and quotes % 3:
            end = above if above / size > size / below else below
            return size * power(end / size, 0.3819660112501051)
        fit = self.touching(at) if quotes < 4 else None
        apart = math.sqrt(1.004)
        if fit is not None and below < fit < above:
            if all((p / fit if p > fit else fit / p if p else math.inf) > apart for p, _ in self.points):
                return fit
        if high / low > 10.0:
            return math.sqrt(low * high)
        return min(max(corner, low * apart), high / apart)

    def chord(self, at):
        """`(slope, intercept)` of the line through a point and the next."""
        if not 0 <= at < len(self.points) - 1:
            return None
        (a, ca), (b, cb) = self.points[at], self.points[at + 1]
        slope = (cb - ca) / (b - a)
        return slope, ca - slope * a

    def gap(self, at):
        """`(low, high, corner, bound)` above a point, unless the average only rises or only falls there."""
        if not 0 <= at < len(self.points) - 1:
            return None
        low, high = self.points[at][0], self.points[at + 1][0]
        slope, intercept = self.chord(at - 1) if at > 0 else (0.0, 0.0)
        after = self.chord(at + 1)
        if self.fixed + intercept <= 0.0 or (after and self.fixed + after[1] >= 0.0):
            return None
        corner = high
        if after and after[0] > slope:
            corner = min(max((intercept - after[1]) / (after[0] - slope), low), high)
        bound = (self.fixed + intercept) / max(corner, self.smallest) + slope
        return max(low, self.smallest), high, corner, bound

    def touching(self, best):
        """Where the line from `(0, −F)` touches a power law, or a parabola, through three points."""
        middle = min(max(best, 1), len(self.points) - 2)
        one, two = self.chord(middle - 1), self.chord(middle)
        low, mid, high = (point[0] for point in self.points[middle - 1 : middle + 2])
        if one[1] < 0.0 and two[1] < one[1]:
            start, to = math.sqrt(low * mid), math.sqrt(mid * high)
            exponent = log(two[1] / one[1]) / (log(to / start) if start else math.inf)
            exponent = min(max(exponent, 1.05), 6.0)
            return to * power(self.fixed / -two[1], 1.0 / exponent) if self.fixed > 0.0 else 0.0
        curvature = (two[0] - one[0]) / (high - low)
        rest = self.fixed + one[1] + curvature * low * mid
        return math.sqrt(rest / curvature) if curvature > 0.0 and rest > 0.0 else None


def shortfall_rate(exposure, cushion, jump_rate, jump_mean, volatility, interval):
    """`ES(E)`: expected loss below the floor, per year; `interval` in years."""
    cushion = max(cushion, 0.0)
    jump_loss = exposure * jump_mean
    jumps = jump_rate * jump_loss * exp(-cushion / jump_loss) if jump_loss > 0.0 else 0.0
    strike = 1.0 - cushion / exposure if cushion < exposure else 0.0
    return jumps + exposure * put(strike, volatility * math.sqrt(interval)) / interval


def put(strike, deviation):
    """The expected `(K − S)⁺` of a driftless price that stands at 1 (Black and Scholes 1973)."""
    intrinsic = max(strike - 1.0, 0.0)
    if deviation == 0.0 or strike == 0.0:
        return intrinsic
    moneyness, half = (log(1.0) - log(strike)) / deviation, 0.5 * deviation
    value = strike * normal_cdf(half - moneyness) - 1.0 * normal_cdf(-half - moneyness)
    return min(max(value, intrinsic), strike)


def largest_safe_multiplier(quantile, volatility, interval, jump):
    return 1.0 / (jump - expm1(-(quantile * volatility * math.sqrt(interval))))


class Cppi:
    """How a CPPI target moves with the price, around its kink at the cap (`Γ`, `w`)."""

    def __init__(self, multiplier, cap, cushion, protected, price, volatility, horizon):
        self.multiplier, self.cap, self.cushion, self.protected = multiplier, cap, cushion, protected
        self.price, self.volatility, self.horizon = price, volatility, horizon

    def sensitivity(self, units, penalty, costs):
        """`(Γ, w)` where so many units are held."""
        weight = self.weight(units, penalty, costs)
        inside, at_cap = self.multiplier - 1.0, self.cap - 1.0
        slope = math.sqrt(weight * inside * inside + (1.0 - weight) * at_cap * at_cap)
        return slope * (units / self.price), weight

    def weight(self, units, penalty, costs):
        speed = (self.multiplier - 1.0) * units * self.volatility
        time = self.horizon
        if speed * speed > 0.0:
            _, outer = edges(speed * speed, penalty, *costs)
            crossing = outer / speed
            time = min(self.horizon, 0.2 * crossing * crossing)
        if self.multiplier <= self.cap:
            return 1.0
        kink = self.cap * self.protected / (self.multiplier - self.cap)
        distance = kink - self.cushion
        spread = self.volatility * units * self.price * math.sqrt(time)
        if spread == 0.0:
            return 1.0 if distance >= 0.0 else 0.0
        return normal_cdf(distance / spread)

    def variance_rate(self, gamma):
        speed = gamma * self.volatility * self.price
        return speed * speed + 0.0


class Band:
    """The band of a drift: `inner` and `outer` in units, and what they were computed from."""

    def __init__(self, cppi, held, target, penalty, costs, depth, interval):
        self.penalty, self.interval = penalty, interval
        self.gamma = self.variance = self.inner = self.outer = self.cost_rate = 0.0
        self.tangent = (*costs, 0.0)
        if penalty == 0.0:
            return
        self.gamma, weight = cppi.sensitivity(held, penalty, costs)
        self.variance = cppi.variance_rate(self.gamma)
        self.tangent = Tangent(self.variance, penalty, *costs, depth).found()
        linear = self.tangent[:2]
        self.inner, self.outer = edges(self.variance, penalty, *linear)
        if self.outer > 0.0:
            ratio = self.inner / self.outer
            root = math.sqrt(penalty) * self.outer
            self.cost_rate = root * root * (1.0 + ratio + ratio * ratio) / 3.0
        gamma, _ = cppi.sensitivity(target, penalty, linear)
        at_target, _ = edges(cppi.variance_rate(gamma), penalty, *linear)
        self.inner = min(max(self.inner, math.sqrt(weight) * at_target), self.outer)
        self.watched()

    def watched(self):
        """As watched at intervals (Broadie, Glasserman and Kou 1997)."""
        self.outer = self.narrowed(self.outer)
        self.inner = min(self.inner, self.outer)

    def narrowed(self, outer):
        return max(outer - 0.5826 * (math.sqrt(self.variance) * math.sqrt(self.interval)), 0.0)

    def outer_at(self, margin):
        """The outer edge with all costs `margin` times as high."""
        if margin <= 1.0 or self.penalty == 0.0:
            return self.outer
        fixed, proportional, _ = self.tangent
        _, outer = edges(self.variance, self.penalty, margin * fixed, margin * proportional)
        return max(self.narrowed(outer), self.outer)
