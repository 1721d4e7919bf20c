"""Everything that only reads the queue."""
