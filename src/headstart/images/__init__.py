"""Pictures on disk become labelled, split, decoded arrays."""
