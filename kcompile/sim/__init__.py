"""Simulation in float64: circuit to arrays, kernels from symbolic laws, the time loop, named waveforms."""
