"""How a launcher starts evaluations: one executor a file or folder, chosen in `registry`."""
