"""Whether the allocation around a launcher is still its own."""
