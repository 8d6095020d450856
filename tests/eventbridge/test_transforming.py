"""What targets get: constants, parts and templates."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventbus.delivery.payload import as_text
from triggers.eventbridge.errors import NotValid
from triggers.eventbridge.events import BusEvent
from triggers.eventbridge.paths import MISSING, parse_path
from triggers.eventbridge.transforming import parse_input

RULE = "arn:aws:events:us-east-1:123456789012:rule/orders"
EVENT = {
    "version": "0",
    "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
    "detail-type": "order.paid",
    "source": "shop",
    "account": "123456789012",
    "time": "2026-03-02T10:11:12Z",
    "region": "us-east-1",
    "resources": ["r1", "r2"],
    "detail": {
        "total": 300,
        "name": "Ann",
        "paid": True,
        "note": None,
        "who": {"acc_id": 123},
        "tags": ["A", "B"],
        "items": [{"sku": "x"}, {"sku": "y"}],
    },
}


def made(**document: Any) -> str:
    return as_text(parse_input("t", document).of(BusEvent(EVENT, 1_772_446_273.9), RULE))


def filled(template: str, **paths: str) -> str:
    return made(InputTransformer={"InputPathsMap": paths, "InputTemplate": template})


def test_without_any_input_the_event_arrives_as_it_is() -> None:
    assert json.loads(made()) == EVENT


def test_a_constant_arrives_character_by_character() -> None:
    assert made(Input='{ "a" :  1 }') == '{ "a" :  1 }'


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$", EVENT),
        ("$.source", "shop"),
        ("$.detail-type", "order.paid"),
        ("$['detail-type']", "order.paid"),
        ('$.detail["total"]', 300),
        ("$.resources[1]", "r2"),
        ("$.detail.items[0].sku", "x"),
        ("$.detail.items[*].sku", ["x", "y"]),
        ("$.detail.who.*", [123]),
        ("$.detail.note", None),
        ("$.detail.who", {"acc_id": 123}),
        ("$.detail.missing", ""),
        ("$.resources[2]", ""),
        ("$.source.deeper", ""),
    ],
)
def test_a_path_selects_a_part(path: str, expected: Any) -> None:
    """A text arrives as a JSON text, in quotes; what isn't there as an empty one."""
    assert json.loads(made(InputPath=path)) == expected


@pytest.mark.parametrize(
    "path", ["source", "", "$source", "$.", "$..source", "$.a[-1]", "$.a[x]", "$.a[?(@.b)]", "$.a b"]
)
def test_a_path_that_cannot_be_read_is_refused(path: str) -> None:
    with pytest.raises(NotValid, match="Invalid InputPath for target t"):
        made(InputPath=path)


@pytest.mark.parametrize(
    ("template", "paths", "expected"),
    [
        ('{"n": <name>}', {"name": "$.detail.name"}, '{"n": "Ann"}'),
        ('{"n": "<name>"}', {"name": "$.detail.name"}, '{"n": "Ann"}'),
        ('{"n": <total>, "p": <paid>}', {"total": "$.detail.total", "paid": "$.detail.paid"}, '{"n": 300, "p": true}'),
        ('{"n": "<total> <paid>"}', {"total": "$.detail.total", "paid": "$.detail.paid"}, '{"n": "300 true"}'),
        ('{"w": <who>}', {"who": "$.detail.who"}, '{"w": {"acc_id":123}}'),
        ('{"w": "<who>"}', {"who": "$.detail.who"}, '{"w": "{acc_id:123}"}'),
        ('{"t": <tags>}', {"tags": "$.detail.tags"}, '{"t": ["A","B"]}'),
        ('{"t": "<tags>"}', {"tags": "$.detail.tags"}, '{"t": "[A,B]"}'),
        ('{"m": <missing>}', {"missing": "$.detail.missing"}, '{"m": ""}'),
        ('{"m": "(<missing>)"}', {"missing": "$.detail.missing"}, '{"m": "()"}'),
        ('{"m": <note>, "q": "<note>"}', {"note": "$.detail.note"}, '{"m": null, "q": "null"}'),
        ('[<name>, "<name>"]', {"name": "$.detail.name"}, '["Ann", "Ann"]'),
        ('"<name> paid <total>"', {"name": "$.detail.name", "total": "$.detail.total"}, '"Ann paid 300"'),
        ('"<name>"\n"paid <total>"', {"name": "$.detail.name", "total": "$.detail.total"}, '"Ann"\n"paid 300"'),
        ('{\n  "n": <name>\n}', {"name": "$.detail.name"}, '{\n  "n": "Ann"\n}'),
        ('{"say": "\\"<name>\\" <name>"}', {"name": "$.detail.name"}, '{"say": "\\"Ann\\" Ann"}'),
        ("<name>", {"name": "$.detail.name"}, '"Ann"'),
        ('{"less": "1 < 2 > 0"}', {}, '{"less": "1 < 2 > 0"}'),
        ('"<aws.events.rule-arn>"', {}, f'"{RULE}"'),
        ('{"r": <aws.events.rule-name>}', {}, '{"r": "orders"}'),
        ('{"i": <aws.events.event.ingestion-time>}', {}, '{"i": "2026-03-02T10:11:13Z"}'),
    ],
)
def test_a_template_is_filled_in(template: str, paths: dict[str, str], expected: str) -> None:
    assert filled(template, **paths) == expected


