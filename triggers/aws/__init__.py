"""The wire: existing code that talks to AWS talks to the bus, unchanged.

    clients   `with AWS(bus):`, in this process and without a socket
    app       the same for an ASGI server; `serving` runs one, and `eventbus serve` runs that
    front     one request in, one response out: routing, signing, identity, protocols, services

Needs the extra `eventbus[aws]`, and `eventbus[server]` for a port.
"""

from __future__ import annotations

from triggers.aws.clients import AWS

__all__ = ["AWS"]
