"""What a client can ask of the bus itself, below `/_eventbus/`.

    GET  health                      {"status": "running", "services": [...]}
    GET  statistics                  what was accepted, finished, ... , as bus.statistics() counts it
    GET  trace                       the tree of what happened, as text
    GET  queues                      every queue of SQS: visible, in flight, delayed
    GET  dead-letters                every event that the bus gave up on
    GET  clock                       {"now": ..., "is_virtual": ...}
    POST clock/advance               {"seconds": 60}: move a virtual clock
    POST wait-idle                   {"timeout": 10}: until nothing is queued, running or waiting; 408 after that time
    POST reset                       empty buckets, queues and the dead-letter list; drop what was made over the wire

A POST needs the header `Content-Type: application/json`, which no form of a web page can send.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import attrs

from eventbus.clock import VirtualClock
from eventbus.timestamps import iso_time
from triggers.aws import resetting
from triggers.aws.http import Request, Response
from triggers.aws.protocols.json import dump, load

if TYPE_CHECKING:
    from triggers.aws.front import Front

LONGEST = 1e9
"""Seconds by which a clock can be moved at once."""


class Control:
    """Answers control calls."""

    def __init__(self, front: Front) -> None:
        self._front = front
        self._bus = front.bus
        self._declared: set[str] | None = None
        """ARNs of what was there before the first request: code declared it, and a reset leaves it."""

    async def answer(self, request: Request) -> Response:
        """Answer a request below `/_eventbus/`."""
        name = request.path.removeprefix("/_eventbus/").strip("/")
        calls = _READING if request.method == "GET" else _CHANGING if request.method == "POST" else {}
        call = calls.get(name)
        if call is None:
            return _json(404, {"error": f"there is nothing at {request.method} {request.path[:200]}"})
        given: Any = {}
        if request.method == "POST":
            if request.content_type != "application/json":
                return _json(415, {"error": "send Content-Type: application/json"})
            try:
                given = load(request.body) if request.body else {}
            except ValueError as error:
                return _json(400, {"error": str(error)})
        return await call(self, given if isinstance(given, dict) else {})

    # -- reading ------------------------------------------------------------------------------------------------------

    async def health(self, given: dict[str, Any]) -> Response:
        return _json(200, {"status": "running" if self._bus.is_running else "not running"})

    async def statistics(self, given: dict[str, Any]) -> Response:
        return _json(200, attrs.asdict(self._bus.statistics()))

    async def trace(self, given: dict[str, Any]) -> Response:
        return Response(200, {"Content-Type": "text/plain; charset=utf-8"}, str(self._bus.trace).encode())

    async def queues(self, given: dict[str, Any]) -> Response:
        sqs = self._bus.service("SQS")
        shown = {} if sqs is None else {queue.name: attrs.asdict(queue.statistics()) for queue in sqs}
        return _json(200, shown)

    async def dead_letters(self, given: dict[str, Any]) -> Response:
        letters = [
            {
                "reason": str(letter.reason),
                "attempts": letter.attempts,
                "target": letter.target,
                "request_id": letter.request_id,
                "payload": letter.payload,
            }
            for letter in self._bus.dead_letters
        ]
        return _json(200, letters)

    async def clock(self, given: dict[str, Any]) -> Response:
        clock = self._bus.clock
        now = clock.now()
        return _json(200, {"now": now, "iso": iso_time(now), "is_virtual": isinstance(clock, VirtualClock)})

    # -- changing -----------------------------------------------------------------------------------------------------

    async def advance(self, given: dict[str, Any]) -> Response:
        clock, seconds = self._bus.clock, given.get("seconds")
        if not isinstance(clock, VirtualClock):
            return _json(409, {"error": "the clock is the system's; start with --clock virtual"})
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds <= LONGEST:
            return _json(400, {"error": 'give {"seconds": a number from 0 to 1e9}'})
        await clock.advance(seconds)
        return await self.clock({})

    async def wait_idle(self, given: dict[str, Any]) -> Response:
        timeout = given.get("timeout", 60)
        if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not 0 < timeout <= 3600:
            return _json(400, {"error": 'give {"timeout": a number of seconds up to 3600}'})
        try:
            await self._bus.wait_idle(timeout)
        except TimeoutError as error:
            return _json(408, {"error": str(error)})
        return await self.statistics({})

    async def reset(self, given: dict[str, Any]) -> Response:
        await self._reset()
        return _json(200, {"status": "reset"})

    def declare(self) -> None:
        """What is there now was declared by code."""
        bus = self._bus
        services = [bus.service(name) for name in ("SNS", "SQS")]
        self._declared = {one.arn for service in services if service is not None for one in service}
        s3 = bus.service("S3")
        self._declared |= set() if s3 is None else {s3[name].arn for name in s3}
        self._declared |= resetting.names(bus)

    async def _reset(self) -> None:
        bus, declared = self._bus, self._declared or set()
        sns, sqs, s3 = bus.service("SNS"), bus.service("SQS"), bus.service("S3")
        for topic in [] if sns is None else [topic for topic in sns if topic.arn not in declared]:
            sns.delete_topic(topic)
        for queue in [] if sqs is None else list(sqs):
            if queue.arn in declared:
                queue.empty()
            else:
                sqs.delete_queue(queue)
        for name in [] if s3 is None else list(s3):
            await s3[name].empty()
            if s3[name].arn not in declared:
                s3.delete_bucket(name)
        resetting.drop(bus, declared)
        for letter in list(bus.dead_letters):
            bus.dead_letters.take(letter)
        self._front.identities.roles.clear()


def _json(status: int, value: Any) -> Response:
    return Response(status, {"Content-Type": "application/json"}, dump(value))


_Call = Callable[[Control, dict[str, Any]], Awaitable[Response]]
_READING: dict[str, _Call] = {
    "health": Control.health,
    "statistics": Control.statistics,
    "trace": Control.trace,
    "queues": Control.queues,
    "dead-letters": Control.dead_letters,
    "clock": Control.clock,
}
_CHANGING: dict[str, _Call] = {
    "clock/advance": Control.advance,
    "wait-idle": Control.wait_idle,
    "reset": Control.reset,
}
