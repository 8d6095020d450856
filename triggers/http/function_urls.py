"""The URLs of a bus's functions: which there are, one of each function or alias, and how they are changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import attrs

from eventbus.errors import ResourceConflict, ResourceNotFound
from triggers.http.endpoints import Endpoints

if TYPE_CHECKING:
    from eventbus.bus import EventBus
    from eventbus.delivery.targets import Target
    from eventbus.functions.invocable import Invocable
    from triggers.http.function_url import FunctionUrl


@attrs.define(eq=False)
class KeptUrl:
    """A URL, and since when it is as it is; seconds since the epoch."""

    front: FunctionUrl
    function: Target
    created_at: float
    modified_at: float


class FunctionUrls:
    """Every `FunctionUrl` of a bus: `bus.shared(FunctionUrls)`."""

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
        from triggers.http.function_url import FunctionUrl

        FunctionUrl(self._bus, function, **options)
        return self.find(function)

    def check(self, function: Target, url_id: str) -> None:
        """Refuse a second URL of a function, unless it takes the place of the one with this id, and the id of another.

        Raises ResourceConflict.
        """
        self._forget_deleted()
        kept = self._by_arn.get(function.arn)
        taken = self._bus.shared(Endpoints).find(url_id)
        if kept is not None and kept.front.url_id != url_id:
            raise ResourceConflict(
                f"Failed to create function url config for [functionArn = {function.arn}]. Error message:  "
                "FunctionUrlConfig exists for this Lambda function",
                mend="call delete() of the URL that it has, or give an alias a URL",
            )
        if taken is not None and (kept is None or taken is not kept.front):
            raise ResourceConflict(f"The id {url_id} is that of {taken!r}", mend="leave url_id out, or choose another")

    def add(self, front: FunctionUrl) -> None:
        """A URL was made, or takes the place of one."""
        now = self._bus.clock.now()
        kept = self._by_arn.get(front.function.arn)
        self._by_arn[front.function.arn] = KeptUrl(front, front.function, now if kept is None else kept.created_at, now)
        self._bus.shared(Endpoints).add(front)

    def find(self, function: Target) -> KeptUrl:
        """The URL of a function or an alias. Raises ResourceNotFound."""
        self._forget_deleted()
        kept = self._by_arn.get(function.arn)
        if kept is None:
            raise ResourceNotFound("The resource you requested does not exist.")
        return kept

    def update(self, function: Invocable, **options: Any) -> KeptUrl:
        """Change what is given; the address stays: UpdateFunctionUrlConfig. Raises what `create` raises."""
        from triggers.http.function_url import FunctionUrl

        before = self.find(function).front
        merged = {"auth_type": before.auth_type, "cors": before.cors, "invoke_mode": before.invoke_mode, **options}
        FunctionUrl(self._bus, function, **merged, name=before.name, url_id=before.url_id)
        return self.find(function)

    def delete(self, function: Invocable) -> None:
        """Take the URL away: DeleteFunctionUrlConfig. Raises ResourceNotFound."""
        self.find(function).front.delete()

    def remove(self, front: FunctionUrl) -> None:
        """A URL was deleted. Raises ResourceNotFound for one that is gone already."""
        kept = self.find(front.function)
        if kept.front is not front:
            raise ResourceNotFound("The resource you requested does not exist.")
        self._bus.shared(Endpoints).remove(front)
        del self._by_arn[front.function.arn]

    def _forget_deleted(self) -> None:
        """A function or alias that was deleted has no URL any more, also when it is made again."""
        self._by_arn = {arn: kept for arn, kept in self._by_arn.items() if self._bus.find(arn) is kept.function}
