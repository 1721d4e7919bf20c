"""A persistent pool of workers over the nodes, through Parsl's HighThroughputExecutor."""
