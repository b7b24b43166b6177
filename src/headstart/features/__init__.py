"""Images × backbone → arrays, computed once and kept."""
