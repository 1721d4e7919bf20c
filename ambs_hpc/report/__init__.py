"""Reports of campaigns: series computed from evaluations, and the figures of them."""
