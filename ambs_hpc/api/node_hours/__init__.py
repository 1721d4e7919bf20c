"""The ledger of node-hours: read, compared with schedulers, and in words."""
