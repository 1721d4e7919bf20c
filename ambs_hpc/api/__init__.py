"""Campaigns driven from Python, and what programs of ours share with that: no command line, no printing.

Nothing is imported here, so that the command line starts without it; `ambs_hpc` names what is public.
"""
