"""What can be asked of `bus.metrics`: what a question names has to be something, else it is misspelt. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

from eventbus.arn import is_arn
from eventbus.telemetry.dimensions import LAMBDA_METRICS
from eventbus.telemetry.errors import InvalidMetricData

_ALIKE = 0.8
"""From here on two names are one that was misspelt; `FailedInvocations`, of EventBridge, is none of Lambda's."""


def check_name(name: object, *, is_of_lambda: bool) -> None:
    """Raise InvalidMetricData for a name that Lambda does not have, or, where another service may be meant, almost has.

    The names of other services' metrics are theirs to know.
    """
    if not isinstance(name, str) or not name:
        raise InvalidMetricData(f"{name!r} is no name of a metric.", mend='give one such as "Invocations"')
    if name in LAMBDA_METRICS:
        return
    near = get_close_matches(name, sorted(LAMBDA_METRICS), 1, 0.0 if is_of_lambda else _ALIKE)
    if near:
        raise InvalidMetricData(
            f"Lambda has no metric {name!r}.", mend=f"{near[0]!r} is nearest; metrics of your own have a namespace="
        )


def check_resource(resource: object) -> None:
    """Raise InvalidMetricData for what is neither an object with an ARN nor one."""
    arn = getattr(resource, "arn", resource)
    if resource is not None and not (isinstance(arn, str) and is_arn(arn)):
        raise InvalidMetricData(
            f"{resource!r} is no resource.", mend="give an object such as bus.functions[name], or its ARN"
        )


def check_terms(dimensions: object, start: object, end: object) -> None:
    """Raise InvalidMetricData for dimensions that are no texts by names, and for what are no instants."""
    if dimensions is not None and not (
        isinstance(dimensions, Mapping) and all(isinstance(text, str) for pair in dimensions.items() for text in pair)
    ):
        raise InvalidMetricData(f"dimensions={dimensions!r}: a dict of texts is needed.")
    for name, value in (("start", start), ("end", end)):
        if not isinstance(value, int | float) or isinstance(value, bool) or value != value:
            raise InvalidMetricData(f"{name}={value!r}: seconds since the epoch are needed.")


def is_function(resource: object) -> bool:
    """Whether a function's metrics are asked for."""
    return ":function:" in str(getattr(resource, "arn", resource))
