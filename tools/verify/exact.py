"""Numbers and their texts: decimals as the keeper rounds them, and canonical JSON (docs/replay.md, "Encoding")."""

import json
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction

EXACT = Context(prec=400, Emin=-5000, Emax=5000)


class NotCovered(Exception):
    """What this program does not decide."""


def fitted(exact):
    """An exact number, a Decimal or Fraction, as a decimal of at most 96 bits and 28 places, rounded half to even."""
    numerator, denominator = Fraction(exact).as_integer_ratio()
    room = 96 - (abs(numerator) // denominator).bit_length()
    for places in range(min(28, room * 30_103 // 100_000 + 1), -1, -1):
        mantissa, rest = divmod(numerator * 10**places, denominator)
        mantissa += 2 * rest > denominator or (2 * rest == denominator and mantissa % 2)
        if abs(mantissa) < 2**96:
            return Decimal(mantissa).scaleb(-places, EXACT)
    raise NotCovered("a number beyond 28 digits")


def plus(a, b):
    return fitted(Fraction(a) + Fraction(b))


def minus(a, b):
    return fitted(Fraction(a) - Fraction(b))


def times(a, b):
    return fitted(Fraction(a) * Fraction(b))


def divided(a, b):
    return fitted(Fraction(a) / Fraction(b))


def over(a, b):
    """A quotient that is kept: to 18 places."""
    return rounded(divided(a, b), 18)


def rounded(x, places, how=ROUND_HALF_EVEN):
    return x if x.as_tuple().exponent >= -places else x.quantize(Decimal(1).scaleb(-places), how, EXACT)


def bps(count):
    return Decimal(count).scaleb(-4, EXACT)


def from_double(x, places):
    return fitted(rounded(Decimal(x), places))


def from_raw(amount, decimals):
    """A raw amount in whole tokens; rounded down where it has more than 96 bits."""
    while amount >= 2**96 or decimals > 28:
        amount, decimals = amount // 10, decimals - 1
    return Decimal(amount).scaleb(-decimals, EXACT)


def to_raw(x, decimals):
    """Whole tokens as a raw amount, rounded down."""
    if x < 0:
        raise NotCovered("a negative amount")
    return int(x.scaleb(decimals, EXACT).to_integral_value(ROUND_FLOOR, EXACT))


def written(value):
    """A value as the record writes it."""
    if isinstance(value, (bool, str, list, dict)):
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        mantissa, exponent = f"{value + 0.0:.11e}".split("e")
        return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    text = format(value, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def canonical(value):
    """RFC 8785 where every number is a string already; what is no such value has no canonical form."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return "[" + ",".join(canonical(item) for item in value) + "]"
    if isinstance(value, dict):
        members = sorted(value.items(), key=lambda member: member[0].encode("utf-16-be"))
        return "{" + ",".join(f"{canonical(key)}:{canonical(item)}" for key, item in members) + "}"
    raise NotCovered(f"{value!r} in canonical JSON: numbers are strings there, and what is absent is left out")
