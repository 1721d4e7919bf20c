"""What other problems have taught: their observations as surrogates beside the search's own."""
