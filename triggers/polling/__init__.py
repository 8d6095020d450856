"""Event source mappings: the pull model, shared by streams and queues."""
