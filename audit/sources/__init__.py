"""Seam: one module per kind of place that audit lines come from."""
