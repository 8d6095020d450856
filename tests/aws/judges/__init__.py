"""Scripts that real clients run, each with the Python that has the client."""
