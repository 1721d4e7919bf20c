"""The objective is tried before anything is spent: its module imported once, its signature compared."""
