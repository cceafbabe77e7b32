"""Perceptrons whose layers learn without answers first, one after the other."""
