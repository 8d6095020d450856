"""Functions in processes of their own: a supervisor, a runtime, and the Lambda Runtime API between them and the bus."""
