"""What several commands have in common: options, output, progress, what they do before they start."""
