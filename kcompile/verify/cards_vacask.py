"""The statements of a VACASK netlist that the compiler writes: no `postprocess`, no `embed`, nothing but one transient."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from kcompile.verify.cards import NAME, NUMBER, PLAIN_FILE, UNKNOWN, Refused, compiled_name, modules_of, odd_lines

_NODE = rf"(?:0|{NAME})"
_NODES = rf"\( ?{_NODE}(?: {_NODE})* ?\)"
_PORTS = rf"\( ?(?:{_NODE}(?: {_NODE})*)? ?\)"
_SETTINGS = rf"(?: {NAME}=(?:{NUMBER}|{NAME}))*"
_VECTOR = rf"{NAME}(?::{NAME})*"
_WAVE = rf'dc={NUMBER}|type="(?:pulse|sine|exp)"(?: [a-z0-9]+={NUMBER})+|type="pwl" wave=\[{NUMBER}(?:, {NUMBER})+\]'
_OPTION = rf"(?:reltol|abstol|vntol|nr_residualcheck|strictsave|tran_lteratio|tran_fbr)={NUMBER}"

_STATEMENTS = [re.compile(pattern, re.ASCII) for pattern in (
    r"ground 0",
    rf'load "(?P<compiled>{PLAIN_FILE})"',
    rf'include "(?P<file>{PLAIN_FILE})"',
    r"model vsource vsource",
    rf"model (?P<module>{NAME}) (?P=module)",
    rf"subckt {NAME} {_PORTS}",
    r"ends",
    rf"parameters {NAME}={NUMBER}",
    rf"v{NAME} \({_NODE} 0\) vsource (?:{_WAVE})",
    rf"n{NAME} {_NODES} (?P<module>{NAME}){_SETTINGS}",
    rf"xtop {_PORTS} {NAME}{_SETTINGS}",
    r"control",
    r"abort always",
    rf"options(?: {_OPTION})+",
    rf"save v\('{_VECTOR}'\)",
    rf'analysis {PLAIN_FILE} tran step={NUMBER} stop={NUMBER} maxstep={NUMBER} icmode="uic" '
    rf'ic=\{{(?: "{_VECTOR}", {NUMBER},?)* \}}',
    r"endc",
)]


def check(name: str, text: str, main: str, files: Mapping[str, str]) -> Iterator[Refused]:
    """Statements that the compiler does not write, with the first first."""
    yield from odd_lines(text)
    if name == main and not text.startswith("// "):
        yield Refused(1, text.split("\n", 1)[0], "must be a comment, the title")
    modules = modules_of(files)
    compiled = {compiled_name(file) for file in files if file.endswith(".va")}
    for line, statement in _statements(text):
        found = next((match for pattern in _STATEMENTS if (match := pattern.fullmatch(statement))), None)
        said = found.groupdict() if found else {}
        if found is None or not (said.get("module", "") in {*modules, ""} and said.get("compiled", "") in {*compiled, ""}):
            yield Refused(line, statement, UNKNOWN)
        elif said.get("file", "") not in {*files, ""}:
            yield Refused(line, statement, "includes a file that is not part of the deck")


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """(line number, statement) with the lines of a bracket joined, and comments, which are lines of their own, dropped."""
    held: list[str] = []
    at = depth = 0
    for number, line in enumerate(text.split("\n"), start=1):
        if not held and (not line or re.fullmatch(r" *// [^\\]*", line)):
            continue
        if not held:
            at = number
        held.append(line.strip())
        depth += sum(map(line.count, "({[")) - sum(map(line.count, ")}]"))
        if depth <= 0:
            yield at, re.sub(r" +", " ", " ".join(held))
            held, depth = [], 0
    if held:
        yield at, " ".join(held)
