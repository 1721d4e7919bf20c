"""With which sources and programs a campaign runs: found, and compared."""
