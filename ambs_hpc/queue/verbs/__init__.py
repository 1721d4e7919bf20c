"""Everything that changes the queue; a verb takes a connection first and never commits."""
