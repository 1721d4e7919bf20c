"""The families of launch commands: one file each, and their registry."""
