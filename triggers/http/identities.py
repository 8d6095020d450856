"""Where an authorizer finds who is calling: identity sources; pure.

REST APIs write `method.request.header.Authorization`, HTTP APIs `$request.header.Authorization`; either takes both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import attrs

from triggers.http.checks import texts as checked_texts
from triggers.http.errors import BadRequest
from triggers.http.events import Call

_CONTEXT: Final[dict[str, Callable[[Call], str | None]]] = {
    "routeKey": lambda call: str(call.key),
    "path": lambda call: call.full_path,
    "resourcePath": lambda call: call.key.template,
    "httpMethod": lambda call: call.request.method,
    "stage": lambda call: call.stage,
    "apiId": lambda call: call.api_id,
    "accountId": lambda call: call.account_id,
    "domainName": lambda call: call.domain,
    "identity.sourceIp": lambda call: call.request.source_ip,
    "identity.userAgent": lambda call: call.user_agent,
}
_PLACES: Final = {
    "method.request.header.": "header",
    "method.request.querystring.": "query",
    "stageVariables.": "stage variable",
    "context.": "context",
    "request.header.": "header",
    "request.querystring.": "query",
}


@attrs.frozen
class IdentitySource:
    """One place in a request that says who is calling."""

    place: str
    name: str

    @classmethod
    def parse(cls, text: object) -> IdentitySource:
        """Read one. Raises BadRequest for what is none."""
        bare = text.removeprefix("$") if isinstance(text, str) else ""
        for prefix, place in _PLACES.items():
            name = bare.removeprefix(prefix)
            if bare.startswith(prefix) and name and (place != "context" or name in _CONTEXT):
                return cls(place, name)
        raise BadRequest(
            f"Invalid identity source {text!r}",
            mend="write $request.header.NAME, $request.querystring.NAME, $stageVariables.NAME or $context.NAME "
            f"({', '.join(_CONTEXT)}); for REST APIs method.request.header.NAME and so on",
        )

    def of(self, call: Call) -> str | None:
        """Its value in a request; None if it is missing or empty."""
        match self.place:
            case "header":
                return call.request.headers.get(self.name) or None
            case "query":
                values = [value for name, value in call.request.query_pairs if name == self.name]
                return ",".join(values) or None
            case "stage variable":
                return call.stage_variables.get(self.name) or None
            case _:
                return _CONTEXT[self.name](call) or None


def parse_sources(texts: str | Iterable[str]) -> tuple[IdentitySource, ...]:
    """Identity sources from their texts; a REST API's may be one text with commas."""
    listed = texts.split(",") if isinstance(texts, str) else checked_texts("identity_sources", texts)
    return tuple(IdentitySource.parse(text.strip()) for text in listed)
