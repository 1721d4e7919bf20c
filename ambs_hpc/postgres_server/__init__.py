"""A private PostgreSQL for people without root: initdb with scram-sha-256, TLS, generated passwords."""
