"""What a launcher holds of the queue: the attempts, when they start, how many more it leases, and when."""
