"""What searches and launchers do beside their loop, in a thread that may be lost: notices, provenance."""
