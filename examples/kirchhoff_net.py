"""Random weights for kirchhoff_net.kc as published (normal, standard deviation sqrt(2 / devices)), and its verification."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import safetensors.numpy

import kcompile as kc

MODEL = Path(__file__).parent / "kirchhoff_net.kc"


def random_weights(circuit: kc.Circuit, seed: int) -> dict[str, np.ndarray]:
    """float64 array for each trainable parameter by its full name: `first.w.p0`, ..."""
    rng = np.random.default_rng(seed)
    shapes = {name: values.shape for name, values in circuit.parameters().items()}
    return {name: rng.normal(scale=np.sqrt(2.0 / shapes[name][0]), size=shapes[name]) for name in circuit.trainable()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("weights.safetensors"), help="file for `kcompile --weights`")
    arguments = parser.parse_args()

    circuit = kc.compile(MODEL)
    weights = random_weights(circuit, arguments.seed)
    safetensors.numpy.save_file(weights, arguments.out)
    report = kc.verify(kc.compile(MODEL, weights=weights, inputs=[0.5, -0.3]), tolerance=1e-6)
    print(f"wrote {arguments.out}; native against {report.tool}: {report.attempts[-1].worst:.1e} of full scale")
    return 0 if report.passed else 1


if __name__ == "__main__":
    sys.exit(main())
