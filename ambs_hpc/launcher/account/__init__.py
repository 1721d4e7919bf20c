"""What a launcher tells of how its slots are used."""
