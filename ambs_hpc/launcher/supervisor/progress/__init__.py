"""What evaluations tell of themselves while they run: told, read from their files, gathered."""
