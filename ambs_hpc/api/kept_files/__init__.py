"""What evaluations left in their folders, and what is made of it."""
