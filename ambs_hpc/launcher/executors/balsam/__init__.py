"""Evaluations handed to a Balsam site, whose own launcher packs them."""
