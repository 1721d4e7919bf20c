"""What node-hours were spent on: every second of every node of every allocation."""
