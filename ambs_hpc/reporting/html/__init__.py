"""The report of a campaign as one HTML file: read, prepared, rendered, written."""
