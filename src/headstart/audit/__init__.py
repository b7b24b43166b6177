"""What can be wrong with the pictures, and what a person decides about it."""
