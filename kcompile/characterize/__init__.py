"""Cells measured on the models of their foundry in ngspice, and the constants of their laws that follow."""
