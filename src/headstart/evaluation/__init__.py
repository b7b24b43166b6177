"""Probabilities and labels → what can be claimed."""
