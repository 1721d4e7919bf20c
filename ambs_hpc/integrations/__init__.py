"""Front ends of other libraries; each imports its own library, and needs the extra of its name."""
