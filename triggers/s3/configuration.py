"""The notification configuration of a bucket, between boto3's shape and rules. Pure.

Source: botocore's `PutBucketNotificationConfiguration`; S3 user guide, "Configuring event notifications using object
key name filtering"; the texts of the errors as recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote_plus, unquote_plus

import attrs

from eventbus.arn import Arn
from eventbus.errors import ConfigurationError
from triggers.s3.errors import InvalidArgument, MalformedXML
from triggers.s3.event_types import expand
from triggers.s3.notifications import Index, Rule, check_overlap

MAX_FILTER_VALUE = 1024
"""Bytes in UTF-8 (botocore)."""

_LISTS = {
    "LambdaFunctionConfigurations": ("LambdaFunctionArn", "CloudFunction", "lambda"),
    "TopicConfigurations": ("TopicArn", "Topic", "sns"),
    "QueueConfigurations": ("QueueArn", "Queue", "sqs"),
}
_KINDS = {service: kind for _, kind, service in _LISTS.values()}


@attrs.frozen
class Configuration:
    """A whole notification configuration, checked and compiled."""

    rules: tuple[Rule, ...] = ()
    has_event_bridge: bool = False
    index: Index = attrs.field(init=False, repr=False, eq=False)

    @index.default
    def _index(self) -> Index:
        return Index(self.rules)

    @classmethod
    def of(cls, rules: tuple[Rule, ...], has_event_bridge: bool, limit: int | None) -> Configuration:
        """Check what concerns the rules together: their number, their ids and their overlap."""
        if limit is not None and len(rules) > limit:
            raise InvalidArgument(
                f"A bucket has at most {limit} notification configurations",
                "NotificationConfiguration",
                str(len(rules)),
                mend="S3(bus, max_notifications=None) lifts the limit",
            )
        seen: set[str] = set()
        for rule in rules:
            if rule.id in seen:
                raise InvalidArgument("Two notification configurations have the same Id", "Id", rule.id)
            seen.add(rule.id)
        check_overlap(rules)
        return cls(rules, has_event_bridge)

    def document(self) -> dict[str, Any]:
        """The configuration in boto3's shape; `{}` when there is nothing."""
        document: dict[str, Any] = {}
        for name, (arn_name, kind, _) in _LISTS.items():
            entries = [_entry(rule, arn_name) for rule in self.rules if rule.kind == kind]
            if entries:
                document[name] = entries
        if self.has_event_bridge:
            document["EventBridgeConfiguration"] = {}
        return document


def _entry(rule: Rule, arn_name: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"Id": rule.id, arn_name: rule.arn, "Events": list(rule.events)}
    if rule.filter_rules:
        entry["Filter"] = {
            "Key": {"FilterRules": [{"Name": name, "Value": value} for name, value in rule.filter_rules]}
        }
    return entry


def parse(document: Mapping[str, Any], region: str, new_id: Callable[[], str], limit: int | None) -> Configuration:
    """Read a configuration in boto3's shape.

    Raises MalformedXML or InvalidArgument. `new_id` makes up the Ids that are not given.
    """
    if not isinstance(document, Mapping):
        raise MalformedXML("a notification configuration is a dict")
    unknown = [name for name in document if name not in _LISTS and name != "EventBridgeConfiguration"]
    if unknown:
        known = ", ".join([*_LISTS, "EventBridgeConfiguration"])
        raise MalformedXML(f"{unknown[0]!r} is no part of a notification configuration; its parts are {known}")
    rules = []
    for name, (arn_name, kind, _) in _LISTS.items():
        for entry in _list(document.get(name), name):
            rules.append(_parse_entry(entry, arn_name, kind, region, new_id))
    bridge = document.get("EventBridgeConfiguration")
    if bridge is not None and (not isinstance(bridge, Mapping) or bridge):
        raise MalformedXML("EventBridgeConfiguration is an empty dict: it takes no filter and no destination")
    return Configuration.of(tuple(rules), bridge is not None, limit)


def _list(value: object, name: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, (list, tuple)):
        raise MalformedXML(f"{name} is a list")
    return list(value)


def _parse_entry(entry: object, arn_name: str, kind: str, region: str, new_id: Callable[[], str]) -> Rule:
    known = {"Id", arn_name, "Events", "Filter"}
    if not isinstance(entry, Mapping) or not known.issuperset(entry):
        raise MalformedXML(f"a configuration has the members Id, {arn_name}, Events and Filter")
    arn, events, identifier = entry.get(arn_name), entry.get("Events"), entry.get("Id")
    if not isinstance(arn, str) or not isinstance(events, (list, tuple)) or not events:
        raise MalformedXML(f"a configuration needs {arn_name}, a text, and Events, a list of at least one")
    if identifier is not None and not isinstance(identifier, str):
        raise MalformedXML("Id is a text")
    return make_rule(identifier or new_id(), kind, arn, tuple(events), _parse_filter(entry.get("Filter")), region)


