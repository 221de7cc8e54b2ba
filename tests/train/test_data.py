"""Samples of every source, their checks, and the split: what a file says is what a training sees, or a message at its place."""

from __future__ import annotations

import gzip
import importlib
import struct
from pathlib import Path

import numpy as np
import pytest

from kcompile.diagnostics import KcompileError, UsageError, render_text
from kcompile.train.data import Data, check_fit, make_data, read_samples
from kcompile.train.sources.base import Samples

RNG = np.random.default_rng(0)


def data(samples: Samples, *, labels: bool = True, validation: float = 0.25, test: float = 0.2, seed: int = 0) -> Data:
    return make_data("set", samples, labels=labels, validation=validation, test=test, seed=seed)


def message(function, *arguments, **named) -> str:
    with pytest.raises(KcompileError) as caught:
        function(*arguments, **named)
    return render_text(caught.value.diagnostics)


# ---- sources ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "shape", "classes"), [
    ("moons", (2000, 2), 2), ("circles", (2000, 2), 2), ("digits", (1797, 1, 8, 8), 10), ("iris", (150, 4), 3),
    ("wine", (178, 13), 3), ("breast_cancer", (569, 30), 2), ("diabetes", (442, 10), 0), ("friedman1", (2000, 10), 0)])
def test_scikit_learn(name: str, shape: tuple[int, ...], classes: int) -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    samples = read_samples(name)
    assert samples.inputs.shape == shape
    assert samples.targets.dtype == (np.int64 if classes else np.float64)
    assert data(samples, labels=bool(classes)).classes == classes
    again = read_samples(name)
    np.testing.assert_array_equal(samples.inputs, again.inputs)


