"""The process beside evaluations that starts them, keeps their limits and reports how they ended.

It runs on every node, so it imports the standard library only.
"""
