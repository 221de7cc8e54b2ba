"""Confirmation by outside tools: one file per tool, each with a clear message when it is not installed."""
