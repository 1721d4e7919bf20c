"""What a launcher is told for its life, and what ends it."""
