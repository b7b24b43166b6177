"""Features, labels and probabilities become what can be doubted: the data, the number, the single answer."""
