"""What a search learns from evaluations that are not complete."""
