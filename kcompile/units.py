"""Physical dimensions, unit symbols, and numbers with SI prefixes.

A dimension is a vector of integer exponents over volt, ampere, second and metre; every value inside the compiler is in
SI base units, so a dimension never carries a factor.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

_POWERS = {"f": -15, "p": -12, "n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9}
PREFIXES = {prefix: float(f"1e{power}") for prefix, power in _POWERS.items()}

MAX_EXPONENT = 64
"""Largest exponent of a base unit; products of powers would otherwise grow without end."""

MAX_POWER = 300
"""Largest power of ten between a unit with prefixes and its base units, so that the factor is a float."""


@dataclass(frozen=True, slots=True)
class Dimension:
    """Exponents of volt, ampere, second and metre."""

    volt: int = 0
    ampere: int = 0
    second: int = 0
    metre: int = 0

    def __mul__(self, other: Dimension) -> Dimension:
        return Dimension(self.volt + other.volt, self.ampere + other.ampere, self.second + other.second,
                         self.metre + other.metre)

    def __truediv__(self, other: Dimension) -> Dimension:
        return self * other**-1

    def __pow__(self, exponent: int) -> Dimension:
        return Dimension(self.volt * exponent, self.ampere * exponent, self.second * exponent, self.metre * exponent)

    @property
    def largest_exponent(self) -> int:
        return max(abs(self.volt), abs(self.ampere), abs(self.second), abs(self.metre))

    def __str__(self) -> str:
        """Name of the dimension where it has one, else a unit expression such as `A/V^2`."""
        return NAME_OF.get(self) or format_unit(self)


REAL = Dimension()
VOLTAGE = Dimension(volt=1)
CURRENT = Dimension(ampere=1)
TIME = Dimension(second=1)
LENGTH = Dimension(metre=1)
CHARGE = CURRENT * TIME
CAPACITANCE = CHARGE / VOLTAGE
FREQUENCY = TIME**-1

DIMENSIONS = {
    "real": REAL, "integer": REAL, "time": TIME, "frequency": FREQUENCY, "voltage": VOLTAGE, "current": CURRENT,
    "charge": CHARGE, "conductance": CURRENT / VOLTAGE, "resistance": VOLTAGE / CURRENT, "capacitance": CAPACITANCE,
    "inductance": VOLTAGE * TIME / CURRENT, "length": LENGTH,
}
"""Dimension words of the language. `integer` has no dimension either, but takes whole numbers only."""

UNITS = {
    "V": VOLTAGE, "A": CURRENT, "s": TIME, "m": LENGTH, "Hz": FREQUENCY, "C": CHARGE, "F": CAPACITANCE,
    "S": DIMENSIONS["conductance"], "Ohm": DIMENSIONS["resistance"], "H": DIMENSIONS["inductance"],
    "W": VOLTAGE * CURRENT, "J": VOLTAGE * CHARGE,
}

NAME_OF = {dimension: name for name, dimension in DIMENSIONS.items() if name != "integer"}
SYMBOL_OF = {dimension: symbol for symbol, dimension in UNITS.items()}

_WORD = r"[fpnumkMG]?(?:Ohm|Hz|[VAsmCFSHWJ])(?![A-Za-z0-9_])"
UNIT_PATTERN = rf"{_WORD}(?:\^-?[0-9]{{1,2}})?(?:[*/]{_WORD}(?:\^-?[0-9]{{1,2}})?)*"
"""A unit or a unit expression without blanks: `kOhm`, `A/V^2`."""

_FACTOR = re.compile(r"([*/]?)([fpnumkMG]?)(Ohm|Hz|[VAsmCFSHWJ])(?![A-Za-z0-9_])(?:\^(-?[0-9]{1,2}))?")
_QUANTITY = re.compile(rf"\s*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?inf)\s*({UNIT_PATTERN})?\s*")


def parse_unit(text: str) -> tuple[float, Dimension]:
    """Factor to SI base units and dimension of a unit expression; `ValueError` when it is not one."""
    power, dimension, at = 0, REAL, 0
    while at < len(text):
        match = _FACTOR.match(text, at)
        if match is None or (at == 0) == bool(match[1]):
            raise ValueError(f"`{text}` is not a unit")
        exponent = int(match[4] or 1) * (-1 if match[1] == "/" else 1)
        power += _POWERS.get(match[2], 0) * exponent
        dimension *= UNITS[match[3]] ** exponent
        at = match.end()
    if dimension.largest_exponent > MAX_EXPONENT:
        raise ValueError(f"`{text}` has an exponent above {MAX_EXPONENT}")
    if abs(power) > MAX_POWER:
        raise ValueError(f"`{text}` is 1e{power} times its base unit, beyond 1e{MAX_POWER}")
    return float(f"1e{power}"), dimension


def scale_decimal(number: str, factor: float) -> float:
    """Value of a decimal text times a power of ten, rounded once.

    `1.1 nF` must be the same float as `1.1e-9 F`: multiplying the parsed number would round twice.
    """
    mantissa, _, tail = number.lower().partition("e")
    # More digits than any exponent of a float needs would be slow to read; they overflow or vanish all the same.
    given = int(tail or 0) if len(tail) < 10 else -(10**9) if tail[0] == "-" else 10**9
    return float(f"{mantissa}e{given + round(math.log10(factor))}")


def parse_quantity(text: str) -> tuple[float, Dimension | None]:
    """Value in SI units and dimension of a text such as `50ns`, `1 kOhm` or `0.3`; no unit gives None.

    Raises `ValueError` when the text is anything else.
    """
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise ValueError(f"`{text}` is not a number with a unit")
    if match[2] is None:
        return float(match[1]), None
    factor, dimension = parse_unit(match[2])
    return (scale_decimal(match[1], factor) if "inf" not in match[1] else float(match[1])), dimension


def format_unit(dimension: Dimension) -> str:
    """Unit expression of a dimension in its shortest symbol, `1` for a plain number."""
    if dimension in SYMBOL_OF:
        return SYMBOL_OF[dimension]
    powers = [("A", dimension.ampere), ("V", dimension.volt), ("s", dimension.second), ("m", dimension.metre)]

    def product(sign: int) -> list[str]:
        return [symbol + (f"^{abs(p)}" if abs(p) > 1 else "") for symbol, p in powers if p * sign > 0]

    above, below = product(1), product(-1)
    if not above:
        # A unit starts with a symbol, so a pure denominator is written with negative exponents.
        return "*".join(f"{symbol}^{p}" for symbol, p in powers if p) or "1"
    return "*".join(above) + "".join("/" + unit for unit in below)


def format_count(count: int, what: str) -> str:
    """`1 sample`, `1,200 samples`."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def format_engineering(value: float, unit: str = "", digits: int = 4) -> str:
    """Number with an SI prefix, for people: `1.5 kOhm`. Files get `%.17g` instead."""
    if value == 0 or not math.isfinite(value) or not unit:
        return f"{value:.{digits}g} {unit}".rstrip()
    for prefix, factor in sorted({**PREFIXES, "": 1.0}.items(), key=lambda item: -item[1]):
        if abs(value) >= factor * (1 - 10.0**-digits / 2):  # 999.99 ps reads 1 ns
            return f"{value / factor:.{digits}g} {prefix}{unit}"
    return f"{value:.{digits}g} {unit}"
