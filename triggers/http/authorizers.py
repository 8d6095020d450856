"""Lambda authorizers: functions that say who may call an API.

Sources: API Gateway developer guide, "Use API Gateway Lambda authorizers" and "Control access to HTTP APIs with AWS
Lambda authorizers".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import anyio

from eventbus.delivery.targets import Source, Target
from eventbus.errors import AWSError, BusClosed
from eventbus.telemetry.trace import Cause
from triggers.http.checks import is_number
from triggers.http.errors import BadRequest
from triggers.http.events import Call
from triggers.http.grants import BadAnswer, Grant, read_policy, read_simple
from triggers.http.identities import parse_sources
from triggers.http.refusals import Refused

if TYPE_CHECKING:
    from triggers.http.api import Api

LONGEST_TTL: Final = 3600
"""Seconds for which an answer may be kept."""
_KEPT: Final = 10_000
"""Answers that are kept of one authorizer."""


class Authorizer:
    """A Lambda authorizer of one API; made by `api.authorizer(...)`, named in `api.route(..., authorizer=...)`."""

    principal = "apigateway.amazonaws.com"

    def __init__(
        self,
        api: Api,
        function: Target,
        *,
        name: str,
        kind: str,
        identity_sources: str | Iterable[str],
        ttl: float,
        validation: str | None,
        payload_format: str,
        is_simple: bool,
        timeout: float,
    ) -> None:
        if not is_number(ttl) or not 0 <= ttl <= LONGEST_TTL:
            raise BadRequest(f"ttl={ttl!r}: AWS accepts 0 to {LONGEST_TTL:,} seconds")
        given: object = name
        if not isinstance(given, str):
            raise BadRequest(f"name={name!r} is not valid", mend="a text")
        self.sources = parse_sources(identity_sources)
        if kind == "TOKEN" and (len(self.sources) != 1 or self.sources[0].place != "header"):
            raise BadRequest("A TOKEN authorizer has one identity source, a header")
        if ttl and not self.sources:
            raise BadRequest("An authorizer whose answers are kept needs identity sources", mend="or pass ttl=0")
        try:
            self._validation = None if validation is None else re.compile(validation)
        except (TypeError, re.error) as error:
            raise BadRequest(f"Invalid validation expression {validation!r}: {error}") from None
        self.api = api
        self.function = function
        self.name = name
        self.kind = kind
        self.ttl = ttl
        self.payload_format = payload_format
        self.is_simple = is_simple
        self.timeout = timeout
        self.id = api.bus.ids.text(6, "abcdefghijklmnopqrstuvwxyz0123456789")
        self.arn = f"{api.arn_stem}/authorizers/{self.id}"
        self.label = f"{api.label}'s authorizer {name}"
        self.source = Source(self.principal, self.arn, api.bus.account_id, self.label)
        self._kept: dict[tuple[str, ...], tuple[float, Grant]] = {}

    def __repr__(self) -> str:
        return f"<Authorizer {self.name} of {self.api.name}: {self.kind}, {self.function.name}>"

    def forget(self) -> None:
        """Forget every answer that is kept: FlushStageAuthorizersCache."""
        self._kept.clear()

    async def ask(self, call: Call, arn: str, cause: Cause) -> Grant | Refused:
        """Who is calling, by the function or by what it has said before; `arn` is that of the request."""
        identities = [source.of(call) for source in self.sources]
        if None in identities:
            return Refused.UNAUTHORIZED
        if self._validation is not None and not self._validation.fullmatch(identities[0] or ""):
            return Refused.UNAUTHORIZED
        key, now = tuple(text or "" for text in identities), self.api.bus.clock.now()
        kept = self._kept.get(key)
        if kept is not None and kept[0] > now:
            return kept[1]
        grant = await self._invoke(self.api.authorizer_event(self, call, arn, list(key)), cause)
        if self.ttl and isinstance(grant, Grant):
            if len(self._kept) >= _KEPT:
                self._kept.clear()
            self._kept[key] = (self.api.bus.clock.now() + self.ttl, grant)
        return grant

    async def _invoke(self, event: Any, cause: Cause) -> Grant | Refused:
        bus = self.api.bus
        result = None
        try:
            with anyio.move_on_after(self.timeout):
                result = await bus.request(self.function.arn, event, source=self.source, cause=cause)
        except BusClosed:
            raise
        except AWSError as error:
            return self._complain(str(error))
        if result is None:
            return self._complain(f"no answer within {self.timeout:g} s")
        if result.function_error is not None:
            message = result.payload.get("errorMessage")
            if message == "Unauthorized" and self.api.knows_unauthorized:
                return Refused.UNAUTHORIZED
            return self._complain(f"{result.payload.get('errorType')}: {message}")
        try:
            if self.is_simple:
                return read_simple(result.payload)
            return read_policy(result.payload, has_flat_context=self.payload_format != "2.0")
        except BadAnswer as problem:
            return self._complain(str(problem))

    def _complain(self, reason: str) -> Refused:
        self.api.bus.log.warning("authorizer_failed", api=self.api.name, authorizer=self.name, reason=reason)
        return Refused.BROKEN_AUTHORIZER
