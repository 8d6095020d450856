"""What the parts of Lambda's map share: finding a function, the caller's permission, and how Lambda words an error."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from eventbus.errors import (
    AccessDenied,
    AWSError,
    EventBusError,
    InvalidParameterValue,
    ResourceNotFound,
    TooManyRequests,
)
from eventbus.functions.function import Function
from eventbus.functions.invocable import Invocable
from eventbus.functions.names import Named, read_name
from triggers.aws.services import ServiceMap, page
from triggers.aws.services.deeds import Input, Result

PAGE = 50
"""Entries that a list has at most."""
_CAPITAL = ("ResourceNotFoundException", "ServiceException")
"""Errors that say `Message` where all others say `message`."""


class LambdaBase(ServiceMap):
    """The base of every part."""

    service = "lambda"
    denied_code = "AccessDeniedException"
    malformed_code = "InvalidRequestContentException"
    invalid_code = "InvalidParameterValueException"

    # -- what a request is about --------------------------------------------------------------------------------------

    def named(self, given: Input) -> Named:
        """The function that is meant, as it is written in the request."""
        return read_name(given["FunctionName"], given.get("Qualifier"), self.bus.region)

    def arn_of(self, named: Named, *, qualified: bool = True) -> str:
        """The ARN of a function, whether or not there is one."""
        account = named.account or self.bus.account_id
        arn = f"arn:{self.bus.partition}:lambda:{self.bus.region}:{account}:function:{named.name}"
        return f"{arn}:{named.qualifier}" if qualified and named.qualifier is not None else arn

    def function(self, given: Input, action: str, *, asks: bool = False) -> Function:
        """The function itself, whatever qualifier is given, if the caller may do this. Raises ResourceNotFound.

        A call of it that `asks` itself is not asked for here as well.
        """
        named = self.named(given)
        found = self.bus.functions.get(named.name) if named.account in (None, self.bus.account_id) else None
        arn = self.arn_of(named, qualified=False)
        if found is None or not asks:
            self.allow(f"lambda:{action}", found, arn)
        if found is None:
            raise ResourceNotFound(f"Function not found: {arn}")
        return found

    def invocable(self, given: Input, action: str, *, asks: bool = False) -> Invocable:
        """The function, version or alias that is meant, if the caller may do this. Raises ResourceNotFound.

        `asks` as for `function`.
        """
        named = self.named(given)
        arn = self.arn_of(named)
        found = self.bus.functions.get(named.name) if named.account in (None, self.bus.account_id) else None
        qualifier = named.qualifier
        target: Invocable | None = None
        if found is not None and (qualifier is None or self.bus.find(f"{found.arn}:{qualifier}") is not None):
            target = found.qualified(qualifier)
        if target is None or not asks:
            self.allow(f"lambda:{action}", target, arn if target is None else target.resource_arn)
        if target is None:
            raise ResourceNotFound(f"Function not found: {arn}")
        return target

    # -- what is answered ---------------------------------------------------------------------------------------------

    def instant(self, seconds: float) -> datetime:
        """An instant as boto3 has it."""
        return datetime.fromtimestamp(seconds, UTC)

    def listed(self, given: Input, name: str, entries: list[Result], key: str, most: int = PAGE) -> Result:
        """One page of a list: `Marker` and `NextMarker` are the key of the last entry before it."""
        size = min(given.get("MaxItems") or most, most)
        chosen, marker = page(entries, given.get("Marker"), size, lambda entry: str(entry[key]))
        return {name: chosen, "NextMarker": marker}

    def refusal(self, error: EventBusError) -> tuple[str, int, dict[str, Any]]:
        code, status, fields = super().refusal(error)
        message = error.message if isinstance(error, AWSError) else str(error)
        if isinstance(error, AccessDenied):
            return code, status, {"Message": message}
        fields = {"Type": "User" if status < 500 else "Service", **fields}
        if code in _CAPITAL:
            fields["Message"] = message
        if isinstance(error, TooManyRequests):
            fields["Reason"] = error.reason
        return code, status, fields

    def headers(self, error: EventBusError) -> dict[str, str]:
        return {"Retry-After": "1"} if isinstance(error, TooManyRequests) else {}


def refuse_given(given: Input, names: dict[str, str]) -> None:
    """Refuse members of the input that would be without effect: each with what to do instead."""
    for name, instead in names.items():
        if given.get(name):
            raise InvalidParameterValue(f"eventbus has no {name}.", mend=instead)
