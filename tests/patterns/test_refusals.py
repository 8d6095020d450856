"""Refusals: exactly AWS's texts."""

from __future__ import annotations

import json

import pytest

from eventbus.errors import ConfigurationError
from triggers.patterns.dialect import EVENT_FILTER, EVENTBRIDGE, SNS_ATTRIBUTES, SNS_BODY, Dialect
from triggers.patterns.errors import InvalidPattern, NestingNotSupported
from triggers.patterns.language import compile_pattern

MIXED = "Inside anything but list, either all values are number or string, mixed type is not supported"
NOT_IN_LIST = "Inside anything but list, start|null|boolean is not supported."
NOT_A_VALUE = "Value of anything-but must be an array or single string/number value."
LITERAL = "Match value must be String, number, true, false, or null"

BOTH = [
    ('{"k":"v"}', '"k" must be an object or an array'),
    ('{"k":[]}', "Empty arrays are not allowed"),
    ('{"k":[["v"]]}', LITERAL),
    ("[1]", "Filter is not an object"),
    ('"x"', "Filter is not an object"),
    ('{"k":[{"prefix":"a","suffix":"b"}]}', "Only one key allowed in match expression"),
    ('{"k":[{"prefix":1,"suffix":"b"}]}', "prefix match pattern must be a string"),
    ('{"k":[{"foo":"v"}]}', "Unrecognized match type foo"),
    ('{"k":[{}]}', "Match expression name not found"),
    ('{"k":[{"prefix":1}]}', "prefix match pattern must be a string"),
    ('{"k":[{"suffix":1}]}', "suffix match pattern must be a string"),
    ('{"k":[{"equals-ignore-case":1}]}', "equals-ignore-case match pattern must be a string"),
    ('{"k":[{"wildcard":1}]}', "wildcard match pattern must be a string"),
    ('{"k":[{"cidr":1}]}', "prefix match pattern must be a string"),
    ('{"k":[{"cidr":"10.0.0.0"}]}', "Malformed CIDR, one '/' required"),
    ('{"k":[{"cidr":"10.0.0.0/8/8"}]}', "Malformed CIDR, one '/' required"),
    ('{"k":[{"cidr":"10.0.0.0/x"}]}', "Malformed CIDR, mask bits must be an integer"),
    ('{"k":[{"cidr":"10.0.0.0/1_0"}]}', "Malformed CIDR, mask bits must be an integer"),
    ('{"k":[{"cidr":"10.0.0.0/-1"}]}', "Malformed CIDR, mask bits must not be negative"),
    ('{"k":[{"cidr":"10.0.0.0/32"}]}', "IPv4 mask bits must be < 32"),
    ('{"k":[{"cidr":"::/128"}]}', "IPv6 mask bits must be < 128"),
    ('{"k":[{"cidr":"foo/8"}]}', "Nonstandard IP address: foo"),
    ('{"k":[{"exists":"true"}]}', "exists match pattern must be either true or false."),
    ('{"k":[{"exists":1}]}', "exists match pattern must be either true or false."),
    ('{"k":[{"prefix":{"foo":"v"}}]}', "Unsupported prefix pattern: foo"),
    ('{"k":[{"suffix":{"equals-ignore-case":1}}]}', "equals-ignore-case match pattern must be a string"),
    ('{"k":[{"numeric":5}]}', "Value of numeric must be an array."),
    ('{"k":[{"numeric":[]}]}', "Invalid member in numeric match: ]"),
    ('{"k":[{"numeric":[5]}]}', "Invalid member in numeric match: 5"),
    ('{"k":[{"numeric":[true]}]}', "Invalid member in numeric match: true"),
    ('{"k":[{"numeric":["<>",1]}]}', "Unrecognized numeric range operator: <>"),
    ('{"k":[{"numeric":["=","x"]}]}', "Value of equals must be numeric"),
    ('{"k":[{"numeric":["="]}]}', "Value of equals must be numeric"),
    ('{"k":[{"numeric":[">","x"]}]}', "Value of > must be numeric"),
    ('{"k":[{"numeric":["<=",true]}]}', "Value of <= must be numeric"),
    ('{"k":[{"numeric":["=",1,2]}]}', "Too many elements in numeric expression"),
    ('{"k":[{"numeric":["<",1,">",0]}]}', "Too many elements in numeric expression"),
    ('{"k":[{"numeric":[">",1,">",3]}]}', "Bad numeric range operator: >"),
    ('{"k":[{"numeric":[">",1,"<","x"]}]}', "Bad value in numeric range: x"),
    ('{"k":[{"numeric":[">",1,"<"]}]}', "Bad value in numeric range: ]"),
    ('{"k":[{"numeric":[">",5,"<",3]}]}', "Bottom must be less than top"),
    ('{"k":[{"numeric":[">",1,"<",3,"<",4]}]}', "Too many terms in numeric range expression"),
    ('{"k":[{"anything-but":null}]}', NOT_A_VALUE),
    ('{"k":[{"anything-but":true}]}', NOT_A_VALUE),
    ('{"k":[{"anything-but":["a",null]}]}', NOT_IN_LIST),
    ('{"k":[{"anything-but":[true]}]}', NOT_IN_LIST),
    ('{"k":[{"anything-but":[["a"]]}]}', NOT_IN_LIST),
    ('{"k":[{"anything-but":["a",1]}]}', MIXED),
    ('{"k":[{"anything-but":[]}]}', MIXED),
    ('{"k":[{"anything-but":{"foo":"v"}}]}', "Unsupported anything-but pattern: foo"),
    ('{"k":[{"anything-but":{"prefix":""}}]}', "Null prefix/suffix not allowed"),
    ('{"k":[{"anything-but":{"suffix":1}}]}', "prefix/suffix match pattern must be a string"),
    ('{"k":[{"wildcard":"a**b"}]}', "Consecutive wildcard characters at pos 2"),
    ('{"k":[{"wildcard":"\u00e4**b"}]}', "Consecutive wildcard characters at pos 3"),
    ('{"k":[{"wildcard":"\\\\q"}]}', "Invalid escape character at pos 1"),
    ('{"k":[{"wildcard":"a\\\\"}]}', "Invalid escape character at pos 2"),
    ('{"$or":[{"a":["x"]}]}', "Unrecognized match type a"),
    ('{"$or":[{"a":["x"]},{"numeric":["x"]}]}', "Unrecognized match type a"),
    ('{"$or":[{"a":["x"]},{}]}', "Empty objects are not allowed"),
]
SNS_ONLY = [
    ('{"k":[{"anything-but":{"equals-ignore-case":"v"}}]}', "Unsupported anything-but pattern: equals-ignore-case"),
    ('{"k":[{"anything-but":{"prefix":["a","b"]}}]}', "prefix/suffix match pattern must be a string"),
]
BODY_ONLY = [('{"k":{}}', "Empty objects are not allowed"), ('{"k":{"l":1}}', '"l" must be an object or an array')]
EVENTBRIDGE_ONLY = [
    ("{}", "Empty objects are not allowed"),
    ('{"a":{}}', "Empty objects are not allowed"),
    ('{"k":[{"anything-but":{"prefix":["a",""]}}]}', "Null prefix/suffix not allowed"),
    ('{"k":[{"anything-but":{"equals-ignore-case":[]}}]}', "equals-ignore-case match pattern must be a string"),
]
EVENT_FILTER_ONLY = [
    ('{"k":[{"wildcard":"a*"}]}', "Unrecognized match type wildcard"),
    ('{"k":[{"cidr":"10.0.0.0/8"}]}', "Unrecognized match type cidr"),
    ('{"k":[{"anything-but":{"wildcard":"a*"}}]}', "Unsupported anything-but pattern: wildcard"),
]
TABLE = [
    *((dialect, *row) for row in BOTH for dialect in (SNS_ATTRIBUTES, SNS_BODY, EVENTBRIDGE)),
    *((dialect, *row) for row in SNS_ONLY for dialect in (SNS_ATTRIBUTES, SNS_BODY)),
    *((SNS_BODY, *row) for row in BODY_ONLY),
    *((EVENTBRIDGE, *row) for row in EVENTBRIDGE_ONLY),
    *((EVENT_FILTER, *row) for row in EVENT_FILTER_ONLY),
]


