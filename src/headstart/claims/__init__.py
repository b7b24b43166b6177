"""What the number is worth: transfer certificate, learning curve, accuracy by group, colours as a rival."""
