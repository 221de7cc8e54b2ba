"""Descriptions of processes in `pdk_models/`: typed, validated, and checked against circuits."""
