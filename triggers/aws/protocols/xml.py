"""XML between text and values, driven by a shape: the bodies of rest-xml, and the answers of query.

A document type declaration is refused as soon as it begins, so that no entity is ever defined; depth and number of
elements are limited while the text is read, before a tree exists.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring
from xml.parsers.expat import ExpatError, ParserCreate, errors

from botocore.model import ListShape, MapShape, Shape, StructureShape

from triggers.aws.errors import Malformed
from triggers.aws.protocols.values import name_of, read_text, write_text

MAX_DEPTH = 32
MAX_ELEMENTS = 200_000
"""Elements of one document; DeleteObjects with its thousand keys has some five thousand."""
TIMESTAMPS = "iso8601"
_DECLARATION = b"<?xml version='1.0' encoding='utf-8'?>\n"
MALFORMED = "MalformedXML"
MALFORMED_TEXT = "The XML you provided was not well-formed or did not validate against our published schema"


def _refuse(why: str) -> Malformed:
    return Malformed(MALFORMED_TEXT, code=MALFORMED, mend=why)


class _Builder:
    """Builds a tree from expat's events, names without their namespaces."""

    def __init__(self) -> None:
        self.root: Element | None = None
        self._open: list[tuple[Element, list[str]]] = []
        self._count = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if len(self._open) >= MAX_DEPTH or self._count > MAX_ELEMENTS:
            raise _refuse(f"a document has at most {MAX_DEPTH} levels and {MAX_ELEMENTS:,} elements")
        bare = {key.rpartition(" ")[2]: value for key, value in attributes.items()}
        element = Element(tag.rpartition(" ")[2], bare)
        if self._open:
            self._open[-1][0].append(element)
        else:
            self.root = element
        self._open.append((element, []))

    def data(self, text: str) -> None:
        self._open[-1][1].append(text)

    def end(self, tag: str) -> None:
        element, texts = self._open.pop()
        element.text = "".join(texts)

    def declaration(self, *about: Any) -> None:
        raise _refuse("a document has no document type declaration")


def read_document(body: bytes) -> Element:
    """The tree of a document. Raises Malformed with S3's code and text."""
    builder = _Builder()
    parser = ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = builder.declaration
    try:
        parser.Parse(body, True)
    except Malformed:
        raise
    except ExpatError as error:
        raise _refuse(errors.messages.get(error.code, "it cannot be read")) from None
    except (ValueError, LookupError):  # an encoding that nobody has heard of
        raise _refuse("it cannot be decoded") from None
    if builder.root is None:
        raise _refuse("it is empty")
    return builder.root


# -- reading ----------------------------------------------------------------------------------------------------------


def read_element(shape: Shape, node: Element) -> Any:
    """The value of an element. Raises Malformed for one that its shape doesn't describe."""
    if isinstance(shape, StructureShape):
        return read_structure(shape, node)
    if isinstance(shape, ListShape):
        return [read_element(shape.member, child) for child in node]
    if isinstance(shape, MapShape):
        return dict(_entry(shape, child) for child in node)
    try:
        return read_text(shape, node.text or "", TIMESTAMPS)
    except Malformed as error:
        raise _refuse(f"{node.tag}: {error.message}") from None


def read_structure(shape: StructureShape, node: Element) -> dict[str, Any]:
    """The members of a structure that its children and attributes give; others are ignored, as AWS does."""
    children: dict[str, list[Element]] = defaultdict(list)
    for child in node:
        children[child.tag].append(child)
    values: dict[str, Any] = {}
    for name, member in shape.members.items():
        if member.serialization.get("location") is not None:
            continue
        if member.serialization.get("xmlAttribute"):
            text = node.attrib.get(name_of(member, name).rpartition(":")[2])
            if text is not None:
                values[name] = text
        elif found := children.get(element_name(member, name)):
            values[name] = _read_member(member, found)
    return values


def element_name(member: Shape, name: str) -> str:
    """How the element of a member is called: that of a flattened list as its items are."""
    if isinstance(member, ListShape) and member.serialization.get("flattened"):
        return name_of(member.member, name_of(member, name))
    return name_of(member, name)


def _read_member(member: Shape, found: list[Element]) -> Any:
    if member.serialization.get("flattened"):
        if isinstance(member, ListShape):
            return [read_element(member.member, node) for node in found]
        if isinstance(member, MapShape):
            return dict(_entry(member, node) for node in found)
    return read_element(member, found[-1])


def _entry(shape: MapShape, node: Element) -> tuple[str, Any]:
    by_name = {child.tag: child for child in node}
    key, value = by_name.get(name_of(shape.key, "key")), by_name.get(name_of(shape.value, "value"))
    if key is None or value is None:
        raise _refuse(f"an entry of {node.tag} has a key and a value")
    return key.text or "", read_element(shape.value, value)


# -- writing ----------------------------------------------------------------------------------------------------------


def write_members(shape: StructureShape, value: dict[str, Any], node: Element) -> None:
    """Put the members of a structure below an element; those that belong elsewhere in the response are left out."""
    for name, member in shape.members.items():
        item = value.get(name)
        if item is None or member.serialization.get("location") is not None:
            continue
        if member.serialization.get("xmlAttribute"):
            node.attrib[name_of(member, name)] = str(item)
        else:
            write_element(member, item, node, element_name(member, name))


def write_element(shape: Shape, value: Any, parent: Element, name: str) -> None:
    """Put a value below an element."""
    if isinstance(shape, ListShape):
        _write_list(shape, value, parent, name)
    elif isinstance(shape, MapShape):
        node = parent if shape.serialization.get("flattened") else SubElement(parent, name)
        for key, item in value.items():
            entry = SubElement(node, name if node is parent else "entry")
            write_element(shape.key, key, entry, name_of(shape.key, "key"))
            write_element(shape.value, item, entry, name_of(shape.value, "value"))
    elif isinstance(shape, StructureShape):
        node = SubElement(parent, name)
        declare_namespace(shape, node)
        write_members(shape, value, node)
    else:
        SubElement(parent, name).text = clean(write_text(shape, value, TIMESTAMPS))


def _write_list(shape: ListShape, value: Any, parent: Element, name: str) -> None:
    if shape.serialization.get("flattened"):
        for item in value:
            write_element(shape.member, item, parent, name)
        return
    node = SubElement(parent, name)
    for item in value:
        write_element(shape.member, item, node, name_of(shape.member, "member"))


def declare_namespace(shape: Shape, node: Element) -> None:
    """Write the namespace that a shape asks for."""
    namespace = shape.serialization.get("xmlNamespace")
    if isinstance(namespace, str):
        namespace = {"uri": namespace}
    if namespace:
        prefix = f":{namespace['prefix']}" if namespace.get("prefix") else ""
        node.attrib[f"xmlns{prefix}"] = namespace["uri"]


def document(root: Element) -> bytes:
    """The text of a document, declaration included."""
    text: bytes = tostring(root, encoding="utf-8")
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + text.removeprefix(_DECLARATION)


def clean(text: str) -> str:
    """A text that XML 1.0 can carry: what it has no way to write becomes U+FFFD, line ends stay line ends."""
    if text.isprintable():
        return text
    return "".join(char if char in "\t\n\r" or char.isprintable() or _is_char(ord(char)) else "\ufffd" for char in text)


def _is_char(code: int) -> bool:
    return 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or 0x10000 <= code <= 0x10FFFF
