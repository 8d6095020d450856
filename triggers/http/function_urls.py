"""The URLs of a bus's functions: which there are, and how they are made and changed as AWS does it.

A `FunctionUrl` that code makes is its own; one that is made here is found again by its function or alias.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import attrs

from eventbus.errors import ResourceConflict, ResourceNotFound
from triggers.http.endpoints import Endpoints
from triggers.http.function_url import FunctionUrl

if TYPE_CHECKING:
    from eventbus.bus import EventBus
    from eventbus.delivery.targets import Target
    from eventbus.functions.invocable import Invocable


@attrs.define(eq=False)
class KeptUrl:
    """A URL, and since when it is as it is; seconds since the epoch."""

    front: FunctionUrl
    function: Target
    created_at: float
    modified_at: float


class FunctionUrls:
    """The URLs that were made with `create`: `bus.shared(FunctionUrls)`."""

    def __init__(self, bus: EventBus) -> None:
        self._bus = bus
        self._by_arn: dict[str, KeptUrl] = {}

    def __iter__(self) -> Iterator[KeptUrl]:
        self._forget_deleted()
        return iter(list(self._by_arn.values()))

    def create(self, function: Invocable, **options: Any) -> KeptUrl:
        """Give a function or an alias its URL: CreateFunctionUrlConfig. Options as for `FunctionUrl`.

        Raises ResourceConflict if it has one, ValidationFailed or BadRequest for what AWS does not take.
        """
        self._forget_deleted()
        if function.arn in self._by_arn:
            raise ResourceConflict(
                f"Failed to create function url config for [functionArn = {function.arn}]. Error message:  "
                "FunctionUrlConfig exists for this Lambda function"
            )
        now = self._bus.clock.now()
        kept = self._by_arn[function.arn] = KeptUrl(FunctionUrl(self._bus, function, **options), function, now, now)
        return kept

    def find(self, function: Invocable) -> KeptUrl:
        """The URL of a function or an alias. Raises ResourceNotFound."""
        self._forget_deleted()
        kept = self._by_arn.get(function.arn)
        if kept is None:
            raise ResourceNotFound("The resource you requested does not exist.")
        return kept

    def update(self, function: Invocable, **options: Any) -> KeptUrl:
        """Change what is given; the address stays: UpdateFunctionUrlConfig. Raises what `create` raises."""
        kept = self.find(function)
        before = kept.front
        merged = {"auth_type": before.auth_type, "cors": before.cors, "invoke_mode": before.invoke_mode, **options}
        kept.front = FunctionUrl(self._bus, function, **merged, url_id=before.url_id)
        kept.modified_at = self._bus.clock.now()
        return kept

    def delete(self, function: Invocable) -> None:
        """Take the URL away: DeleteFunctionUrlConfig. Raises ResourceNotFound."""
        self._bus.shared(Endpoints).remove(self.find(function).front)
        del self._by_arn[function.arn]

    def _forget_deleted(self) -> None:
        """A function or alias that was deleted has no URL any more, also when it is made again."""
        self._by_arn = {arn: kept for arn, kept in self._by_arn.items() if self._bus.find(arn) is kept.function}
