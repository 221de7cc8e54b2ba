"""Units: one pattern in the grammar and in Python, prefixes exact to the bit, names of dimensions."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kcompile as kc
from kcompile.syntax import nodes
from kcompile.syntax.parse import parse_rule, parser
from kcompile.units import (
    DIMENSIONS,
    PREFIXES,
    UNIT_PATTERN,
    UNITS,
    VOLTAGE,
    Dimension,
    format_engineering,
    format_unit,
    parse_quantity,
    parse_unit,
)

GRAMMAR = Path(__file__).parents[2] / "grammar" / "expr.lark"
EXPONENTS = {"f": -15, "p": -12, "n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9}


def number(text: str) -> nodes.Number:
    expr = parse_rule(kc.Source("expr", text), "expr")
    assert isinstance(expr, nodes.Number)
    return expr


def test_the_grammar_and_the_units_module_have_one_pattern() -> None:
    [line] = [line for line in GRAMMAR.read_text().split("\n") if line.startswith("NUMBER:")]
    numeral = r"[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?"
    unit = UNIT_PATTERN.replace("[*/]", r"[*\/]")  # lark's pattern ends at a slash
    assert line == rf"NUMBER: /{numeral}([ \t]+{unit})?/"


def test_the_pattern_takes_every_prefix_of_every_unit_and_nothing_longer() -> None:
    for prefix, unit in itertools.product(["", *PREFIXES], UNITS):
        assert re.fullmatch(UNIT_PATTERN, prefix + unit)
        assert re.match(UNIT_PATTERN, f"{prefix}{unit}x") is None
    for word in ("", "k", "Q", "kk", "V^", "V^123", "/V", "V//A", "1"):
        assert re.fullmatch(UNIT_PATTERN, word) is None


@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.from_regex(r"[0-9]{1,6}(\.[0-9]{1,12})?", fullmatch=True), st.sampled_from(sorted(EXPONENTS)),
       st.sampled_from(sorted(UNITS)))
def test_a_prefix_is_a_power_of_ten_rounded_once(numeral: str, prefix: str, unit: str) -> None:
    literal = number(f"{numeral} {prefix}{unit}")
    assert literal.value == float(f"{numeral}e{EXPONENTS[prefix]}")
    assert literal.dimension == UNITS[unit]
    assert parse_quantity(f"{numeral} {prefix}{unit}") == (literal.value, literal.dimension)
    assert parse_quantity(f"{numeral}{prefix}{unit}") == (literal.value, literal.dimension)


@pytest.mark.parametrize(("text", "same"), [
    ("1.1 nF", "1.1e-9 F"), ("0.3 mV", "0.0003 V"), ("1.1e2 nF", "1.1e-7 F"), ("1 mA/V^2", "1e-3 A/V^2"),
    ("4.7 kOhm", "4700 Ohm"), ("1 A/mV", "1000 A/V"), ("3 uA/mV^2", "3 A/V^2"), ("7 MHz", "7000000 Hz")])
def test_equal_quantities_are_one_float(text: str, same: str) -> None:
    assert number(text).value == number(same).value
    assert number(text).dimension == number(same).dimension


@pytest.mark.parametrize(("unit", "dimension"), [
    ("V*A", UNITS["W"]), ("C/V", UNITS["F"]), ("V/A", UNITS["Ohm"]), ("V*s/A", UNITS["H"]), ("s^-1", UNITS["Hz"]),
    ("V^-1", VOLTAGE**-1), ("A*s/V", UNITS["F"]), ("J", Dimension(1, 1, 1, 0)), ("m^2", Dimension(0, 0, 0, 2))])
def test_unit_expressions(unit: str, dimension: Dimension) -> None:
    assert parse_unit(unit) == (1.0, dimension)


@pytest.mark.parametrize("unit", ["V^65", "V^64*V", "Q", "V/", "*V", "V V", "V^1.5", "V^--1"])
def test_what_is_no_unit_is_refused(unit: str) -> None:
    with pytest.raises(ValueError, match=r"unit|exponent"):
        parse_unit(unit)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.builds(Dimension, *[st.integers(-5, 5)] * 4))
def test_a_formatted_unit_reads_back(dimension: Dimension) -> None:
    text = format_unit(dimension)
    assert text == "1" if dimension == Dimension() else parse_unit(text) == (1.0, dimension)
    if text != "1":
        assert number(f"1 {text}").dimension == dimension


@pytest.mark.parametrize("text", ["1kOhm", "1.V", ".5 V", "0x10", "1 V^2V", "1_000", "1e5e5"])
def test_numbers_of_other_spellings_are_no_numbers(text: str) -> None:
    with pytest.raises(kc.CompileError):
        number(text)


@pytest.mark.parametrize(("value", "unit", "text"), [
    (1500.0, "Ohm", "1.5 kOhm"), (0.99999999e-9, "s", "1 ns"), (-2e-6, "A", "-2 uA"), (0.0, "V", "0 V"),
    (float("inf"), "V", "inf V"), (3.0, "", "3"), (1e-20, "F", "1e-20 F")])
def test_engineering_notation(value: float, unit: str, text: str) -> None:
    assert format_engineering(value, unit) == text


def test_every_dimension_word_names_itself() -> None:
    for word, dimension in DIMENSIONS.items():
        assert str(dimension) == ("real" if word == "integer" else word)


def test_a_unit_does_not_reach_into_the_next_word() -> None:
    assert [token.type for token in parser().lex("1 Vx 1 V x 1\nV")] == [
        "NUMBER", "NAME", "NUMBER", "NAME", "NUMBER", "NAME"]
