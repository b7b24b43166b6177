"""Pictures × backbone → arrays, computed once and kept."""
