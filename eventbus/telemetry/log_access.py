"""Whether a function's role may write its log: as on AWS the function runs in any case, and its log stays empty if not.

Decided when a batch of attempts is taken over, off the hot path, and remembered until the role's policies change. A
role tells the journal before they do, so that every attempt is judged by the policies of its time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventbus.errors import AccessDenied

if TYPE_CHECKING:
    from eventbus.bus import EventBus
    from eventbus.delivery.event import Attempt
    from eventbus.delivery.lane import Lane
    from eventbus.delivery.targets import Source
    from eventbus.execution.environment import Environment
    from eventbus.telemetry.journal import Group, Groups


class LogAccess:
    """Remembers for every version and role whether it may write."""

    def __init__(self, bus: EventBus) -> None:
        self._bus = bus
        self._known: dict[tuple[Lane, Source], tuple[tuple[int, bool], bool]] = {}

    def writable(self, attempts: list[Attempt], groups: Groups) -> list[Attempt]:
        """The attempts whose function may write its log."""
        denied = {_writer(group.attempts[0].environment) for group in groups if not self._may(group)}
        if not denied:
            return attempts
        return [a for a in attempts if a.environment is not None and _writer(a.environment) not in denied]

    def _may(self, group: Group) -> bool:
        environment, groups = group.attempts[0].environment, self._bus.logs.made
        assert environment is not None
        lane, role = group.lane, environment.source.role
        state = (0 if role is None else role.version, lane.log_group in groups)
        known = self._known.get((lane, environment.source))
        if known is None or known[0] != state:
            allowed = self._decide(environment, has_group=state[1])
            if allowed:
                groups.open(lane.log_group, environment.init_started_at)
            known = self._known[lane, environment.source] = (state[0], lane.log_group in groups), allowed
            if not allowed:
                self._say(lane)
        return known[1]

    def _decide(self, environment: Environment, *, has_group: bool) -> bool:
        lane, bus = environment.lane, self._bus
        group = f"arn:{bus.partition}:logs:{bus.region}:{bus.account_id}:log-group:{lane.log_group}"
        stream = f"{group}:log-stream:{environment.log_stream}"
        wanted = [("logs:CreateLogStream", stream), ("logs:PutLogEvents", stream)]
        if not has_group:
            wanted.insert(0, ("logs:CreateLogGroup", group))
        try:
            for action, resource in wanted:
                bus.authority.authorize(environment.source, action, resource, None, lambda: None)
        except AccessDenied:
            return False
        return True

    def _say(self, lane: Lane) -> None:
        self._bus.log.warning(
            "log_not_written",
            function=lane.function.name,
            group=lane.log_group,
            mend=f'call {lane.function.label}.role.attach("AWSLambdaBasicExecutionRole")',
        )


def _writer(environment: Environment | None) -> tuple[Lane, Source] | None:
    """What decides whether a log is written: the version, and the role that its environment acts as."""
    return None if environment is None else (environment.lane, environment.source)
