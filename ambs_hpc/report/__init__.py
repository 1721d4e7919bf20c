"""What happened: series computed from evaluations, and the one file that draws them."""
