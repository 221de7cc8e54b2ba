"""Pictures of the report of two moons on SkyWater 130, as chromium shows the page:

    python -m benchmarks.report_pictures --out docs/figures

Takes some minutes: a few samples on transistors, a few in every corner, and 200 specimens on laws.
"""

from __future__ import annotations

import argparse
import io
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from kcompile.files import write_files

EXAMPLES = Path(__file__).parents[1] / "examples"
NAME = "two_moons_sky130"
COMMAND = ["report", f"{NAME}.kc", "--weights", f"{NAME}.safetensors", "--data", "moons", "--recipe", f"{NAME}.toml", "--samples",
           "6", "--corners", "--monte-carlo", "200"]
PARTS = {"overview": "header, #laws-and-transistors, #errors", "corners": "#corners", "mismatch": "#mismatch, #area"}
"""What of the page each picture shows, as CSS selects it."""
WIDTH, HEIGHT = 1100, 2400
"""Of the window that is cut to what it shows, in pixels."""
COLOURS = 256


def photograph(page: str, shown: str, folder: Path) -> bytes:
    """PNG of the parts of a page that a selector names."""
    style = f"<style>header, section {{ display: none }} :is({shown}) {{ display: block }} main {{ padding: 16px 20px }}</style>"
    path, shot = folder / "page.html", folder / "page.png"
    path.write_text(page.replace("</head>", f"{style}</head>"), encoding="utf-8")
    subprocess.run(["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                    f"--user-data-dir={folder / 'profile'}", f"--window-size={WIDTH},{HEIGHT}", f"--screenshot={shot}",
                    path.as_uri()], check=True, capture_output=True, timeout=120)
    picture = Image.open(shot).convert("RGB")
    pixels = np.asarray(picture)
    last = int(np.flatnonzero((pixels != pixels[-1, -1]).any(axis=(1, 2)))[-1])
    out = io.BytesIO()
    picture.crop((0, 0, WIDTH, last + 16)).quantize(COLOURS).save(out, "PNG", optimize=True)
    return out.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("docs/figures"), help="folder of the pictures")
    parser.add_argument("--page", type=Path, help="a page that was made before")
    given = parser.parse_args()
    if shutil.which("chromium") is None:
        sys.exit("chromium is not installed: make chromium")
    with tempfile.TemporaryDirectory() as folder:
        page = given.page
        if page is None:
            subprocess.run([sys.executable, "-m", "kcompile", *COMMAND, "-o", folder], cwd=EXAMPLES, check=True)
            page = Path(folder) / "TwoMoonsSky130.report.html"
        text = page.read_text(encoding="utf-8")
        write_files(given.out, {f"report_{name}.png": photograph(text, shown, Path(folder)) for name, shown in PARTS.items()})


if __name__ == "__main__":
    main()