def test_california_housing_comes_from_the_cache_and_never_from_the_network(tmp_path: Path,
                                                                           monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns of the cache: value in dollars, income, age, rooms, bedrooms, people, households, latitude, longitude."""
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    import joblib

    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))
    found = message(read_samples, "california_housing")
    assert "KC0560" in found and "is not in the cache of scikit-learn" in found and "fetch_california_housing" in found
    assert not list(tmp_path.iterdir())
    joblib.dump(np.array([[150_000.0, 3, 20, 500, 100, 300, 100, 38, -122]] * 5), tmp_path / "cal_housing_py3.pkz")
    samples = read_samples("california_housing")
    np.testing.assert_array_equal(samples.inputs, [[3, 20, 5, 1, 300, 3, 38, -122]] * 5)
    np.testing.assert_array_equal(samples.targets, [[1.5]] * 5)
    assert samples.classes == ()


def test_npz_with_its_own_test_part(tmp_path: Path) -> None:
    pixels = RNG.integers(0, 256, (10, 3, 4), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", x_train=pixels, y_train=np.arange(10) % 2, x_test=pixels[:3], y_test=np.ones(3, dtype=int))
    made = data(read_samples(str(tmp_path / "a.npz")))
    assert made.image == (1, 3, 4) and (made.train.count, made.validation.count, made.test.count) == (8, 2, 3)
    np.testing.assert_array_equal(made.test.inputs, (pixels[:3] / 255.0).reshape(3, 12).astype(np.float32))


def test_npz_of_numbers(tmp_path: Path) -> None:
    x, y = RNG.normal(size=(20, 3)), RNG.normal(size=(20, 2))
    np.savez(tmp_path / "a.npz", x=x, y=y)
    made = data(read_samples(str(tmp_path / "a.npz")), labels=False)
    assert made.numbers == 2 and made.classes == 0 and made.image is None
    held = np.concatenate([part.inputs for part in (made.train, made.validation, made.test)])
    np.testing.assert_array_equal(np.sort(held[:, 0]), np.sort(x[:, 0].astype(np.float32)))


def test_npz_runs_nothing(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.array([object()]), y=np.arange(1))
    assert "KC0501" in message(read_samples, str(tmp_path / "a.npz"))


@pytest.mark.parametrize(("arrays", "said"), [
    ({"a": np.ones(3)}, "holds a"), ({"x": np.array(["a"]), "y": np.ones(1)}, "of type <U1"),
    ({"x": np.float64(3), "y": np.ones(1)}, "shape ()")])
def test_npz_with_other_arrays(tmp_path: Path, arrays: dict, said: str) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    found = message(read_samples, str(tmp_path / "a.npz"))
    assert "KC0561" in found and said in found


def test_csv_names_classes_and_takes_any_target_column(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('kind,a,"b, c"\ncat,1,2\n"dog",3,4e0\ncat,-5,6\n')
    samples = read_samples(str(tmp_path / "a.csv"), "kind")
    np.testing.assert_array_equal(samples.inputs, [[1, 2], [3, 4], [-5, 6]])
    assert samples.classes == ("cat", "dog") and samples.targets.tolist() == [0, 1, 0]
    (tmp_path / "b.csv").write_text("# measured\r\na,y\r\n1,0.5\r\n\r\n2,1.5\r\n")
    np.testing.assert_array_equal(read_samples(str(tmp_path / "b.csv")).targets, [[0.5], [1.5]])


@pytest.mark.parametrize(("text", "place", "said"), [
    ("a,b\n1,2\n3\n", "3:1", "1 values where the header names 2"), ("a,b\n1,2\nx,4\n", "3:1", "column `a` takes numbers"),
    ("1,2\n3,4\n", "1:1", "these are numbers"), ('a,b\n"1,2\n', "2:", "not a line of a table"), ("a\n1\n", "1:1", "two columns")])
def test_csv_mistakes_have_a_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, place: str, said: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text(text)
    found = message(read_samples, "a.csv")
    assert "KC0561" in found and f"--> a.csv:{place}" in found and said in found


def test_csv_of_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("")
    assert "KC0561" in message(read_samples, str(tmp_path / "a.csv"))
    (tmp_path / "a.csv").write_text("a,b\n")
    assert "KC0564" in message(data, read_samples(str(tmp_path / "a.csv")))
    (tmp_path / "a.csv").write_text("size,kind\n1,2\n")
    assert "did you mean `size`?" in message(read_samples, str(tmp_path / "a.csv"), "sise")


def idx(values: np.ndarray) -> bytes:
    return b"\0\0\x08" + bytes([values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def write_mnist(folder: Path, suffix: str = "") -> np.ndarray:
    pixels = RNG.integers(0, 256, (12, 5, 4), dtype=np.uint8)
    pack = gzip.compress if suffix else bytes
    for part, count in (("train", 12), ("t10k", 4)):
        (folder / f"{part}-images-idx3-ubyte{suffix}").write_bytes(pack(idx(pixels[:count])))
        (folder / f"{part}-labels-idx1-ubyte{suffix}").write_bytes(pack(idx((np.arange(count) % 3).astype(np.uint8))))
    return pixels


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx(tmp_path: Path, suffix: str) -> None:
    pixels = write_mnist(tmp_path, suffix)
    for text in (tmp_path, tmp_path / f"train-images-idx3-ubyte{suffix}"):
        samples = read_samples(str(text))
        np.testing.assert_array_equal(samples.inputs, (pixels[:, None] / 255.0).astype(np.float32))
        assert samples.targets.tolist() == [k % 3 for k in range(12)]
        assert samples.test is not None and samples.test[0].shape == (4, 1, 5, 4)


@pytest.mark.parametrize(("change", "code"), [
    (lambda b: b[:-1], "KC0561"), (lambda b: b + b"\0", "KC0561"), (lambda b: b"\1" + b[1:], "KC0561"), (lambda b: b"", "KC0561"),
    (lambda b: b[:4] + b"\xff" * 12 + b[16:], "KC0561"), (lambda b: b[:9], "KC0561")])
def test_idx_that_lies(tmp_path: Path, change, code: str) -> None:
    write_mnist(tmp_path)
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(change(path.read_bytes()))
    assert code in message(read_samples, str(tmp_path))


@pytest.mark.parametrize(("change", "code"), [
    (lambda b: b[:20], "KC0561"), (lambda b: b"no gzip", "KC0501"), (lambda b: b"", "KC0561")])
def test_idx_that_does_not_unpack(tmp_path: Path, change, code: str) -> None:
    write_mnist(tmp_path, ".gz")
    path = tmp_path / "train-labels-idx1-ubyte.gz"
    path.write_bytes(change(path.read_bytes()))
    assert code in message(read_samples, str(tmp_path))


def test_idx_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_mnist(tmp_path, ".gz")
    monkeypatch.setattr(importlib.import_module("kcompile.train.sources.idx"), "MAX_INPUT_BYTES", 1 << 20)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(bytes(1 << 24)))
    assert "KC0501" in message(read_samples, str(tmp_path))


def test_cifar_in_binary(tmp_path: Path) -> None:
    records = RNG.integers(0, 256, (6, 3073), dtype=np.uint8)
    records[:, 0] %= 10
    (tmp_path / "data_batch_1.bin").write_bytes(records[:4].tobytes())
    (tmp_path / "data_batch_2.bin").write_bytes(records[4:].tobytes())
    (tmp_path / "test_batch.bin").write_bytes(records[:2].tobytes())
    samples = read_samples(str(tmp_path))
    np.testing.assert_array_equal(samples.inputs, (records[:, 1:].reshape(6, 3, 32, 32) / 255.0).astype(np.float32))
    assert samples.targets.tolist() == records[:, 0].tolist() and samples.test is not None and len(samples.classes) == 10
    (tmp_path / "data_batch_2.bin").write_bytes(b"\0" * 3000)
    assert "KC0561" in message(read_samples, str(tmp_path))


def test_cifar_in_pickles_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data_batch_1").write_bytes(b"cos\nsystem\n(S'touch owned'\ntR.")
    for text in (tmp_path, tmp_path / "data_batch_1"):
        found = message(read_samples, str(text))
        assert "KC0561" in found and "pickles" in found and "binary version" in found
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("text", ["moon", "", "a/b", "nothing.xyz", "a\0b", "x" * 5000, "\x1b[31m.csv"])
def test_what_names_no_data(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = message(read_samples, text)
    assert ("KC0560" in found or "KC0501" in found) and "\x1b" not in found and len(found) < 2000


def test_a_target_column_of_what_has_none(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.ones((2, 1)), y=np.zeros(2))
    assert "KC0567" in message(read_samples, str(tmp_path / "a.npz"), "y")


def test_arrays() -> None:
    assert read_samples((np.zeros((3, 5, 4), dtype=np.uint8), [0, 1, 0])).inputs.shape == (3, 1, 5, 4)
    assert read_samples(([[1, 2], [3, 4]], [0.5, 1.5])).targets.tolist() == [[0.5], [1.5]]
    for wrong in ((["a"], [0]), ([[1.0]], None), (3.0, [0])):
        assert "KC0503" in message(read_samples, wrong)


# ---- checks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("x", "y", "labels", "said"), [
    ([[1.0], [np.nan]], [0, 1], True, "KC0562]: input 0 of sample 1 is nan"),
    ([[1.0], [1e300]], [0, 1], True, "KC0562]: input 0 of sample 1 is 1e+300"),
    ([[1.0], [2.0]], [0, -1], True, "KC0562]: the class of sample 1 is -1"),
    ([[1.0], [2.0]], [0, 0.5], True, "KC0562]: the class of sample 1 is 0.5"),
    ([[1.0], [2.0]], [0, 255], True, "KC0562]: the class of sample 1 is 255"),
    ([[1.0], [2.0]], [[0.0, 1.0], [1.0, 0.0]], True, "KC0562]: a target of shape (2,)"),
    ([[1.0], [2.0]], [[0.0], [np.inf]], False, "KC0562]: target 0 of sample 1 is inf"),
    ([[1.0], [2.0]], [0], True, "KC0561]: there are 2 samples and 1 targets"),
    (np.zeros((0, 3)), np.zeros(0), True, "KC0564]: there is no sample"),
    (np.zeros((3, 0)), np.zeros(3), True, "KC0564]: there is no sample"),
    ([[1.0], [2.0]], [0, 1], True, "KC0564]: set holds 2 samples, of which 1 are left")])
def test_values_that_cannot_be_learned(x: list, y: list, labels: bool, said: str) -> None:
    assert said in message(data, Samples(np.array(x), np.array(y)), labels=labels, test=0.5, validation=0.0)


def test_parts_are_apart_whole_and_fixed_by_the_seed() -> None:
    samples = Samples(np.arange(100.0)[:, None], np.arange(100) % 2)
    first, again, other = data(samples), data(samples), data(samples, seed=1)
    rows = [part.inputs[:, 0].tolist() for part in (first.train, first.validation, first.test)]
    assert [len(part) for part in rows] == [60, 20, 20]
    assert sorted(value for part in rows for value in part) == list(range(100))
    assert first.digest == again.digest != other.digest
    with pytest.raises(ValueError):
        first.train.inputs[0, 0] = 1.0


@pytest.mark.parametrize(("inputs", "outputs", "pair", "said"), [
    (3, 2, False, "has 2 inputs, the circuit declares 3 `input` nodes"), (2, 1, False, "2 classes need 2 `output` nodes"),
    (2, 2, True, "2 classes need 4 `output` nodes"), (2, 5, True, "2 classes need 4 `output` nodes")])
def test_data_that_do_not_fit_the_circuit(inputs: int, outputs: int, pair: bool, said: str) -> None:
    made = data(Samples(np.zeros((10, 2)), np.arange(10) % 2))
    check_fit(made, 2, 4 if pair else 2, pair)
    check_fit(made, 2, 6, pair)  # a circuit for more classes than occur
    found = message(check_fit, made, inputs, outputs, pair)
    assert "KC0563" in found and said in found


def test_numbers_take_exactly_their_outputs() -> None:
    made = data(Samples(np.zeros((10, 2)), np.zeros((10, 2))), labels=False)
    check_fit(made, 2, 2, False)
    with pytest.raises(UsageError):
        check_fit(made, 2, 3, False)