@pytest.mark.parametrize(("dialect", "document", "reason"), TABLE)
def test_a_bad_pattern_is_refused_in_the_words_of_aws(dialect: Dialect, document: str, reason: str) -> None:
    """As text and as a parsed object alike."""
    with pytest.raises(InvalidPattern) as refused:
        compile_pattern(document, dialect)
    assert refused.value.reason == str(refused.value) == reason
    if isinstance(parsed := json.loads(document), dict):
        with pytest.raises(InvalidPattern) as refused:
            compile_pattern(parsed, dialect)
        assert refused.value.reason == reason


def test_nesting_is_refused_in_the_scope_of_attributes() -> None:
    """The exception has a class of its own, because SNS gives this text another prefix."""
    with pytest.raises(NestingNotSupported) as refused:
        compile_pattern('{"a":{"b":["c"]}}', SNS_ATTRIBUTES)
    assert refused.value.reason == "Filter policy scope MessageAttributes does not support nested filter policy"


@pytest.mark.parametrize(
    ("text", "beginning"),
    [
        ("x", "Unrecognized token 'x': was expecting "),
        ('{"k":[nope]}', "Unrecognized token 'nope': was expecting "),
        ('{"k":', "Unexpected end-of-input"),
        ("", "Unexpected end-of-input"),
        ('{"k":]}', "Unexpected character (']' (code 93))"),
        ('{"k":[NaN]}', "Non-standard token 'NaN'"),
        ('{"k":[' + "9" * 5000 + "]}", "Number value length exceeds"),
    ],
)
def test_text_that_is_not_json_is_refused(text: str, beginning: str) -> None:
    """SNS puts its own words before those of the parser, EventBridge does not."""
    with pytest.raises(InvalidPattern) as refused:
        compile_pattern(text, SNS_ATTRIBUTES)
    assert refused.value.reason.startswith("failed to parse JSON. " + beginning)
    with pytest.raises(InvalidPattern) as refused:
        compile_pattern(text[:4000], EVENTBRIDGE)
    assert not refused.value.reason.startswith("failed")


