"""Containers in which evaluations run: what a person states, and one file for each program's options."""
