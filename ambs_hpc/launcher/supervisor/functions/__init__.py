"""A person's function: what it can be called with, and a trial import of its module."""
