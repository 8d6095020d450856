"""Causality: every action and every event knows what caused it, and `bus.trace` is the tree of that.

The engine keeps nodes and nothing else; text, dict and Mermaid are made when somebody reads. The tree shows instants of
the bus's clock and no real durations, so that under a virtual clock the same seed gives the same text, byte for byte.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import attrs


class Named(Protocol):
    """Something that the trace shows by its name."""

    @property
    def name(self) -> str: ...


@attrs.define(eq=False, weakref_slot=False)
class Cause:
    """A node of the trace: something that happened at one instant, because of something else."""

    at: float
    """Seconds since the epoch, by the bus's clock."""
    cause: Cause | None
    """What this happened because of; None for what comes from outside."""
    hops: int
    """How many invocations lie between the first cause and this one; stopped at 16."""


@attrs.define(eq=False, weakref_slot=False)
class Action(Cause):
    """Something that a caller did to a resource, or one resource did to another: a put, a publish, a delivery."""

    verb: str
    resource: Named
    detail: str = ""
    """What distinguishes it: an object key, a message id."""
    note: str = ""
    """What became of it, where nothing below says so: "no notification matches this key"."""


class Trace:
    """`bus.trace`: the latest nodes, readable as a tree in text, as dicts and as a Mermaid diagram."""

    def __init__(self, limit: int) -> None:
        self._nodes: deque[Cause] = deque(maxlen=limit)
        self.append: Callable[[Cause], None] = self._nodes.append
        """Take a node in; the engine calls it as it is, and nothing stands between unless somebody listens."""
        self._listeners: list[Callable[[Cause], None]] = []

    def listen(self, listener: Callable[[Cause], None]) -> None:
        """Call a function with every node from now on, at the moment at which it happens."""
        self._listeners.append(listener)
        self.append = self._append_and_tell

    def ignore(self, listener: Callable[[Cause], None]) -> None:
        """Call it no more."""
        self._listeners.remove(listener)
        if not self._listeners:
            self.append = self._nodes.append

    def _append_and_tell(self, node: Cause) -> None:
        self._nodes.append(node)
        for listener in self._listeners:
            listener(node)

    def __len__(self) -> int:
        return len(self._nodes)

    def __iter__(self) -> Iterator[Cause]:
        return iter(list(self._nodes))

    def clear(self) -> None:
        """Forget everything so far."""
        self._nodes.clear()

    def __repr__(self) -> str:
        earlier = ", earlier ones are forgotten" if len(self) == self._nodes.maxlen else ""
        return f"<Trace: {len(self)} nodes{earlier}>"

    def __str__(self) -> str:
        """The tree as text: what happened, indented below what caused it."""
        return "\n".join(_as_text(self.tree()))

    def tree(self) -> list[dict[str, Any]]:
        """The tree as plain dicts: `what`, `at`, `outcome`, `note`, `attempts` and `children`."""
        nodes = list(self._nodes)
        known = {id(node): describe(node) for node in nodes}
        roots: list[dict[str, Any]] = []
        for node in nodes:
            parent = known.get(id(node.cause)) if node.cause is not None else None
            (roots if parent is None else parent["children"]).append(known[id(node)])
        return roots

    def mermaid(self) -> str:
        """The tree as a Mermaid flowchart, to paste into documentation."""
        lines = ["flowchart LR"]
        _as_mermaid(self.tree(), None, lines)
        return "\n".join(lines)


