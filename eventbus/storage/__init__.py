"""What survives: rows of bytes in named spaces, changed in batches that are written as one transaction."""
