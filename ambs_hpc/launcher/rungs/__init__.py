"""What a launcher does for campaigns with a fidelity: it ends what pauses, and removes checkpoints."""
