"""Who sends a request: an account's owner, a session of a role, or nobody.

Any access key is the owner of the bus's account, but a key of twelve digits is the owner of that account, and a key
that `sts:AssumeRole` gave is the session of that role. In a handler, other keys are the function.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs

from eventbus.delivery.targets import Source
from eventbus.execution.environment import Phase
from eventbus.iam.principals import is_account_id
from triggers.aws.errors import ExpiredToken, InvalidAccessKeyId
from triggers.aws.signing import Credential

if TYPE_CHECKING:
    from eventbus.bus import EventBus
    from eventbus.execution.environment import Environment
    from eventbus.iam.roles import Role

TEMPORARY = "ASIAEVENTBUS"
"""What every key of ours begins with, so that one of an earlier process isn't taken for the owner's."""
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_SECRET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


@attrs.frozen
class Session:
    """Temporary credentials of a role."""

    access_key: str
    secret: str = attrs.field(repr=False)
    token: str = attrs.field(repr=False)
    role: Role
    name: str
    expires_at: float
    source: Source
    environment: Environment | None = None
    """Where the function runs that has these keys: what is done with them is done by what it is running."""


class Identities:
    """The temporary keys of one bus, and what other keys stand for."""

    def __init__(self, bus: EventBus, secrets: Mapping[str, str]) -> None:
        self._bus = bus
        self._sessions: dict[str, Session] = {}
        self._secrets = dict(secrets)
        self.roles: dict[str, Role] = {}
        """The roles that were made over the wire, by name; the bus has them among all others, `bus.roles`."""
        self._generation = 0
        self.began_at = bus.clock.now()
        self.endpoint: str | None = None
        """Where the bus is served, as a URL without a path; None while it isn't."""
        self._anonymous = Source("anonymous", None, None, "")

    def add_role(self, role: Role) -> None:
        """Keep a new role. Its versions begin where those of earlier roles, which may have had its name, have ended."""
        self._generation += 1
        role.version = self._generation << 32
        self.roles[role.name] = self._bus.roles.of(role)

    def drop_role(self, role: Role) -> None:
        """Forget a role that was made over the wire."""
        del self.roles[role.name]
        if self.role(role.name) is role:
            self._bus.roles.delete(role.name)

    def role(self, name: str) -> Role | None:
        """A role by its name, wherever it was made."""
        return self._bus.roles.get(name)

    def open_session(self, role: Role, name: str, seconds: int) -> Session:
        """Give temporary credentials for a role."""
        ids, now = self._bus.ids, self._bus.clock.now()
        self._sessions = {key: s for key, s in self._sessions.items() if s.expires_at > now}
        principal = str(role.session(name))
        session = Session(
            access_key=TEMPORARY + ids.text(8, _ALPHABET),
            secret=ids.text(40, _SECRET),
            token=ids.text(200, _SECRET),
            role=role,
            name=name,
            expires_at=now + seconds,
            source=Source(principal, None, role.account_id, f'<the role "{role.name}">', role),
        )
        self._sessions[session.access_key] = session
        return session

    def open_access(self, environment: Environment) -> Session:
        """Give an execution environment its keys: they act as the function's role, and are good while it lives."""
        lane = environment.lane
        gone = [
            key for key, s in self._sessions.items() if s.environment is not None and s.environment.phase is Phase.GONE
        ]
        for key in gone:
            del self._sessions[key]
        session = self.open_session(lane.source.role or lane.function.role, lane.function.name, 0)
        session = attrs.evolve(session, expires_at=float("inf"), source=lane.source, environment=environment)
        self._sessions[session.access_key] = session
        return session

    def session(self, credential: Credential | None) -> Session | None:
        """The session that a request's key belongs to. Raises InvalidAccessKeyId or ExpiredToken."""
        if credential is None or not credential.access_key.startswith(TEMPORARY):
            return None
        session = self._sessions.get(credential.access_key)
        if session is None or credential.token != session.token:
            raise InvalidAccessKeyId("The security token included in the request is invalid.")
        if session.expires_at <= self._bus.clock.now():
            raise ExpiredToken("The security token included in the request is expired")
        return session

    def caller(self, credential: Credential | None) -> Source | None:
        """Who sends the request; None is the owner of the bus's account or, in a handler, its function's role."""
        if credential is None:
            return self._anonymous
        if (session := self.session(credential)) is not None:
            return session.source
        key = credential.access_key
        if is_account_id(key) and key != self._bus.account_id:
            return self._bus.source_of(f"arn:aws:iam::{key}:root")
        return None

    def secret(self, credential: Credential) -> str | None:
        """The secret of a key, to verify a signature with; None for a key that has none."""
        session = self.session(credential)
        return self._secrets.get(credential.access_key) if session is None else session.secret
