"""Rows of networks that learn from points without answers."""
