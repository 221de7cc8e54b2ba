"""Passes: circuit in, circuit out, each with a contract and facts about what it did."""
