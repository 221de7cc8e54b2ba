"""A wheel built from the sdist, installed into a clean environment, has every data file and works."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parent.parent


def run(*command: str | Path, cwd: Path) -> str:
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run([str(c) for c in command], cwd=cwd, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_wheel_from_sdist_in_a_clean_environment(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    names = ("kcompile", "grammar", "templates", "pdk_models", "pyproject.toml", "README.md", "LICENSE", "examples")
    for name in names:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, checkout / name) if checkout.exists() else (checkout.mkdir(), copy(ROOT / name, checkout / name))
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", tmp_path / "dist", checkout, cwd=tmp_path)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    shutil.rmtree(checkout)

    # The dependencies come from this environment, the package only from the wheel.
    clean = tmp_path / "clean"
    venv.create(clean, with_pip=False)
    (site,) = clean.glob("lib/python*/site-packages")
    here = next(Path(p) for p in sys.path if p.endswith("site-packages"))
    run(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", site, wheel, cwd=tmp_path)
    for entry in here.iterdir():
        if "kcompile" not in entry.name.lower() and not (site / entry.name).exists():
            (site / entry.name).symlink_to(entry)

    python = clean / "bin" / "python"
    where = run(python, "-c", "import kcompile; print(kcompile.__file__)", cwd=tmp_path)
    assert str(site) in where
    for folder in ("grammar", "templates", "pdk_models"):
        listed = run(python, "-c", f"from kcompile.resources import data_folder; d = data_folder({folder!r}); "
                     "print(*sorted(str(p.relative_to(d)) for p in d.rglob('*') if p.is_file()))", cwd=tmp_path).split()
        assert listed == sorted(str(p.relative_to(ROOT / folder)) for p in (ROOT / folder).rglob("*") if p.is_file())
    model = tmp_path / "model.kc"
    shutil.copy(ROOT / "examples" / "low_pass.kc", model)
    run(python, "-m", "kcompile", model, "--until", "1us", "-o", tmp_path / "out", cwd=tmp_path)
    assert (tmp_path / "out" / "LowPass.spice").read_text() == _from_checkout(model, tmp_path)
    assert "KC0301" in run(python, "-m", "kcompile", "explain", "KC0301", cwd=tmp_path)


def _from_checkout(model: Path, tmp_path: Path) -> str:
    run(sys.executable, "-m", "kcompile", model, "--until", "1us", "-o", tmp_path / "here", cwd=ROOT)
    return (tmp_path / "here" / "LowPass.spice").read_text()
