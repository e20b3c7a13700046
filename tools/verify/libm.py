"""The elementary functions of the models, to the last bit: those of Rust's libm 0.2.16.

The size of a trade that is made because it pays comes out of a model, and all of its digits count. C libraries differ
in the last bit of these functions, so they are written out here: `exp`, `expm1`, `log`, `erfc` and `power` after
FreeBSD's msun (Copyright (C) 1993, 2004 by Sun Microsystems, Inc. All rights reserved. Permission to use, copy, modify,
and distribute this software is freely granted, provided that this notice is preserved), `cbrt` as the nearest double.
Only arguments that a model can have are covered: finite ones, and a positive base for `power`.
"""

import math
import struct

LN2_HI, LN2_LO = 6.93147180369123816490e-01, 1.90821492927058770002e-10
INV_LN2 = 1.44269504088896338700


def _bits(x):
    return struct.unpack("<Q", struct.pack("<d", x))[0]


def _of_bits(bits):
    return struct.unpack("<d", struct.pack("<Q", bits))[0]


def _high(x):
    return _bits(x) >> 32


def _coarse(x):
    """`x` without its lower 32 bits."""
    return _of_bits(_bits(x) & 0xFFFFFFFF00000000)


def _horner(x, coefficients):
    """`c0 + x·(c1 + x·(c2 + …))`."""
    *rest, value = coefficients
    for coefficient in reversed(rest):
        value = coefficient + x * value
    return value


_EXP = (
    1.66666666666666019037e-01, -2.77777777770155933842e-03, 6.61375632143793436117e-05, -1.65339022054652515390e-06,
    4.13813679705723846039e-08,
)


def _reduced(x, size):
    """`k` with `x = k·ln 2 + r`, `r` small, for `|x| > ½·ln 2`; `size` is the high word of `|x|`."""
    half = math.copysign(0.5, x)
    return int(INV_LN2 * x + half) if size >= 0x3FF0A2B2 else int(math.copysign(1, x))


def exp(x):
    size = _high(x) & 0x7FFFFFFF
    if x > 709.782712893383973096:
        return math.inf
    if x < -745.13321910194110842:
        return 0.0
    if size > 0x3FD62E42:
        k = _reduced(x, size)
        high, low = x - k * LN2_HI, k * LN2_LO
        x = high - low
    elif size > 0x3E300000:
        k, high, low = 0, x, 0.0
    else:
        return 1.0 + x
    square = x * x
    c = x - square * _horner(square, _EXP)
    return math.ldexp(1.0 + (x * c / (2.0 - c) - low + high), k)


_EXPM1 = (
    1.0, -3.33333333333331316428e-02, 1.58730158725481460165e-03, -7.93650757867487942473e-05,
    4.00821782732936239552e-06, -2.01099218183624371326e-07,
)


def expm1(x):
    size = _high(x) & 0x7FFFFFFF
    if size >= 0x4043687A and x < 0:
        return -1.0
    if x > 709.782712893383973096:
        return math.inf
    if size > 0x3FD62E42:
        k = _reduced(x, size)
        high, low = x - k * LN2_HI, k * LN2_LO
        x = high - low
        c = (high - x) - low
    elif size < 0x3C900000:
        return x
    else:
        k, c = 0, 0.0
    half = 0.5 * x
    square = x * half
    r = _horner(square, _EXPM1)
    t = 3.0 - r * half
    e = square * ((r - t) / (6.0 - x * t))
    if k == 0:
        return x - (x * e - square)
    e = x * (e - c) - c
    e -= square
    if k == -1:
        return 0.5 * (x - e) - 0.5
    if k == 1:
        return -2.0 * (e - (x + 0.5)) if x < -0.25 else 1.0 + 2.0 * (x - e)
    if k < 0 or k > 56:
        y = x - e + 1.0
        return (y * 2.0 * 2.0**1023 if k == 1024 else y * 2.0**k) - 1.0
    if k < 20:
        return (x - e + (1.0 - 2.0**-k)) * 2.0**k
    return (x - (e + 2.0**-k) + 1.0) * 2.0**k


