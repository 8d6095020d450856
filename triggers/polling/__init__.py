"""Event source mappings: the pull model, shared by streams and queues. `Function.poll` makes them."""

from triggers.polling.errors import ResourceInUse
from triggers.polling.mapping import EventSourceMapping, mapped_function
from triggers.polling.mappings import Mappings, poll_queue, poll_stream
from triggers.polling.settings import MappingSettings

__all__ = [
    "EventSourceMapping",
    "MappingSettings",
    "Mappings",
    "ResourceInUse",
    "mapped_function",
    "poll_queue",
    "poll_stream",
]
