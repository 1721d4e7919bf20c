"""What is done on a node before its first evaluation; standard library only, as all of the supervisor."""
