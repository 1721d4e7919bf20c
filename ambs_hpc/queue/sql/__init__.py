"""How the database is spoken to: engine, transactions, clock, and what differs between the databases."""
