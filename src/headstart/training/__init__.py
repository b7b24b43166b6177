"""Features and labels → a model."""
