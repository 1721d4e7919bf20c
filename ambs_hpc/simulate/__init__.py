"""A pretend machine on a virtual clock, with the real search, queue and launcher."""
