"""The search methods: one file each, with a function `create`; the registry names them."""
