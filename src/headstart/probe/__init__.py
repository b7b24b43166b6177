"""Heads on frozen rows, chosen by cross-validation, and the honest figure of that choice."""
