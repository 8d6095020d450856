"""The line of a FIFO queue: the order within each message group is kept whatever receivers do.

A group whose message is in flight is locked: nothing of it is handed out until that message is deleted or visible
again, and then it comes first. One receive may take several messages of a group, in order. Among groups, the one whose
first message came earliest is served first.
"""

from __future__ import annotations

import heapq

import attrs

from triggers.sqs.messages import State, StoredMessage
from triggers.sqs.store import Store


@attrs.define(eq=False)
class _Group:
    name: str
    line: list[tuple[int, StoredMessage]] = attrs.field(factory=list)
    """A heap of the messages that aren't in flight, in the order of arrival."""
    in_flight: int = 0
    take: int = -1
    """The receive that has the messages in flight."""


class FifoStore(Store):
    """A FIFO queue."""

    def __init__(self) -> None:
        super().__init__()
        self._groups: dict[str, _Group] = {}
        self._open: list[
            tuple[int, str]
        ] = []  # heap of (order of the first message, group); entries may be out of date
        self._take = 0

    def _group(self, message: StoredMessage) -> _Group:
        name = message.group_id or ""
        group = self._groups.get(name)
        if group is None:
            group = self._groups[name] = _Group(name)
        return group

    def _clear_lines(self) -> None:
        self._groups.clear()
        self._open.clear()

    def _was_taken(self, message: StoredMessage) -> None:
        self._group(message).in_flight += 1

    def _arrived(self, message: StoredMessage) -> None:
        # delayed messages stand in line as well: a shorter delay must not let later ones overtake
        heapq.heappush(self._group(message).line, (message.order, message))

    def _line_up(self, message: StoredMessage) -> None:
        group = self._group(message)
        if group.line and group.line[0][1] is message:
            self._offer(group)

    def _returned(self, message: StoredMessage) -> None:
        group = self._group(message)
        group.in_flight -= 1
        heapq.heappush(group.line, (message.order, message))
        self._offer(group)

    def _removed(self, message: StoredMessage, was: State) -> None:
        group = self._group(message)
        if was is State.IN_FLIGHT:
            group.in_flight -= 1
        self._offer(group)

    def _offer(self, group: _Group) -> None:
        """Open a group for receivers, if it has a visible first message and no lock; forget it when it is empty."""
        line = group.line
        while line and line[0][1].state is State.GONE:
            heapq.heappop(line)
        if line:
            if self._may_take(group) and line[0][1].state is State.VISIBLE:
                heapq.heappush(self._open, (line[0][0], group.name))
        elif not group.in_flight:
            self._groups.pop(group.name, None)

    def _may_take(self, group: _Group) -> bool:
        return not group.in_flight or group.take == self._take

    def _begin_take(self) -> None:
        self._take += 1

    def _next_in_line(self) -> StoredMessage | None:
        while self._open:
            order, name = heapq.heappop(self._open)
            group = self._groups.get(name)
            if group is None or not group.line or group.line[0][0] != order or not self._may_take(group):
                continue
            message = group.line[0][1]
            if message.state is not State.VISIBLE:
                continue
            heapq.heappop(group.line)
            self._reserve(group)
            return message
        return None

    def _reserve(self, group: _Group) -> None:
        group.in_flight += 1
        group.take = self._take
        self._offer(group)
