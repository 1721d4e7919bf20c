"""The loop inside an allocation: lease, place, start, watch, report.

Nothing is re-exported here: the process that starts evaluations imports this package too, and has to stay
small.
"""