_LOG_ODD = (6.666666666666735130e-01, 2.857142874366239149e-01, 1.818357216161805012e-01, 1.479819860511658591e-01)
_LOG_EVEN = (3.999999999940941908e-01, 2.222219843214978396e-01, 1.531383769920937332e-01)


def log(x):
    if x == 1.0:
        return 0.0
    k = 0
    if x < 2.0**-1022:
        x, k = x * 2.0**54, -54
    bits = _bits(x)
    high = (bits >> 32) + 0x3FF00000 - 0x3FE6A09E
    k += (high >> 20) - 0x3FF
    high = (high & 0x000FFFFF) + 0x3FE6A09E
    f = _of_bits(high << 32 | bits & 0xFFFFFFFF) - 1.0
    half_square = 0.5 * f * f
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    r = z * _horner(w, _LOG_ODD) + w * _horner(w, _LOG_EVEN)
    return s * (half_square + r) + k * LN2_LO - half_square + f + k * LN2_HI


_NEAR = (
    (
        1.28379167095512558561e-01, -3.25042107247001499370e-01, -2.84817495755985104766e-02,
        -5.77027029648944159157e-03, -2.37630166566501626084e-05,
    ),
    (
        1.0, 3.97917223959155352819e-01, 6.50222499887672944485e-02,
        5.08130628187576562776e-03, 1.32494738004321644526e-04, -3.96022827877536812320e-06,
    ),
)
_AROUND_ONE = (
    (
        -2.36211856075265944077e-03, 4.14856118683748331666e-01, -3.72207876035701323847e-01,
        3.18346619901161753674e-01, -1.10894694282396677476e-01, 3.54783043256182359371e-02,
        -2.16637559486879084300e-03,
    ),
    (
        1.0, 1.06420880400844228286e-01, 5.40397917702171048937e-01,
        7.18286544141962662868e-02, 1.26171219808761642112e-01, 1.36370839120290507362e-02,
        1.19844998467991074170e-02,
    ),
)
_FAR = (
    (
        -9.86494403484714822705e-03, -6.93858572707181764372e-01, -1.05586262253232909814e+01,
        -6.23753324503260060396e+01, -1.62396669462573470355e+02, -1.84605092906711035994e+02,
        -8.12874355063065934246e+01, -9.81432934416914548592e+00,
    ),
    (
        1.0, 1.96512716674392571292e+01, 1.37657754143519042600e+02,
        4.34565877475229228821e+02, 6.45387271733267880336e+02, 4.29008140027567833386e+02,
        1.08635005541779435134e+02, 6.57024977031928170135e+00, -6.04244152148580987438e-02,
    ),
)
_FARTHEST = (
    (
        -9.86494292470009928597e-03, -7.99283237680523006574e-01, -1.77579549177547519889e+01,
        -1.60636384855821916062e+02, -6.37566443368389627722e+02, -1.02509513161107724954e+03,
        -4.83519191608651397019e+02,
    ),
    (
        1.0, 3.03380607434824582924e+01, 3.25792512996573918826e+02,
        1.53672958608443695994e+03, 3.19985821950859553908e+03, 2.55305040643316442583e+03,
        4.74528541206955367215e+02, -2.24409524465858183362e+01,
    ),
)
_ERX = 8.45062911510467529297e-01


def _quotient(x, coefficients):
    return _horner(x, coefficients[0]) / _horner(x, coefficients[1])


def _tail(size, x):
    """`erfc` of `|x|` from 0.84375 to 28."""
    x = abs(x)
    if size < 0x3FF40000:
        return 1.0 - _ERX - _quotient(x - 1.0, _AROUND_ONE)
    fit = _quotient(1.0 / (x * x), _FAR if size < 0x4006DB6D else _FARTHEST)
    z = _coarse(x)
    return exp(-z * z - 0.5625) * exp((z - x) * (z + x) + fit) / x


def erfc(x):
    size = _high(x) & 0x7FFFFFFF
    if size < 0x3FEB0000:
        if size < 0x3C700000:
            return 1.0 - x
        y = _quotient(x * x, _NEAR)
        return 1.0 - (x + x * y) if x < 0 or size < 0x3FD00000 else 0.5 - (x - 0.5 + x * y)
    if size < 0x403C0000:
        return 2.0 - _tail(size, x) if x < 0 else _tail(size, x)
    return 2.0 if x < 0 else 0.0


