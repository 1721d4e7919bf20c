"""Why slots are idle, and how allocations stand, from rows and what schedulers say."""
