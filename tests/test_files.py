"""Files that are written: old or new whatever happens, and the same bytes whatever the machine is like."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import stat
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from kcompile.diagnostics import UsageError
from kcompile.files import manifest, sha256, write_files

ROOT = Path(__file__).parent.parent
NAMES = ("T.spice", "T_tb.cir", "T.map.json", "T.manifest.json")

# Writes generation after generation of four files; the manifest, the last, holds the hashes of the others.
WRITER = textwrap.dedent("""
    import itertools, os, signal, sys
    from pathlib import Path
    from kcompile.files import manifest, write_files
    names, stop = {names!r}, int(sys.argv[2])
    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # nohup, or a shell in the background, ignores some
        signal.signal(one, signal.default_int_handler if one == signal.SIGINT else signal.SIG_DFL)
    replace, done = os.replace, 0
    def counted(*paths):
        global done
        if stop >= 0 and done == stop:
            os.kill(os.getpid(), int(sys.argv[3]))
        done += 1
        replace(*paths)
    os.replace = counted
    for k in itertools.count(1):
        files = {{name: f"{{k}} {{name}}\\n" * 20_000 for name in names[:-1]}}
        files[names[-1]] = manifest("0", [str(k)], {{}}, {{}}, files)
        write_files(Path(sys.argv[1]), files)
        print(k, flush=True)
""").format(names=NAMES)


def start(folder: Path, stop: int, number: int = signal.SIGKILL) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", WRITER, str(folder), str(stop), str(int(number))], stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL, text=True, cwd=ROOT)


def generations(folder: Path) -> dict[str, int]:
    """Generation of each file; every file is a whole one."""
    found = {}
    for name in NAMES[:-1]:
        text = (folder / name).read_text()
        found[name] = int(text.split(" ", 1)[0])
        assert text == f"{found[name]} {name}\n" * 20_000, f"half of {name}"
    made = json.loads((folder / NAMES[-1]).read_text())
    found[NAMES[-1]] = int(made["command"][0])
    return found


def check_set(folder: Path) -> None:
    """Each file is old or new; a new manifest stands beside new files only, and tells when a set is mixed."""
    found = generations(folder)
    last = found[NAMES[-1]]
    assert set(found.values()) <= {last, last + 1}
    hashes = json.loads((folder / NAMES[-1]).read_text())["files"]
    fits = all(hashes[name] == sha256((folder / name).read_bytes()) for name in NAMES[:-1])
    assert fits == (len(set(found.values())) == 1)


def test_killed_at_any_time(tmp_path: Path) -> None:
    """20 processes killed at a random instant of their writing."""
    rng = random.Random(1)
    for k in range(20):
        folder = tmp_path / str(k)
        with start(folder, -1) as process:
            assert process.stdout is not None
            process.stdout.readline()  # one generation is complete
            time.sleep(rng.uniform(0.0, 0.05))
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        check_set(folder)


@pytest.mark.parametrize("stop", range(4, 9))
def test_killed_between_two_files(stop: int, tmp_path: Path) -> None:
    """The second generation is killed before its 1st, 2nd, 3rd, 4th file takes its place, the third before its first."""
    with start(tmp_path, stop) as process:
        process.communicate(timeout=20)
    assert process.returncode == -signal.SIGKILL
    check_set(tmp_path)
    found = generations(tmp_path)
    assert list(found.values()) == [2] * (stop - 4) + [1] * (8 - stop)
    # The next run is not hindered by what was left.
    write_files(tmp_path, dict.fromkeys(NAMES, "new"))
    assert {(tmp_path / name).read_text() for name in NAMES} == {"new"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("stop", range(4, 8))
def test_interrupted_between_two_files_all_of_them_change(stop: int, number: int, tmp_path: Path) -> None:
    with start(tmp_path, stop, number) as process:
        process.communicate(timeout=20)
    assert process.returncode not in (0, None)
    assert set(generations(tmp_path).values()) == {2}
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(NAMES)


def test_a_failure_leaves_the_old_files_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(tmp_path, {"a": "old a", "b": "old b"})
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(UsageError, match=r"KC0513.*No space left on device"):
        write_files(tmp_path, {"a": "new a", "b": "new b"})
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "old a", "b": "old b"}


def test_an_interruption_leaves_the_old_files_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(tmp_path, {"a": "old a", "b": "old b"})
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        write_files(tmp_path, {"a": "new a", "b": "new b"})
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "old a", "b": "old b"}


def test_files_have_the_permissions_of_the_user(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_files(tmp_path / "new" / "folder", {"a": b"\x00\xff", "b": "é\n"})
    finally:
        os.umask(before)
    made = tmp_path / "new" / "folder"
    assert stat.S_IMODE((made / "a").stat().st_mode) == 0o640
    assert ((made / "a").read_bytes(), (made / "b").read_bytes()) == (b"\x00\xff", b"\xc3\xa9\n")


@pytest.mark.parametrize("folder", ["/proc/none", "file", "file/below", "a" * 300])
def test_a_folder_that_cannot_be(folder: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="KC0513"):
        write_files(tmp_path / folder, {"a": "text"})


def test_a_manifest_has_no_date_and_sorts_its_names() -> None:
    one = manifest("1", ["kcompile"], {"b": "x", "a": "y"}, {"rtol": None}, {"d": "z", "c": b"z"})
    assert one == manifest("1", ["kcompile"], {"a": "y", "b": "x"}, {"rtol": None}, {"c": "z", "d": "z"})
    assert json.loads(one)["sources"]["a"] == hashlib.sha256(b"y").hexdigest()


# ---- the same bytes ---------------------------------------------------------------------------------------------------

MODEL = """use std.passive: Capacitor, Inductor;
use std.kirchhoff: ShiftRelu, ShiftTanh;
use "values.kc";
circuit Cell(a) { node y; Capacitor(y, gnd) { c = c0 }; ShiftRelu w(a, y) { k = 0.3 S }; }
circuit Net {
    node x[3], a[4] rail [-4 V, 4 V];
    Capacitor(m, gnd) { c = c0 } for m in x + a;
    Inductor L1(a[0], gnd) { l = 1 H };
    Cell cell[k](a[k]) for k in 0..3;
    phase mix for 1 s { ShiftTanh w(x[j], a[j]) { i0 = 0.1 A * (j + 1) } for j in 0..3; }
    phase read for 500 ms { ShiftRelu r(x[j], a[k]) { k = 0.7 S / (j + k + 1) } for j in 0..3, k in 0..4; }
    input a;
    output x;
}
"""

# What differs; a locale that is not installed is one that a user may have named all the same.
PLAIN = {"PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8", "TZ": "UTC", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
MACHINES = (
    {"PYTHONHASHSEED": "4711", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "OMP_NUM_THREADS": "4",
     "OPENBLAS_NUM_THREADS": "4"},
    {"PYTHONHASHSEED": "17", "LC_ALL": "de_DE.UTF-8", "TZ": "Pacific/Kiritimati", "OMP_NUM_THREADS": "2"},
    {"PYTHONHASHSEED": "99", "LC_ALL": "tr_TR.UTF-8", "TZ": "America/St_Johns", "SOURCE_DATE_EPOCH": "1"},
)
COMMANDS = (
    ["net.kc", "--input", "1,2,-3,0.5", "-o", "out"], ["net.kc", "--target", "ir", "-o", "ir"],
    ["net.kc", "--dialect", "xyce", "-o", "xyce"], ["simulate", "net.kc", "--input", "1,2,-3,0.5", "--out", "a.csv"],
    ["simulate", "net.kc", "--out", "a.npz", "--points", "9"], ["view", "net.kc", "--out", "a.svg"])
"""Relative commands, so that the manifest, which holds the command line, is the same in every folder."""
SCRIPT = """import sys, kcompile.cli
for words in {commands!r}:
    sys.argv = ["kcompile", *words]
    try:
        kcompile.cli.main()
    except SystemExit as stopped:
        assert not stopped.code, words