def counted(number: int, noun: str) -> str:
    """How many there are, in words: `1 record`, `2 records`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def describe(node: Cause) -> dict[str, Any]:
    """One node as a dict."""
    from eventbus.delivery.event import Event

    if isinstance(node, Event):
        return {
            "what": node.addressed.name,
            "source": node.source.arn or node.source.principal,
            "kind": "invocation",
            "at": node.at,
            "request_id": node.request_id,
            "outcome": _outcome(node),
            "note": node.note,
            "attempts": [_attempt(node, number, attempt) for number, attempt in enumerate(node.history, 1)],
            "children": [],
        }
    assert isinstance(node, Action)
    what = f"{node.verb} {node.resource.name}" + (f"/{node.detail}" if node.detail else "")
    return {"what": _printable(what), "kind": "action", "at": node.at, "note": node.note, "children": []}


def _outcome(event: Any) -> str:
    """How it ended, or how far it is. A direct call that failed has ended, and its caller was told the error."""
    from eventbus.execution.outcome import Failed

    if event.reason is not None:
        return str(event.reason)
    if event.reply is not None and event.last is not None and isinstance(event.last.outcome, Failed):
        return "failed"
    return str(event.state.value)


def _attempt(event: Any, number: int, attempt: Any) -> dict[str, Any]:
    from eventbus.execution.outcome import Failed, Throttled

    outcome = attempt.outcome
    said = "ok"
    if isinstance(outcome, Failed):
        said = str(outcome)
    elif isinstance(outcome, Throttled):
        said = f"throttled: {outcome.reason}"
    return {"after": round(attempt.at - event.at, 3), "outcome": said}


def _told(node: dict[str, Any]) -> list[dict[str, Any]]:
    """The attempts that are worth telling: all, unless there was one and it went well."""
    attempts: list[dict[str, Any]] = node.get("attempts", [])
    return attempts if len(attempts) > 1 or (attempts and attempts[0]["outcome"] != "ok") else []


def _attempt_line(number: int, attempt: dict[str, Any]) -> str:
    return f"attempt {number} after {attempt['after']:g} s: {_one_line(attempt['outcome'])}"


def _as_text(roots: list[dict[str, Any]]) -> Iterator[str]:
    for root in roots:
        source = f"{root['source']} → " if root["kind"] == "invocation" else ""
        yield source + _headline(root)
        yield from _branches(root, "")


def _branches(node: dict[str, Any], indent: str) -> Iterator[str]:
    rows: list[Any] = [*_told(node), *node["children"]]
    for index, row in enumerate(rows):
        is_last = index == len(rows) - 1
        branch, deeper = ("└─ ", "   ") if is_last else ("├─ ", "│  ")
        if "what" in row:
            yield f"{indent}{branch}{_headline(row)}"
            yield from _branches(row, indent + deeper)
        else:
            yield f"{indent}{branch}{_attempt_line(index + 1, row)}"


def _headline(node: dict[str, Any]) -> str:
    note = f"  ({node['note']})" if node["note"] else ""
    if node["kind"] == "action":
        return f"{node['what']}{note}"
    outcome = node["outcome"]
    mark = {"finished": "✓ finished", "queued": "… queued", "running": "… running"}.get(outcome, f"✗ {outcome}")
    if outcome.startswith("waiting"):
        mark = f"… {outcome}"
    return f"λ {node['what']}  {mark}{note}"


def _printable(text: str) -> str:
    """Text from outside, such as a key, without what would break the tree or move the cursor."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _one_line(text: str) -> str:
    line = _printable(" ".join(text.split()))
    return line if len(line) <= 120 else f"{line[:119]}…"


def _as_mermaid(nodes: list[dict[str, Any]], parent: str | None, lines: list[str]) -> None:
    for node in nodes:
        name = _mermaid_node(_headline(node), parent, lines)
        for number, attempt in enumerate(_told(node), 1):
            _mermaid_node(_attempt_line(number, attempt), name, lines)
        _as_mermaid(node["children"], name, lines)


def _mermaid_node(text: str, parent: str | None, lines: list[str]) -> str:
    name = f"n{len(lines)}"
    text = _one_line(text).replace('"', "'").replace("<", "&lt;").replace(">", "&gt;")
    lines.append(f'    {name}["{text}"]' if parent is None else f'    {parent} --> {name}["{text}"]')
    return name
