"""Circuits as generated C++: laws to source, source to a library, a library that integrates batches and their adjoint."""
