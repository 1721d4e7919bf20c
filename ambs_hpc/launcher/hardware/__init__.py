"""What the kernel says about this machine: limits of control groups, GPUs."""
