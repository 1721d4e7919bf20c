"""Search for several objectives, and within constraints on metrics."""
