"""A model outside the process that trained it."""
