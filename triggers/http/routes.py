"""Stages and routes of an API."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

import attrs

from eventbus.delivery.targets import Source, Target
from triggers.http.authorizers import Authorizer
from triggers.http.front import LOWER
from triggers.http.paths import ANY, DEFAULT, RouteKey, Router
from triggers.http.throttle import Bucket

if TYPE_CHECKING:
    from triggers.http.wiring import Wiring


@attrs.define(eq=False)
class Stage:
    """A stage: a name in the URL, its variables, and how many requests it lets through."""

    name: str
    variables: dict[str, str]
    bucket: Bucket
    deployed: Router[Route] | None = None
    """The routes of its deployment, if it has one; else those that the API has at the moment."""


class Route:
    """A route, or a method of a resource: made by `api.route`. A function can `allow` it by itself."""

    principal = "apigateway.amazonaws.com"

    def __init__(
        self,
        api: Wiring,
        key: RouteKey,
        function: Target,
        timeout: float,
        payload_format: str,
        authorizer: Authorizer | Literal["AWS_IAM"] | None,
    ) -> None:
        self.api = api
        self.key = key
        self.function = function
        self.timeout = timeout
        self.payload_format = payload_format
        self.authorizer = authorizer
        self.label = f'{api.label}["{key}"]'
        self.resource_id = api.bus.ids.text(6, LOWER)
        method = "*" if key.method == ANY else key.method
        self.arn = f"{api.arn_stem}/*/{DEFAULT if key.method == DEFAULT else method + key.template}"
        self._sources: dict[str, Source] = {}

    def __repr__(self) -> str:
        return f"<Route {self.key} of {self.api.name}: {self.function.name}>"

    def source(self, stage: str) -> Source:
        """Who invokes the function: `aws:SourceArn` names the stage and the route, as it was written."""
        known = self._sources.get(stage)
        if known is None:
            path = DEFAULT if self.key.method == DEFAULT else f"{self.key.method}{self.key.template}"
            arn = f"{self.api.arn_stem}/{stage}/{path}"
            known = self._sources[stage] = Source(self.principal, arn, self.api.bus.account_id, self.api.label)
        return known


def names(prefix: str, taken: Iterable[str]) -> str:
    """A name that isn't taken."""
    known = set(taken)
    return prefix if prefix not in known else next(n for i in range(2, 10_000) if (n := f"{prefix}-{i}") not in known)