def make_rule(
    identifier: str, kind: str, arn: str, events: tuple[str, ...], filters: tuple[tuple[str, str], ...], region: str
) -> Rule:
    """Check one configuration by itself. Raises InvalidArgument."""
    event_names = expand(events)
    rule = Rule(identifier, kind, arn, events, event_names, _check_filters(filters))
    _check_arn(arn, kind, region)
    return rule


def kind_of(arn: str) -> str:
    """Which kind of destination an ARN names. Raises ConfigurationError if a bucket cannot notify it."""
    service = Arn.parse(arn).service
    if service not in _KINDS:
        raise ConfigurationError(f"a bucket notifies functions, topics and queues; {arn} is none of them")
    return _KINDS[service]


def _check_arn(arn: str, kind: str, region: str) -> None:
    try:
        parsed = Arn.parse(arn)
        if _KINDS.get(parsed.service) != kind:
            raise ConfigurationError(arn)
    except ConfigurationError:
        raise InvalidArgument("The ARN could not be parsed", kind, arn) from None
    if parsed.region != region:
        raise InvalidArgument(
            "The notification destination service region is not valid for the bucket location constraint", kind, arn
        )
    if kind != "CloudFunction" and arn.endswith(".fifo"):
        noun = "topics" if kind == "Topic" else "queues"
        raise refused_destinations(
            [(arn, f"FIFO {noun} are not supported as notification destinations")],
            [f"a bucket reaches a FIFO {noun[:-1]} through EventBridge, or send to a standard {noun[:-1]}"],
        )


def refused_destinations(bad: list[tuple[str, str]], mends: list[str]) -> InvalidArgument:
    """The error for destinations that cannot be used: pairs of an ARN and what is wrong with it."""
    fields: dict[str, str] = {}
    for number, (name, value) in enumerate(bad, 1):
        fields[f"ArgumentName{number}"] = name
        fields[f"ArgumentValue{number}"] = value
    return InvalidArgument(
        "Unable to validate the following destination configurations", mend="; ".join(mends) or None, fields=fields
    )


def _parse_filter(value: object) -> tuple[tuple[str, str], ...]:
    key = _member(value, "Filter", "Key")
    rules = _member(key, "Key", "FilterRules")
    filters = []
    for rule in _list(rules, "FilterRules"):
        if not isinstance(rule, Mapping) or set(rule) != {"Name", "Value"}:
            raise MalformedXML("a filter rule has a Name and a Value")
        if not isinstance(rule["Name"], str) or not isinstance(rule["Value"], str):
            raise MalformedXML("Name and Value of a filter rule are texts")
        filters.append((rule["Name"], rule["Value"]))
    return tuple(filters)


def _member(value: object, name: str, member: str) -> object:
    if value is None:
        return None
    if not isinstance(value, Mapping) or not {member}.issuperset(value):
        raise MalformedXML(f"{name} is a dict with the member {member}")
    return value.get(member)


def _check_filters(filters: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    checked: dict[str, str] = {}
    for given, value in filters:
        name = given.capitalize()
        if name not in ("Prefix", "Suffix"):
            raise InvalidArgument("filter rule name must be either prefix or suffix", "FilterRule.Name", given)
        if name in checked:
            raise InvalidArgument(
                f"Cannot specify more than one {name.lower()} rule in a filter.", "FilterRule.Name", given
            )
        if len(value.encode("utf-8", "surrogatepass")) > MAX_FILTER_VALUE:
            raise InvalidArgument(
                f"Size of filter rule value cannot exceed {MAX_FILTER_VALUE} bytes in UTF-8 representation",
                "FilterRule.Value",
                value,
            )
        checked[name] = value
    return tuple(checked.items())


def unencoded(value: str) -> str | None:
    """How a filter value must be written for S3, where it was not written URL-encoded; else None.

    S3 compares filters with the URL-encoded key. This bus decodes the filter instead, which agrees for every encoded
    value and also understands those that S3 would never match.
    """
    decoded = unquote_plus(value)
    encoded = quote_plus(decoded, safe="/", errors="surrogatepass")
    return None if encoded.upper() == value.upper() or decoded != value else encoded
