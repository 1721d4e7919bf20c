"""Allocations through a Balsam site, and the one place that speaks with Balsam's service."""
