"""Clusters that joblib can send work to, one file each, found by the form of their address."""
