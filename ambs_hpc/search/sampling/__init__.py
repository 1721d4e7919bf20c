"""Legal configurations: drawn from the whole space, listed, constructed, and moved from known ones."""
