"""What all operations check of a request, and its expressions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from triggers.dynamodb.errors import InvalidExpression, ValidationError
from triggers.dynamodb.expressions.binding import Binding, check_names, check_values
from triggers.dynamodb.expressions.parser import parse_condition, parse_projection, parse_update
from triggers.dynamodb.expressions.tree import Condition, Projection, Update

LEGACY = {
    "AttributesToGet": "ProjectionExpression",
    "AttributeUpdates": "UpdateExpression",
    "ConditionalOperator": "AND and OR in ConditionExpression or FilterExpression",
    "Expected": "ConditionExpression",
    "KeyConditions": "KeyConditionExpression",
    "QueryFilter": "FilterExpression",
    "ScanFilter": "FilterExpression",
}
"""Parameters from before expressions, and what replaced them."""

_ENUMS = {
    "ReturnValues": ("ALL_NEW", "UPDATED_OLD", "ALL_OLD", "NONE", "UPDATED_NEW"),
    "ReturnValuesOnConditionCheckFailure": ("ALL_OLD", "NONE"),
    "ReturnConsumedCapacity": ("INDEXES", "TOTAL", "NONE"),
    "ReturnItemCollectionMetrics": ("SIZE", "NONE"),
    "Select": ("SPECIFIC_ATTRIBUTES", "COUNT", "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES"),
}
_NAMES, _VALUES = "ExpressionAttributeNames", "ExpressionAttributeValues"


def check_request(request: Mapping[str, Any], operation: str, required: str, optional: str) -> None:
    """Refuse what is missing, unknown, of another time, or none of the values that there are."""
    needed = required.split()
    for name in needed:
        if request.get(name) is None:
            member = name[0].lower() + name[1:]
            raise ValidationError(
                f"1 validation error detected: Value null at '{member}' failed to satisfy constraint: "
                "Member must not be null"
            )
    known = {*needed, *optional.split()}
    for name, value in request.items():
        if name in LEGACY:
            raise ValidationError(
                f"{name} is a legacy parameter of {operation}, which is not emulated", mend=f"use {LEGACY[name]}"
            )
        if name not in known:
            raise ValidationError(f"{operation} has no parameter {name}; it has {', '.join(sorted(known))}")
        if name in _ENUMS and value not in _ENUMS[name]:
            member = name[0].lower() + name[1:]
            raise ValidationError.member(
                value, member, f"Member must satisfy enum value set: [{', '.join(_ENUMS[name])}]"
            )


class Expressions:
    """The expressions of one request; `parameters` are those that this operation can have."""

    def __init__(self, request: Mapping[str, Any], *parameters: str) -> None:
        self._request = request
        names, values = request.get(_NAMES), request.get(_VALUES)
        given = [parameter for parameter in parameters if request.get(parameter) is not None]
        if not given and (names is not None or values is not None):
            if names is not None:
                raise InvalidExpression("ExpressionAttributeNames can only be specified when using expressions")
            absent = " and ".join(parameter for parameter in parameters if parameter != "ProjectionExpression")
            verb = "are" if " and " in absent else "is"
            raise InvalidExpression(
                f"ExpressionAttributeValues can only be specified when using expressions: {absent} {verb} null"
            )
        self._binding = Binding(
            {} if names is None else check_names(names), {} if values is None else check_values(values)
        )

    def condition(self, parameter: str = "ConditionExpression") -> Condition | None:
        """The bound condition of this parameter, or None where there is none."""
        text = self._request.get(parameter)
        return None if text is None else self._binding.condition(parse_condition(text, parameter), parameter)

    def update(self) -> Update | None:
        """The bound update, or None where there is none."""
        text = self._request.get("UpdateExpression")
        return None if text is None else self._binding.update(parse_update(text))

    def projection(self) -> Projection | None:
        """The bound projection, or None where there is none."""
        text = self._request.get("ProjectionExpression")
        return None if text is None else self._binding.projection(parse_projection(text))

    def done(self) -> None:
        """All expressions are bound: refuse names and values that none of them uses."""
        self._binding.check_all_used()
