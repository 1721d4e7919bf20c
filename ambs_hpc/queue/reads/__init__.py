"""Everything that only reads the queue; a read takes a connection first and imports no verb."""