@pytest.mark.parametrize(
    "document",
    [
        {"k": [float("nan")]},
        {"k": [b"bytes"]},
        {"k": [{"numeric": ["=", float("nan")]}]},
        {1: ["x"]},
        {"k": {1: ["x"]}},
    ],
)
def test_objects_that_are_not_json_are_refused(document: dict[str, object]) -> None:
    """Python's objects can hold what JSON cannot."""
    with pytest.raises(InvalidPattern):
        compile_pattern(document, SNS_BODY)


def test_a_refusal_is_a_configuration_error() -> None:
    """Callers that catch our configuration errors, or ValueError, catch this too."""
    with pytest.raises(ConfigurationError):
        compile_pattern("", SNS_BODY)
    assert issubclass(InvalidPattern, ValueError)


@pytest.mark.parametrize("depth", [101, 900, 100_000])
@pytest.mark.parametrize("opening", ['{"a":', '{"a":[', '{"$or":[{"a":["b"]},', "["])
def test_deep_nesting_is_refused_and_never_overflows(opening: str, depth: int) -> None:
    """Whatever nests, the answer is a refusal and not a RecursionError."""
    closing = "".join({"{": "}", "[": "]"}.get(character, "") for character in reversed(opening))
    if opening.startswith('{"$or"'):
        closing = "]}"
    text = opening * depth + '{"a":["b"]}' + closing * depth
    with pytest.raises(InvalidPattern):
        compile_pattern(text, SNS_BODY)


def test_deep_objects_are_refused_and_never_overflow() -> None:
    """A parsed object may be deeper than any text that can be parsed."""
    document: dict[str, object] = {"a": ["b"]}
    nested: list[object] = ["b"]
    for _ in range(100_000):
        document, nested = {"a": document}, [nested]
    for deep in (document, {"a": nested}, {"a": [{"anything-but": nested}]}):
        with pytest.raises(InvalidPattern):
            compile_pattern(deep, SNS_BODY)
    while document:  # taken apart step by step: freeing it at once is Python's recursion, not ours
        document = document["a"] if isinstance(document["a"], dict) else {}
