"""Configurations and checkpoints that are wrong, damaged or hostile: a diagnostic with a place, and nothing is run."""

from __future__ import annotations

import io
import os
import re
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from published import Published

import kcompile as kc
from kcompile.diagnostics import Diagnostic
from kcompile.imports.kirchhoffnet import import_kirchhoffnet

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("yaml", reason="PyYAML is not installed")

CONFIG = """\
test_bench: twomoon
network:
  initialization: kaiming
  model:
    args: {}
    name: ShiftTanh2
  net_struct:
  - args:
      num_node: 3
      repeat:
      - 1
      - 2
    name: _fully_connect
simulation:
  tol: 1e-4
  t_end:
  - 0.0
  - 0.5
train:
  anything: [goes, {here: 1}]
"""
MIX = """\
network:
  model: {name: ShiftRelu1}
  projector: last1
  net_struct:
  - args: {num_channel: 1, width: 3, height: 3, neighbor_size: 2, fully_connect_node: 1}
    name: _mix_connect
simulation: {t_end: [0, 1]}
"""


def diagnostics(config: Path, checkpoint: Path) -> list[Diagnostic]:
    with pytest.raises(kc.KcompileError) as error:
        import_kirchhoffnet(config, checkpoint)
    return list(error.value.diagnostics)


def of_config(text: str | bytes, folder: Path) -> Diagnostic:
    """The one diagnostic of a configuration."""
    path = folder / "config.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    found = diagnostics(path, folder / "missing.pth")
    assert len(found) == 1
    return found[0]


def test_the_configuration_that_the_others_are_mutations_of_is_right(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)
    torch.save({"circuit.layer_list.0.model.param": torch.randn(3, 18)}, tmp_path / "model.pth")
    assert import_kirchhoffnet(tmp_path / "config.yaml", tmp_path / "model.pth").name == "Twomoon"
    assert of_config(MIX, tmp_path).code == "KC0501", "only the checkpoint is missing"


# ---- configurations -----------------------------------------------------------------------------------------------------