def cbrt(x):
    """The double nearest to the cube root of `x ≥ 0`."""
    if x == 0.0:
        return 0.0
    mantissa, exponent = math.frexp(x)
    whole, exponent = int(mantissa * 2**53), exponent - 53
    shift = 180 + (exponent % 3)
    whole, exponent = whole << shift, (exponent - shift) // 3
    low, high = 0, 1 << (whole.bit_length() // 3 + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if middle**3 <= whole else (low, middle)
    # Doubled, with the remainder in the last bit, it rounds as the root itself does.
    return math.ldexp(float(low * 2 + (low**3 != whole)), exponent - 1)


_LOG2 = (
    5.99999999999994648725e-01, 4.28571428578550184252e-01, 3.33333329818377432918e-01, 2.72728123808534006489e-01,
    2.30660745775561754067e-01, 2.06975017800338417784e-01,
)
_LG2, _LG2_H, _LG2_L = 6.93147180559945286227e-01, 6.93147182464599609375e-01, -1.90465429995776804525e-09
_CP, _CP_H, _CP_L = 9.61796693925975554329e-01, 9.61796700954437255859e-01, -7.02846165095275826516e-09
_BASES = ((1.0, 0.0, 0.0), (1.5, 5.84962487220764160156e-01, 1.35003920212974897128e-08))


def _log2(x):
    """The logarithm of `x` to the base 2 in two parts."""
    n = 0
    if x < 2.0**-1022:
        x, n = x * 2.0**53, -53
    size = _high(x)
    n += (size >> 20) - 0x3FF
    part = size & 0x000FFFFF
    size = part | 0x3FF00000
    k = 0 if part <= 0x3988E else 1
    if part >= 0xBB67A:
        k, n, size = 0, n + 1, size - 0x00100000
    base, dp_h, dp_l = _BASES[k]
    x = _of_bits(size << 32 | _bits(x) & 0xFFFFFFFF)
    u, v = x - base, 1.0 / (x + base)
    ss = u * v
    s_h = _coarse(ss)
    t_h = _of_bits(((size >> 1 | 0x20000000) + 0x00080000 + (k << 18)) << 32)
    t_l = x - (t_h - base)
    s_l = v * ((u - s_h * t_h) - s_h * t_l)
    s2 = ss * ss
    r = s2 * s2 * _horner(s2, _LOG2)
    r += s_l * (s_h + ss)
    s2 = s_h * s_h
    t_h = _coarse(3.0 + s2 + r)
    t_l = r - ((t_h - 3.0) - s2)
    u, v = s_h * t_h, s_l * t_h + t_l * ss
    p_h = _coarse(u + v)
    p_l = v - (p_h - u)
    z_h, z_l = _CP_H * p_h, _CP_L * p_h + p_l * _CP + dp_l
    t1 = _coarse(((z_h + z_l) + dp_h) + n)
    return t1, z_l - (((t1 - n) - dp_h) - z_h)


def power(x, y):
    """`x` to the power of `y`, for `x > 0` and a result in the range of normal doubles."""
    if y == 0.0 or x == 1.0:
        return 1.0
    special = {1.0: lambda: x, -1.0: lambda: 1.0 / x, 2.0: lambda: x * x, 0.5: lambda: math.sqrt(x)}
    if y in special:
        return special[y]()
    t1, t2 = _log2(x)
    y1 = _coarse(y)
    p_l, p_h = (y - y1) * t1 + y * t2, y1 * t1
    z = p_l + p_h
    n = int(math.copysign(math.floor(abs(z) + 0.5), z)) if _high(z) & 0x7FFFFFFF > 0x3FE00000 else 0
    p_h -= n
    t = _coarse(p_l + p_h)
    u, v = t * _LG2_H, (p_l - (t - p_h)) * _LG2 + t * _LG2_L
    z = u + v
    w = v - (z - u)
    t = z * z
    t1 = z - t * _horner(t, _EXP)
    r = (z * t1) / (t1 - 2.0) - (w + z * w)
    return math.ldexp(1.0 - (r - z), n)
