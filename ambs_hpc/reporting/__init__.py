"""Reports of campaigns: series computed from evaluations, the figures of them, and the HTML report."""
