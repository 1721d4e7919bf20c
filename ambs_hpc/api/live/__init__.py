"""The report of a campaign served to browsers while it changes: one computation for all who watch."""
