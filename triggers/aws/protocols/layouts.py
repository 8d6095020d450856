"""What botocore's shapes say, made ready for reading, writing and checking values.

A shape answers each question by a walk through its document, and makes new shapes of its members: one that contains
itself, such as an attribute's value in DynamoDB, makes more of them the deeper a value is nested. Here every structure,
list and map of a service is looked at once, by its name.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, cached_property
from typing import Any

from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape

from triggers.aws.protocols.values import name_of

_PYTHON: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "character": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (float, int),
    "double": (float, int),
    "blob": (bytes,),
}
"""Types that botocore's validator takes for certain; bool, which it takes for a number, is left for it to see."""
_SIZED = frozenset({"string", "character", "blob"})


class Layout:
    """One shape."""

    def __init__(self, shape: Shape, known: dict[str, Layout]) -> None:
        self.shape = shape
        self.kind = shape.type_name
        self.is_document = isinstance(shape, StructureShape) and bool(shape.is_document_type)
        self._known = known

    def _of(self, shape: Shape) -> Layout:
        if not isinstance(shape, (StructureShape, ListShape, MapShape)):
            return Layout(shape, self._known)
        found = self._known.get(shape.name)
        if found is None:
            found = self._known[shape.name] = Layout(shape, self._known)
        return found

    @cached_property
    def members(self) -> dict[str, tuple[str, Layout]]:
        """The members of a structure that belong in a body, by their names on the wire."""
        assert isinstance(self.shape, StructureShape)
        return {
            name_of(member, name): (name, self._of(member))
            for name, member in self.shape.members.items()
            if member.serialization.get("location") is None
        }

    @cached_property
    def item(self) -> Layout:
        """What a list has, or a map for its keys."""
        assert isinstance(self.shape, (ListShape, MapShape))
        return self._of(self.shape.member if isinstance(self.shape, ListShape) else self.shape.value)

    @cached_property
    def accepts(self) -> Callable[[Any], bool]:
        """Whether a value is certainly one that botocore's validator has nothing against.

        It says no to whatever it isn't sure of; the validator then has the last word, and the words for the refusal.
        """
        shape, serialization = self.shape, getattr(self.shape, "serialization", {})
        if self.is_document or serialization.get("hostLabel") or serialization.get("jsonvalue"):
            return _never
        if isinstance(shape, StructureShape):
            return _structure(shape, self._of)
        least = shape.metadata.get("min")
        if not isinstance(shape, (ListShape, MapShape)):
            return _scalar(self.kind, least)
        size = least or 0
        if isinstance(shape, ListShape):
            return lambda value: value.__class__ is list and len(value) >= size and all(map(self.item.accepts, value))
        is_key = self._of(shape.key).accepts
        return lambda value: (
            value.__class__ is dict
            and len(value) >= size
            and all(map(is_key, value))
            and all(map(self.item.accepts, value.values()))
        )


def _structure(shape: StructureShape, layout_of: Callable[[Shape], Layout]) -> Callable[[Any], bool]:
    required = frozenset(shape.metadata.get("required", ()))
    is_union = bool(getattr(shape, "is_tagged_union", False))
    checks: dict[str, Callable[[Any], bool]] = {}

    def accepts(value: Any) -> bool:
        if value.__class__ is not dict or not required <= value.keys() or (is_union and len(value) != 1):
            return False
        for name, item in value.items():
            check = checks.get(name)
            if check is None:
                member = shape.members.get(name)
                if member is None:
                    return False
                check = checks[name] = layout_of(member).accepts
            if not check(item):
                return False
        return True

    return accepts


def _scalar(kind: str, least: Any) -> Callable[[Any], bool]:
    types: Any = _PYTHON.get(kind, ())
    if kind in _SIZED:
        size = least or 0
        return lambda value: value.__class__ in types and len(value) >= size
    return lambda value: value.__class__ in types and (least is None or value >= least)


def _never(value: Any) -> bool:
    return False


@cache
def _layouts(model: ServiceModel) -> dict[str, Layout]:
    return {}


def layouts_of(operation: OperationModel) -> dict[str, Layout]:
    """What is known of the shapes of an operation's service, in the model of the protocol that is spoken."""
    return _layouts(operation.service_model)


def layout_of(operation: OperationModel, shape: Shape) -> Layout:
    """The layout of a shape that an operation has to do with."""
    return Layout(shape, layouts_of(operation))


@cache
def layout_of_input(operation: OperationModel) -> Layout | None:
    """The layout of an operation's input; None if it has none."""
    return None if operation.input_shape is None else layout_of(operation, operation.input_shape)


@cache
def layout_of_output(operation: OperationModel) -> Layout | None:
    """The layout of an operation's output; None if it has none."""
    return None if operation.output_shape is None else layout_of(operation, operation.output_shape)
