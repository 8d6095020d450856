"""The messages of one queue as a machine: time comes in as an argument, decisions come out. No I/O, no timers.

Time passes lazily. A message that is delayed or in flight lies in a heap of hidden messages under the instant at which
it is to be seen (again); every call first moves those whose instant has come, in the order of these instants. A message
that is deleted leaves its heap entry behind; when such entries outnumber the others the heap is rebuilt, so a queue
that is busy between two instants doesn't grow.

Everything else follows from the messages' own fields: who is in which line, and who comes first. So taking back a
change is putting the fields back, and the lines are made anew when they are next looked at; a restart does the same.

What differs between standard and FIFO queues is only how visible messages are lined up: see `StandardStore` and
`triggers.sqs.fifo.FifoStore`.
"""

from __future__ import annotations

import heapq
import itertools
from abc import ABC, abstractmethod
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator

from triggers.sqs.messages import QueueStatistics, Standing, State, StoredMessage


class Store(ABC):
    """The part that both kinds of queues share: retention, visibility, counts."""

    def __init__(self) -> None:
        self._live: OrderedDict[int, StoredMessage] = OrderedDict()
        self._aged: list[
            tuple[float, int]
        ] = []  # arrived with an age, so not in the order of _live: (enqueued_at, order)
        self._hidden: list[tuple[float, int, StoredMessage]] = []
        self._stale = 0
        self._is_in_order = True
        self._next_order: Callable[[], int] = itertools.count().__next__
        self._tickets = itertools.count()
        self._youngest = float("-inf")
        self._counts = [0] * len(State)  # messages by state

    def __len__(self) -> int:
        return len(self._live)

    def __iter__(self) -> Iterator[StoredMessage]:
        return iter(self._live.values())

    def find(self, order: int) -> StoredMessage | None:
        """The message with this place in the order of arrival, or None if it is gone."""
        return self._live.get(order)

    def add(self, message: StoredMessage, now: float, delay: float) -> None:
        """Take a message in; it is visible after `delay` seconds. O(1) without a delay."""
        self._promote(now)
        message.order = self._next_order()
        self._live[message.order] = message
        self._note_age(message)
        self._arrived(message)
        if delay > 0:
            self._counts[State.DELAYED] += 1
            self._hide(message, State.DELAYED, now + delay)
        else:
            message.state, message.visible_at, message.rank = State.VISIBLE, now, next(self._tickets)
            self._counts[State.VISIBLE] += 1
            self._line_up(message)

    def _note_age(self, message: StoredMessage) -> None:
        if message.enqueued_at < self._youngest:
            heapq.heappush(self._aged, (message.enqueued_at, message.order))
        else:
            self._youngest = message.enqueued_at

    def pass_time(self, now: float, retention: float) -> list[StoredMessage]:
        """Drop what was kept for `retention` seconds and show what is due. Returns what was dropped."""
        if not self._is_in_order:
            self._put_in_order()
        oldest = now - retention
        dropped: list[StoredMessage] = []
        while self._live and (first := next(iter(self._live.values()))).enqueued_at <= oldest:
            self.remove(first)
            dropped.append(first)
        while self._aged and self._aged[0][0] <= oldest:
            if (aged := self._live.get(heapq.heappop(self._aged)[1])) is not None:
                self.remove(aged)
                dropped.append(aged)
        self._promote(now)
        return dropped

    def take(
        self,
        now: float,
        limit: int,
        visibility: float,
        max_receives: int | None,
        before: list[tuple[StoredMessage, Standing]] | None = None,
    ) -> tuple[list[StoredMessage], list[StoredMessage]]:
        """Hand out up to `limit` visible messages for `visibility` seconds.

        Returns those that are in flight now, and those that had been received `max_receives` times already and left
        the queue instead; `before` gets all of them with what they were. Call `pass_time` first.
        """
        taken: list[StoredMessage] = []
        dead: list[StoredMessage] = []
        self._begin_take()
        while len(taken) < limit and (message := self._next_in_line()) is not None:
            if before is not None:
                before.append((message, message.standing()))
            self._move(message, State.IN_FLIGHT)
            if max_receives is not None and message.receives >= max_receives:
                self.remove(message)
                dead.append(message)
                continue
            message.receives += 1
            message.taken_at = now
            if message.first_received_at is None:
                message.first_received_at = now
            self._hide(message, State.IN_FLIGHT, now + visibility)
            taken.append(message)
        return taken, dead

    def show_at(self, message: StoredMessage, visible_at: float, now: float) -> None:
        """Change when a message in flight is to be seen again."""
        self._hide(message, State.IN_FLIGHT, visible_at)
        self._promote(now)

    def remove(self, message: StoredMessage) -> None:
        """Take a message out for good."""
        was = message.state
        del self._live[message.order]
        self._move(message, State.GONE)
        self._forget_ticket(message)
        self._removed(message, was)

    def clear(self) -> None:
        """Remove everything."""
        for message in self._live.values():
            message.state, message.ticket = State.GONE, -1
        self._live.clear()
        self._put_in_order()

    # -- what was never written down, and what comes out of a store -----------------------------------------------

    def take_back(self, message: StoredMessage) -> None:
        """Undo an `add`."""
        if self._live.pop(message.order, None) is not None:
            message.state, message.ticket = State.GONE, -1
            self._is_in_order = False

    def put_back(self, message: StoredMessage, standing: Standing) -> None:
        """Undo a `remove`, a `take` or a `show_at`: make a message what it was."""
        message.stand(standing)
        self._live[message.order] = message
        self._is_in_order = False

    def adopt(self, stored: Iterable[StoredMessage], next_order: Callable[[], int]) -> list[StoredMessage]:
        """Take over what a store holds; `next_order` gives numbers that it never held. What came in before that comes
        behind it, and is returned."""
        early = sorted(self._live.values(), key=lambda message: (message.visible_at, message.rank))
        self._live = OrderedDict((message.order, message) for message in stored)
        self._tickets = itertools.count(max((message.rank for message in self._live.values()), default=-1) + 1)
        self._next_order = next_order
        for message in early:
            message.order, message.rank = next_order(), next(self._tickets)
            self._live[message.order] = message
        self._is_in_order = False
        return early

    def _put_in_order(self) -> None:
        """Make every line anew from the messages' own fields; the next look at the time makes visible what is."""
        self._is_in_order = True
        self._live = OrderedDict(sorted(self._live.items()))
        self._counts = [0] * len(State)
        self._aged.clear()
        self._hidden.clear()
        self._stale, self._youngest = 0, float("-inf")
        self._clear_lines()
        for message in self._live.values():
            self._note_age(message)
            if message.state is State.VISIBLE:
                message.state = State.DELAYED  # whose time has come already
            self._counts[message.state] += 1
            if message.state is State.IN_FLIGHT:
                self._was_taken(message)
            else:
                self._arrived(message)
            message.ticket = message.rank
            self._hidden.append((message.visible_at, message.rank, message))
        heapq.heapify(self._hidden)

    def next_instant(self) -> float | None:
        """When the next hidden message is to be seen, or None; call `pass_time` first."""
        hidden = self._hidden
        while hidden and hidden[0][1] != hidden[0][2].ticket:
            heapq.heappop(hidden)
            self._stale -= 1
        return hidden[0][0] if hidden else None

    def statistics(self, now: float) -> QueueStatistics:
        """Counts and the age of the oldest message; call `pass_time` first."""
        oldest = next(iter(self._live.values())).enqueued_at if self._live else now
        while self._aged and self._aged[0][1] not in self._live:
            heapq.heappop(self._aged)
        if self._aged:
            oldest = min(oldest, self._aged[0][0])
        counts = self._counts
        return QueueStatistics(
            visible=counts[State.VISIBLE],
            in_flight=counts[State.IN_FLIGHT],
            delayed=counts[State.DELAYED],
            oldest_age=max(0.0, now - oldest),
        )

    @property
    def in_flight(self) -> int:
        """How many messages are with a receiver; call `pass_time` first."""
        return self._counts[State.IN_FLIGHT]

    def _move(self, message: StoredMessage, state: State) -> None:
        self._counts[message.state] -= 1
        self._counts[state] += 1
        message.state = state

    def _hide(self, message: StoredMessage, state: State, visible_at: float) -> None:
        self._forget_ticket(message)
        message.state, message.visible_at = state, visible_at
        message.rank = message.ticket = next(self._tickets)
        heapq.heappush(self._hidden, (visible_at, message.ticket, message))

    def _forget_ticket(self, message: StoredMessage) -> None:
        if message.ticket < 0:
            return
        message.ticket = -1
        self._stale += 1
        if self._stale > 32 and self._stale * 2 > len(self._hidden):
            self._hidden = [entry for entry in self._hidden if entry[1] == entry[2].ticket]
            heapq.heapify(self._hidden)
            self._stale = 0

    def _promote(self, now: float) -> None:
        if not self._is_in_order:
            self._put_in_order()
        hidden = self._hidden
        while hidden and hidden[0][0] <= now:
            _, ticket, message = heapq.heappop(hidden)
            if ticket != message.ticket:
                self._stale -= 1
                continue
            message.ticket = -1
            was = message.state
            self._move(message, State.VISIBLE)
            if was is State.IN_FLIGHT:
                self._returned(message)
            else:
                self._line_up(message)

    def _arrived(self, message: StoredMessage) -> None:  # noqa: B027 - only FIFO stores care
        """A message has come in and isn't visible yet."""

    def _was_taken(self, message: StoredMessage) -> None:  # noqa: B027 - only FIFO stores care
        """The lines are made anew, and this message is in flight."""

    @abstractmethod
    def _clear_lines(self) -> None:
        """Forget who stands in which line."""

    def _begin_take(self) -> None:  # noqa: B027 - only FIFO stores care
        """A receive begins."""

    @abstractmethod
    def _line_up(self, message: StoredMessage) -> None:
        """A message became visible for the first time."""

    @abstractmethod
    def _returned(self, message: StoredMessage) -> None:
        """A message in flight became visible again."""

    @abstractmethod
    def _removed(self, message: StoredMessage, was: State) -> None:
        """A message has left; `was` is the state that it left from."""

    @abstractmethod
    def _next_in_line(self) -> StoredMessage | None:
        """Take the next visible message out of the line, or None."""


class StandardStore(Store):
    """A standard queue: messages are handed out in the order in which they became visible."""

    def __init__(self) -> None:
        super().__init__()
        self._line: deque[StoredMessage] = deque()

    def _clear_lines(self) -> None:
        self._line.clear()

    def _line_up(self, message: StoredMessage) -> None:
        self._line.append(message)

    _returned = _line_up

    def _removed(self, message: StoredMessage, was: State) -> None:
        # what left from the middle of the line is passed over when it comes to the front
        line = self._line
        while line and line[0].state is not State.VISIBLE:
            line.popleft()

    def _next_in_line(self) -> StoredMessage | None:
        line = self._line
        while line:
            message = line.popleft()
            if message.state is State.VISIBLE:
                return message
        return None
