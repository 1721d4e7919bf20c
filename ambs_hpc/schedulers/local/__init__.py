"""This machine in the place of a scheduler."""