MISTAKES: dict[str, tuple[str, str, str, str, str]] = {
    # (text, what of it is replaced by what, the code, words of the message or hint, what stands under the caret)
    "law": (CONFIG, "ShiftTanh2|ShiftTan2", "KC0522", "did you mean `ShiftTanh2`?", "ShiftTan2"),
    "law_far": (CONFIG, "ShiftTanh2|Memristor", "KC0522", "accepted: Conductance, ShiftLeakyRelu1", "Memristor"),
    "law_arguments": (CONFIG, "args: {}|args: {negation: true}", "KC0522", "`network.model.args.negation` is not known", "true"),
    "topology": (CONFIG, "_fully_connect|_fully_conect", "KC0522", "did you mean `_fully_connect`?", "_fully_conect"),
    "topology_far": (CONFIG, "_fully_connect|_pregiven", "KC0522", "_mix_connect, _neighbor_index, _simple_connect", "_pregiven"),
    "argument": (CONFIG, "num_node|num_nodes", "KC0522", "did you mean `num_node`?", "3"),
    "argument_missing": (CONFIG, "      num_node: 3\n|", "KC0521", "`network.net_struct[0].args.num_node` is missing", "repeat:"),
    "no_number": (CONFIG, "num_node: 3|num_node: three", "KC0521", "is a whole number, not `three`", "three"),
    "fraction": (CONFIG, "num_node: 3|num_node: 3.5", "KC0521", "is a whole number, not `3.5`", "3.5"),
    "too_few": (CONFIG, "num_node: 3|num_node: 1", "KC0521", "from 2 to 1,048,576, not `1`", "1"),
    "too_many": (CONFIG, "num_node: 3|num_node: 99999999999999999999999", "KC0521", "a whole number", "99999999999999999999999"),
    "far_too_many": (CONFIG, "num_node: 3|num_node: 99999999", "KC0521", "from 2 to", "99999999"),
    "boolean": (CONFIG, "num_node: 3|num_node: yes", "KC0521", "not true or false", "yes"),
    "repeat": (CONFIG, "      - 2\n|", "KC0521", "is a list of two whole numbers, not a list", "- 1"),
    "repeat_negative": (CONFIG, "- 2\n|- -2\n", "KC0521", "not `-2`", "-2"),
    "nothing": (CONFIG, "- 1\n      - 2|- 0\n      - 0", "KC0521", "connects nothing", "num_node: 3"),
    "python": (CONFIG, "num_node: 3|num_node: !!python/object/apply:os.system [echo]", "KC0521",
               "not a `tag:yaml.org,2002:python", "!!python/object/apply:os.system [echo]"),
    "ends": (CONFIG, "  - 0.5\n|", "KC0521", "has 1 times, 1 layers need 2", "- 0.0"),
    "order": (CONFIG, "- 0.5|- 0.0", "KC0521", "is a time after the one before it, not `0.0`", "0.0"),
    "nan": (CONFIG, "- 0.5|- .nan", "KC0521", "is a number, not `.nan`", ".nan"),
    "infinite": (CONFIG, "- 0.5|- Infinity", "KC0521", "is a finite number, not `Infinity`", "Infinity"),
    "overflow": (CONFIG, "- 0.5|- 1e999", "KC0521", "is a finite number, not `1e999`", "1e999"),
    "overflow_of_decimals": (CONFIG, "- 0.5|- 1e99999999", "KC0521", "is a finite number", "1e99999999"),
    "underflow": (CONFIG, "- 0.5|- 1e-99999999", "KC0521", "is a time after the one before it", "1e-99999999"),
    "negative": (CONFIG, "- 0.5|- -1e-400", "KC0521", "is a time after the one before it", "-1e-400"),
    "word": (CONFIG, "- 0.5|- soon", "KC0521", "is a number, not `soon`", "soon"),
    "no_network": (CONFIG, "network:|net:", "KC0521", "`network` is missing", "test_bench: twomoon"),
    "list": (CONFIG, CONFIG + "|- a\n", "KC0521", "a configuration is a mapping, not a list", "- a"),
    "scalar": (CONFIG, CONFIG + "|hello", "KC0521", "a configuration is a mapping, not `hello`", "hello"),
    "empty_structure": (CONFIG, re.search("  net_struct.*?connect\n", CONFIG, re.DOTALL)[0] + "|  net_struct: []\n",  # type: ignore[index]
                        "KC0521", "is a list of layers, not a list", "[]"),
    "network_key": (CONFIG, "initialization: k|residuals: k", "KC0522", "did you mean `residual`?", "kaiming"),
    "simulation_key": (CONFIG, "tol: 1e-4|t_start: 1", "KC0522", "`simulation.t_start` is not known", "1"),
    "layer_key": (CONFIG, "    name: _f|    nome: _f", "KC0522", "did you mean `name`?", "_fully_connect"),
    "twice": (CONFIG, "num_node: 3|num_node: 3\n      num_node: 4", "KC0521", "stands here twice", "num_node"),
    "merge": (CONFIG, "num_node: 3|<<: {num_node: 3}", "KC0521", "a key is a text", "<<"),
    "encoder": (CONFIG, "initialization: kaiming|encoder: [2, 8]", "KC0521", "is a text, not a list", "[2, 8]"),
    "residual": (CONFIG, "initialization: kaiming|residual: [0, 1]", "KC0522", "has no counterpart in a circuit", "[0, 1]"),
    "fill": (MIX, "projector: last1|fill: repeat", "KC0522", "accepted: null, zero, zeros", "repeat"),
    "projector": (MIX, "last1|mlp_10_2", "KC0522", "accepted: firstN, lastN, none", "mlp_10_2"),
    "projector_size": (MIX, "last1|last11", "KC0521", "with N from 1 to 10, not `last11`", "last11"),
    "projector_zero": (MIX, "last1|last0", "KC0521", "with N from 1 to 10", "last0"),
    "sharing": (MIX, "width: 3|width: 3, sharing: true", "KC0522", "not supported", "true"),
    "parallel": (MIX, "width: 3|width: 3, parallel: 2", "KC0522", "accepted: 1", "2"),
    "window": (MIX, "neighbor_size: 2|neighbor_size: 4", "KC0521", "from 1 to 3, not `4`", "4"),
    "window_of_one": (MIX, "neighbor_size: 2|neighbor_size: 1", "KC0521", "connects nothing", "1"),
    "images": (MIX, "simulation|  - {name: _neighbor_index, args: {num_channel: 1, width: 4, height: 3, neighbor_size: 2}}\n"
               "simulation", "KC0521", "has 2 times, 2 layers need 3", "[0, 1]"),
    "two_images": (MIX.replace("[0, 1]", "[0, 1, 2]"), "simulation|  - {name: _neighbor_index, args: {num_channel: 1, width: 4, "
                   "height: 3, neighbor_size: 2}}\nsimulation", "KC0522", "(3, 3) and (4, 3) pixels", "- args:"),
    "taken_up": (CONFIG.replace("- 0.5", "- 0.5\n  - 1\n  - 2"), "simulation:|  - {name: _fully_connect, args: {num_node: 2}}\n"
                 "  - {name: _fully_connect, args: {num_node: 3}}\nsimulation:", "KC0522", "takes up nodes", "{name: _fully"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_at_its_place(name: str, tmp_path: Path) -> None:
    text, change, code, words, place = MISTAKES[name]
    old, _, new = change.rpartition("|")
    assert text.count(old) >= 1
    found = of_config(text.replace(old, new, 1), tmp_path)
    assert found.code == code, found
    assert words in f"{found.message} {found.hint}"
    assert found.span is not None
    assert found.span.text.startswith(place)
    assert "\n" not in found.span.text


@pytest.mark.parametrize(("text", "words"), [
    (b"a: b: c\n", "mapping values are not allowed"), (b"", "empty"), (b"# only a comment\n", "empty"),
    (b"a: *b\n", "undefined alias"), (b"network: \x01", "control characters"),
    ("é: \x01".encode(), "control characters"), (b"a: [1, 2\n", "expected"),
    (b"a: 1\n---\nb: 2\n", "another document"), (b'a: "\\ud800"\n', "invalid Unicode"), (b"%YAML 9.9\n---\na: 1\n", "YAML"),
    (b"[" * 100_000, "nesting"), (b"- " * 100_000, "nested deeper"),
    (b"? " * 50_000, "nested deeper"), (b"{a: " * 500, "nested deeper"),
])
def test_what_is_not_yaml_is_told_at_its_place(text: bytes, words: str, tmp_path: Path) -> None:
    found = of_config(text, tmp_path)
    assert (found.code, found.span is not None) == ("KC0520", True)
    assert words in found.message
    str(kc.CompileError(found))


def test_the_place_of_a_control_character_counts_characters(tmp_path: Path) -> None:
    found = of_config("# éééé\né: \x01\n", tmp_path)
    assert found.span is not None
    assert found.span.text == "\x01"


@pytest.mark.parametrize("text", [b"\xff\xfe", b"\x80", "a".encode("utf-16")])
def test_text_that_is_not_utf8_cannot_be_read(text: bytes, tmp_path: Path) -> None:
    assert of_config(text, tmp_path).code == "KC0501"


def test_bombs_of_aliases_cost_nothing(tmp_path: Path) -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]\n" for k in range(1, 60))
    started = time.perf_counter()
    assert of_config(bomb + CONFIG, tmp_path).code == "KC0501", "nobody looks at it"
    assert of_config(bomb + CONFIG.replace("num_node: 3", "num_node: *a59"), tmp_path).code == "KC0521"
    assert of_config("network: &n [*n]\n", tmp_path).code == "KC0521"
    assert of_config("network: &n\n  model: *n\n  net_struct: *n\nsimulation: {}\n", tmp_path).code == "KC0522"
    assert time.perf_counter() - started < 2.0


def test_huge_networks_and_many_layers_are_refused_at_once(tmp_path: Path) -> None:
    """Their devices are counted, not made."""
    torch.save({"circuit.layer_list.0.model.param": torch.randn(2, 18)}, tmp_path / "model.pth")
    largest = str(1 << 20)
    args = (f"{{num_channel: {largest}, width: {largest}, height: {largest}, neighbor_size: {largest}, padding: true, "
            f"fully_connect_node: {largest}, repeat: [{largest}, {largest}]}}")
    layer = f"- {{name: _mix_connect, args: {args}}}\n"
    count = 1000
    text = (f"network:\n  model: {{name: ShiftRelu1}}\n  net_struct:\n{('  ' + layer) * count}"
            f"simulation: {{t_end: [{', '.join(map(str, range(count + 1)))}]}}\n")
    started = time.perf_counter()
    found = diagnostics(_write(tmp_path / "config.yaml", text.encode()), tmp_path / "model.pth")
    assert {one.code for one in found} == {"KC0524"}
    assert len(found) == 100
    assert time.perf_counter() - started < 5.0


def test_a_huge_configuration_is_not_read(tmp_path: Path) -> None:
    found = of_config(b"a: " + b"x" * (1 << 20) + b"\n", tmp_path)
    assert found.code == "KC0501"
    assert "larger than" in found.message


def test_an_alias_may_stand_for_a_layer(tmp_path: Path) -> None:
    text = CONFIG.replace("  - args:", "  - &one\n    args:").replace("simulation:", "  - *one\nsimulation:") + "\n"
    (tmp_path / "config.yaml").write_text(text.replace("- 0.5", "- 0.5\n  - 1.0"))
    torch.save({f"circuit.layer_list.{k}.model.param": torch.randn(3, 18) for k in range(2)}, tmp_path / "model.pth")
    assert len(import_kirchhoffnet(tmp_path / "config.yaml", tmp_path / "model.pth").weights) == 6


def test_windows_line_ends_keep_the_places(tmp_path: Path) -> None:
    found = of_config(CONFIG.replace("ShiftTanh2", "ShiftTan2").replace("\n", "\r\n"), tmp_path)
    assert found.span is not None
    assert (found.span.text, found.span.source.position(found.span.start)) == ("ShiftTan2", (6, 11))


def test_mutated_configurations_never_end_in_a_traceback(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pieces = [b"&a ", b"*a", b"!!binary ", b"\t", b"[", b"}", b": ", b"- ", b"null", b"\x00", b"\xe9", b"1e400", b"|", b"'"]
    for _ in range(300):
        data = bytearray(CONFIG.encode())
        for _ in range(int(rng.integers(1, 4))):
            at = int(rng.integers(len(data)))
            data[at : at + int(rng.integers(0, 6))] = pieces[int(rng.integers(len(pieces)))]
        try:
            import_kirchhoffnet(_write(tmp_path / "config.yaml", bytes(data)), tmp_path / "missing.pth")
        except kc.KcompileError as error:
            str(error)


def _write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


# ---- checkpoints --------------------------------------------------------------------------------------------------------

KEY = "circuit.layer_list.0.model.param"


def saved(value: Any, **options: Any) -> bytes:
    out = io.BytesIO()
    torch.save(value, out, **options)
    return out.getvalue()


class Touch:
    """A pickle of this writes a file when it is opened."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mkdir, (str(self._path),)


def changed(data: bytes, name: str, content: bytes | None, compression: int = zipfile.ZIP_STORED) -> bytes:
    """The archive with another content of one file, or without it."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", compression) as new:
        for entry in old.infolist():
            body = old.read(entry)
            if entry.filename.endswith(name):
                if content is None:
                    continue
                body = content
            new.writestr(entry.filename, body)
    return out.getvalue()


GOOD = {KEY: torch.randn(3, 18)}

CHECKPOINTS: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "empty": (lambda: b"", "KC0523", "not a zip archive"),
    "text": (lambda: b"hello", "KC0523", "not a zip archive"),
    "old_format": (lambda: saved(GOOD, _use_new_zipfile_serialization=False), "KC0523", "not a zip archive"),
    "truncated": (lambda: saved(GOOD)[:-200], "KC0523", "not a zip archive"),
    "other_archive": (lambda: changed(saved(GOOD), "data.pkl", None), "KC0523", "data.pkl"),
    "no_storage": (lambda: changed(saved(GOOD), "data/0", None), "KC0523", ""),
    "short_storage": (lambda: changed(saved(GOOD), "data/0", b"1234"), "KC0523", ""),
    "no_pickle": (lambda: changed(saved(GOOD), "data.pkl", b"\x80\x02."), "KC0523", ""),
    "a_tensor": (lambda: saved(torch.randn(3, 18)), "KC0523", "it holds a Tensor"),
    "a_number": (lambda: saved(3), "KC0523", "it holds a int"),
    "no_key": (lambda: saved({}), "KC0524", "holds no arrays"),
    "wrong_key": (lambda: saved({"circuit.layer_list.1.model.param": GOOD[KEY]}), "KC0524", f"has no `{KEY}`"),
    "key_more": (lambda: saved({**GOOD, "projector.weight": torch.randn(2)}), "KC0524", "holds `projector.weight`"),
    "key_number": (lambda: saved({**GOOD, 7: torch.randn(2)}), "KC0524", "holds `7`"),
    "no_tensor": (lambda: saved({KEY: [1.0, 2.0]}), "KC0524", "is a list"),
    "rows": (lambda: saved({KEY: torch.randn(2, 18)}), "KC0524", "has the shape (2, 18), the configuration asks for (3, 18)"),
    "devices": (lambda: saved({KEY: torch.randn(3, 19)}), "KC0524", "has the shape (3, 19)"),
    "one_axis": (lambda: saved({KEY: torch.randn(54)}), "KC0524", "has the shape (54,)"),
    "whole": (lambda: saved({KEY: torch.ones(3, 18, dtype=torch.int64)}), "KC0524", "torch.int64"),
    "complex": (lambda: saved({KEY: torch.ones(3, 18, dtype=torch.complex64)}), "KC0524", "torch.complex64"),
    "sparse": (lambda: saved({KEY: torch.ones(3, 18).to_sparse()}), "KC0524", "torch.sparse_coo"),
    "nan": (lambda: saved({KEY: torch.full((3, 18), float("nan"))}), "KC0524", "is nan at [0, 0]"),
    "infinite": (lambda: saved({KEY: torch.cat([torch.ones(3, 17), torch.full((3, 1), -float("inf"))], 1)}), "KC0524",
                 "is -inf at [0, 17]"),
    "huge_view": (lambda: saved({KEY: torch.ones(1).expand(1 << 20, 1 << 20)}), "KC0524", "has the shape (1048576, 1048576)"),
    "many_parts": (lambda: _many_parts(), "KC0523", "70,000 parts"),
}