def test_the_event_itself_can_be_put_in_with_and_without_its_detail() -> None:
    """Without the detail the keys are in camel case, as on AWS."""
    whole = json.loads(filled('{"e": <aws.events.event.json>, "h": <aws.events.event>}'))
    assert whole["e"] == EVENT
    head = {"detailType" if key == "detail-type" else key: value for key, value in EVENT.items() if key != "detail"}
    assert whole["h"] == head


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({"Input": "1", "InputPath": "$"}, "Only one of Input, InputPath, or InputTransformer must be"),
        ({"Input": "{"}, "JSON syntax error in input for target t"),
        ({"Input": '"' + "x" * 8191 + '"'}, "Input for target t is not valid"),
        ({"InputPath": "$" + ".a" * 200}, "InputPath for target t is not valid"),
        ({"InputTransformer": {}}, "InputTransformer for target t is not valid"),
        ({"InputTransformer": {"InputTemplate": ""}}, "InputTemplate for target t must have 1 to 8192 characters."),
        ({"InputTransformer": {"InputTemplate": '"' + "x" * 8191 + '"'}}, "must have 1 to 8192 characters."),
        ({"InputTransformer": {"InputTemplate": '"<nope>"'}}, "contains invalid placeholder nope."),
        ({"InputTransformer": {"InputTemplate": "plain text"}}, "InputTemplate for target t is not valid"),
        ({"InputTransformer": {"InputTemplate": '"one"\ntwo'}}, "InputTemplate for target t is not valid"),
        ({"InputTransformer": {"InputTemplate": '{"a": "<a>}', "InputPathsMap": {"a": "$"}}}, "is not valid"),
        ({"InputTransformer": {"InputTemplate": '"x"', "InputPathsMap": {"aws.x": "$"}}}, "invalid key aws.x."),
        ({"InputTransformer": {"InputTemplate": '"x"', "InputPathsMap": {"AWSx": "$"}}}, "contains invalid key AWSx."),
        ({"InputTransformer": {"InputTemplate": '"x"', "InputPathsMap": {"a": "x"}}}, "Invalid InputPathsMap"),
        (
            {"InputTransformer": {"InputTemplate": '"x"', "InputPathsMap": {f"p{n}": "$" for n in range(101)}}},
            "must have at most 100 entries.",
        ),
    ],
)  # fmt: skip
def test_an_input_is_refused(document: dict[str, Any], text: str) -> None:
    with pytest.raises(NotValid) as refused:
        parse_input("t", document)
    assert text in refused.value.message


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(value=VALUES)
def test_outside_of_quotes_every_value_arrives_as_it_is(value: Any) -> None:
    event = BusEvent({**EVENT, "detail": {"v": value}}, 0.0)
    document = {"InputTransformer": {"InputPathsMap": {"v": "$.detail.v"}, "InputTemplate": '{"a<v": [<v>], "b": <v>}'}}
    assert json.loads(parse_input("t", document).of(event, RULE)) == {"a<v": [value], "b": value}


@given(keys=st.lists(st.text(st.characters(exclude_characters="'"), min_size=1, max_size=4), min_size=1, max_size=4))
def test_a_path_in_brackets_finds_whatever_key_it_names(keys: list[str]) -> None:
    document: Any = "found"
    for key in reversed(keys):
        document = {key: document}
    path = parse_path("$" + "".join(f"['{key}']" for key in keys))
    assert path.find(document) == "found"
    assert path.find({}) is MISSING
