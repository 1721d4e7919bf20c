"""What becomes of evaluations at rungs, and of the checkpoints that they leave."""