def _many_parts() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for k in range(70_000):
            archive.writestr(str(k), b"")
    return out.getvalue()


@pytest.mark.filterwarnings("ignore:Sparse")
@pytest.mark.parametrize("name", CHECKPOINTS)
def test_a_checkpoint_that_does_not_fit_is_refused(name: str, tmp_path: Path) -> None:
    make, code, words = CHECKPOINTS[name]
    (tmp_path / "config.yaml").write_text(CONFIG)
    found = diagnostics(tmp_path / "config.yaml", _write(tmp_path / "model.pth", make()))
    assert {one.code for one in found} == {code}
    assert words in found[0].message
    assert "model.pth" in found[0].message


def test_an_archive_that_unpacks_to_too_much_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kcompile.imports.checkpoint.MAX_CHECKPOINT", 1 << 22)
    (tmp_path / "config.yaml").write_text(CONFIG)
    bomb = changed(saved(GOOD), "data/0", b"\0" * (1 << 23), zipfile.ZIP_DEFLATED)
    assert len(bomb) < 20_000
    found = diagnostics(tmp_path / "config.yaml", _write(tmp_path / "model.pth", bomb))
    assert (found[0].code, "unpack to 8,3" in found[0].message) == ("KC0523", True)


def test_code_in_a_checkpoint_does_not_run(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)
    for value in ({KEY: Touch(tmp_path / "canary")}, Touch(tmp_path / "canary"), {**GOOD, "more": [Touch(tmp_path / "canary")]}):
        found = diagnostics(tmp_path / "config.yaml", _write(tmp_path / "model.pth", saved(value)))
        assert [one.code for one in found] == ["KC0523"]
        assert "would run code" in found[0].message
        assert not (tmp_path / "canary").exists()


def test_damaged_checkpoints_never_end_in_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)
    rng = np.random.default_rng(0)
    good = saved(GOOD)
    for _ in range(200):
        data = bytearray(good)
        for _ in range(int(rng.integers(1, 5))):
            data[int(rng.integers(len(data)))] = int(rng.integers(256))
        try:
            import_kirchhoffnet(tmp_path / "config.yaml", _write(tmp_path / "model.pth", bytes(data)))
        except kc.KcompileError as error:
            str(error)


@pytest.mark.parametrize("which", ["config.yaml", "model.pth"])
@pytest.mark.parametrize("how", ["missing", "folder", "nul"])
def test_files_that_cannot_be_read(which: str, how: str, tmp_path: Path) -> None:
    files = dict(zip(("config.yaml", "model.pth"), Published("ShiftTanh2", [("_fully_connect", {"num_node": 3})], [0, 1]).write(
        tmp_path), strict=True))
    files[which] = {"missing": tmp_path / "missing", "folder": tmp_path, "nul": tmp_path / "a\0b"}[how]
    assert [one.code for one in diagnostics(*files.values())] == ["KC0501"]
