"""Circuits as differentiable modules with fixed steps, and their training from samples. All but data and recipes need torch."""
