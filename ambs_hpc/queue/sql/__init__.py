"""How we talk to the database: engine, transactions, clock, and what differs between the two databases."""
