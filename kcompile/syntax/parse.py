"""Source text to syntax tree: lexing and parsing by lark, several syntax errors per run, limits on size and nesting."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import lark

from kcompile.diagnostics import CompileError, Diagnostic, Reporter, Source, Span, nearest, printable
from kcompile.resources import cache_folder, data_folder
from kcompile.syntax import nodes
from kcompile.syntax.build_tree import TreeBuilder
from kcompile.syntax.fold import fold
from kcompile.units import UNITS

MAX_NESTING = 64
MAX_CHARACTERS = 64 << 20
MAX_TOKENS = 4_000_000

_BRACKETS = re.compile(r'//[^\n]*|"[^"\n]*"|([(\[{])|([)\]}])')
_STATEMENT_STARTS = {"PARAM", "DEVICE"}
_TOP_WORDS = {"DEVICE", "CIRCUIT", "USE"}
_DECLARATION_WORDS = ("use", "const", "device", "circuit")
_STATEMENT_WORDS = ("const", "param", "state", "node", "drive", "initial", "input", "output", "pdk", "phase")
_SPELLING = {"NAME": "a name", "NUMBER": "a number", "STRING": "a string", "OPERATOR": "an operator", "$END": "end of file",
             "__ANON_0": "`..`", "__ANON_1": "`<+`", "STRAY": "a character"}


@functools.cache
def parser() -> lark.Lark:
    """The LALR parser of the language, with start rules `start` (a file) and `expr` (one expression)."""
    # Its tables take 0.1 s to make, and 0.01 s to read; lark keeps them by the hash of the grammar.
    cache = cache_folder()
    return lark.Lark.open(str(data_folder("grammar") / "kcompile.lark"), parser="lalr", lexer="basic",
                          maybe_placeholders=True, start=["start", "expr", "device", "stray"],
                          cache=str(cache / "grammar") if cache else False)


def read_source(path: Path, shown: str) -> Source:
    """Text of a file as a `Source`; `CompileError` KC0108 when it is not UTF-8 text, `OSError` when it cannot be read."""
    data = path.read_bytes()
    try:
        return Source(shown, data.decode("utf-8"), path)
    except UnicodeDecodeError as error:
        source = Source(shown, data.decode("utf-8", "replace"))
        at = len(data[: error.start].decode("utf-8"))
        raise CompileError(Diagnostic("KC0108", f"{printable(shown)} is not UTF-8 text (byte {error.start})",
                                      Span(source, at, at + 1))) from None


def parse(source: Source, report: Reporter) -> nodes.Program:
    """Syntax tree of one file; mistakes go to the reporter, and the tree holds what could be read around them."""
    if not _within_limits(source, report):
        return nodes.Program(source, ())
    text, runs = fold(source.text)
    tree = _parse_tokens(source, text, report)
    declarations = TreeBuilder(source, runs, report).transform(tree) if tree is not None else ()
    return nodes.Program(source, tuple(declarations))


def parse_rule(source: Source, rule: str) -> Any:
    """Syntax tree of a text that is one `expr` or one `device`; raises `CompileError`."""
    report = Reporter()
    tree = _parse_tokens(source, source.text, report, rule) if _within_limits(source, report) else None
    report.raise_errors()
    assert tree is not None
    built = TreeBuilder(source, (), report).transform(tree)
    report.raise_errors()
    return built


def _within_limits(source: Source, report: Reporter) -> bool:
    if len(source.text) > MAX_CHARACTERS:
        report.error("KC0107", f"the file has {len(source.text):,} characters; at most {MAX_CHARACTERS:,} are read")
        return False
    depth = 0
    for match in _BRACKETS.finditer(source.text):
        depth += (match[1] is not None) - (match[2] is not None and depth > 0)
        if depth > MAX_NESTING:
            report.error("KC0105", f"brackets are nested more than {MAX_NESTING} deep",
                         Span(source, match.start(), match.end()), "one too many",
                         "name a part with `const`, or split the expression")
            return False
    return True


def _parse_tokens(source: Source, text: str, report: Reporter, rule: str = "start") -> lark.Tree[Any] | None:
    tokens: list[lark.Token] = []
    for token in parser().lex(text):
        tokens.append(token)
        if len(tokens) > MAX_TOKENS:
            report.error("KC0107", f"the file has more than {MAX_TOKENS:,} words and signs", _span(source, token))
            return None
    end = lark.Token("$END", "", len(text), 1, 1, 1, 1, len(text))
    machine = parser().parse_interactive("", start=rule)
    at = 0
    while at < len(tokens):
        try:
            machine.feed_token(tokens[at])
            at += 1
        except lark.UnexpectedToken:
            _report_token(source, tokens, at, machine, end, report)
            if rule != "start":
                return None
            at = _recover(machine, tokens, at)
    try:
        return machine.feed_token(end)
    except lark.UnexpectedToken:
        _report_token(source, tokens, at, machine, end, report)
        return _salvage(machine, end)


def _recover(machine: Any, tokens: list[lark.Token], at: int) -> int:
    """Unwind the parser to the enclosing list of statements and return the token after the broken one."""
    only_end_missing = "SEMICOLON" in _expected(machine) and _line_break_before(tokens, at)
    open_braces = _unwind(machine, _STATEMENT_STARTS)
    if only_end_missing and not open_braces and _accepts(machine, tokens[at]):
        return at
    start = at
    while at < len(tokens):
        token = tokens[at]
        if token.type in _TOP_WORDS and (at > start or token.type != "USE"):
            _unwind(machine, {"DEVICE"})
            return at if at > start or _accepts(machine, token) else at + 1
        if token.type == "LBRACE":
            open_braces += 1
        elif token.type == "RBRACE":
            if open_braces == 0:
                return at if _accepts(machine, token) else at + 1
            open_braces -= 1
            if open_braces == 0:
                at += 1
                return at + 1 if at < len(tokens) and tokens[at].type == "SEMICOLON" else at
        elif token.type == "SEMICOLON" and open_braces == 0:
            return at + 1
        at += 1
    return at


def _unwind(machine: Any, wanted: set[str]) -> int:
    """Pop parser states until one accepts a wanted terminal; return how many open braces were given up."""
    state = machine.parser_state
    table = state.parse_conf.states
    braces = 0
    while len(state.state_stack) > 1 and not (wanted & set(table[state.state_stack[-1]])):
        state.state_stack.pop()
        dropped = state.value_stack.pop()
        if isinstance(dropped, lark.Token):
            braces += (dropped.type == "LBRACE") - (dropped.type == "RBRACE")
    return max(braces, 0)


def _expected(machine: Any) -> set[str]:
    """Terminals the parser would take now."""
    state = machine.parser_state
    return {name for name in state.parse_conf.states[state.state_stack[-1]] if name.isupper() or name[0] == "$"}


def _accepts(machine: Any, token: lark.Token) -> bool:
    return token.type in _expected(machine)


def _line_break_before(tokens: list[lark.Token], at: int) -> bool:
    return 0 < at < len(tokens) and (tokens[at - 1].end_line or 0) < (tokens[at].line or 0)


def _salvage(machine: Any, end: lark.Token) -> lark.Tree[Any] | None:
    _unwind(machine, {"DEVICE"})
    try:
        return machine.feed_token(end)
    except lark.UnexpectedToken:
        return None


def _span(source: Source, token: lark.Token) -> Span:
    start = token.start_pos or 0
    return Span(source, start, start + len(token))


def _report_token(source: Source, tokens: list[lark.Token], at: int, machine: Any, end: lark.Token,
                  report: Reporter) -> None:
    token = tokens[at] if at < len(tokens) else end
    before = tokens[at - 1] if at else None
    expected = _expected(machine)
    span = _span(source, token)
    if token.type == "STRAY":
        hints = {"^": "write powers as pow(x, 2)", '"': "a string ends on its own line with `\"`",
                 "&": "write `and`", "|": "write `or`", "!": "write `not`", "'": 'strings stand in double quotes'}
        report.error("KC0101", f"the character `{printable(str(token))}` has no meaning here", span,
                     hint=hints.get(str(token), ""))
        return
    if before is not None and before.type == "NUMBER" and token.type == "NAME" and not _line_break_before(tokens, at):
        hint = nearest(str(token), [p + u for u in UNITS for p in ("", "f", "p", "n", "u", "m", "k", "M", "G")])
        if source.text[span.start - 1].isspace():
            report.error("KC0104", f"`{printable(str(token), 40)}` is not a unit", span,
                         hint=hint or "units: " + " ".join(UNITS) + ", with prefixes f p n u m k M G")
        else:
            report.error("KC0104", "a number and its unit are separated by a blank", span,
                         hint=f"write `{before} {printable(str(token), 40)}`")
        return
    found = "end of file" if token.type == "$END" else f"`{printable(str(token), 40)}`"
    wanted = _wanted(expected)
    if "SEMICOLON" in expected and before is not None and (at == len(tokens) or _line_break_before(tokens, at)):
        place = Span(source, (before.end_pos or 1) - 1, before.end_pos or 1)
        report.error("KC0102", "the statement has no end", place, "expected `;` after this")
    else:
        report.error("KC0102", f"expected {wanted}, found {found}", span, hint=_misspelt(tokens, at, expected))


def _misspelt(tokens: list[lark.Token], at: int, expected: set[str]) -> str:
    """Hint for a statement whose first word is nearly one of the language."""
    start = min(at, len(tokens) - 1)
    while start > 0 and tokens[start - 1].type not in ("SEMICOLON", "LBRACE", "RBRACE"):
        start -= 1
    if start < 0 or tokens[start].type != "NAME":
        return ""
    inside = any(token.type == "LBRACE" for token in tokens[:start]) and "DEVICE" not in expected
    return nearest(str(tokens[start]), _STATEMENT_WORDS if inside else _DECLARATION_WORDS)


def _wanted(expected: set[str]) -> str:
    if "PARAM" in expected:
        return "a statement or `}`"
    if "DEVICE" in expected:
        return "`use`, `const`, `device` or `circuit`"
    if {"NUMBER", "NAME", "LPAR"} <= expected:
        return "an expression"
    if {"OPERATOR", "MINUS"} <= expected:
        # After a whole expression the LALR tables list what may follow in any context.
        return "an operator or the end of the expression"
    names = sorted(expected)
    words = [_SPELLING.get(name) or f"`{_literal(name)}`" for name in names]
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1]


@functools.cache
def _literals() -> dict[str, str]:
    return {terminal.name: str(terminal.pattern.value) for terminal in parser().terminals}


def _literal(name: str) -> str:
    return _literals().get(name, name.lower())
