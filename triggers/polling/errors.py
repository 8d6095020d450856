"""What only event source mappings refuse; the rest are Lambda's own errors in `eventbus.errors`."""

from __future__ import annotations

from eventbus.errors import AWSError, InvalidParameterValue


class ResourceInUse(AWSError):
    """The mapping is being deleted."""

    code = "ResourceInUseException"
    status = 400

    def __init__(self, uuid: str, state: str) -> None:
        super().__init__(f"The operation cannot be performed: the event source mapping {uuid} is in the state {state}")


def unsupported(parameter: str, mend: str | None = None) -> InvalidParameterValue:
    """A parameter that this kind of source does not have."""
    return InvalidParameterValue(f"Unsupported {parameter} parameter for given event source mapping type.", mend=mend)
