"""Loads with several objectives, or within constraints, and what a simulation of one has found."""
