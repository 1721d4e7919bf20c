"""A campaign with a fidelity in virtual time, before anything is spent."""