"""


def made(folder: Path, machine: dict[str, str]) -> dict[str, bytes]:
    """Files by name: netlists, canonical text, manifests, waveforms and a picture."""
    folder.mkdir()
    (folder / "net.kc").write_text(MODEL)
    (folder / "values.kc").write_text("const c0 = 1 F;\n")
    subprocess.run([sys.executable, "-c", SCRIPT.format(commands=COMMANDS)], cwd=folder, env={**os.environ, **machine},
                   check=True, capture_output=True)
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_same_bytes_on_every_machine(tmp_path: Path) -> None:
    plain = made(tmp_path / "plain", PLAIN)
    assert len(plain) == 2 + 4 + 2 + 4 + 3
    for k, machine in enumerate(MACHINES):
        other = made(tmp_path / f"another folder {k}", machine)
        assert other.keys() == plain.keys()
        assert [path for path, content in plain.items() if other[path] != content] == [], machine
    for path, content in plain.items():
        for trace in (str(tmp_path), str(ROOT), time.strftime("%Y-%m")):
            assert trace.encode() not in content or path.endswith(".npz"), f"{trace} in {path}"


def test_a_folder_in_the_place_of_one_file_leaves_the_others(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    (tmp_path / "b").mkdir()
    with pytest.raises(UsageError, match=r"KC0513.*b is a folder"):
        write_files(tmp_path, {"a": "new", "b": "new"})
    assert (tmp_path / "a").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
