"""CloudWatch Logs filter patterns, as tables: pattern, what it wants, what it doesn't."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventbus.telemetry.errors import InvalidFilterPattern
from eventbus.telemetry.filter_patterns import compile_pattern
from eventbus.telemetry.filter_patterns.columns import split

LINES = [
    "[ERROR 400] BAD REQUEST",
    "[ERROR 401] UNAUTHORIZED REQUEST",
    "[ERROR 419] MISSING ARGUMENTS",
    "[ERROR 420] INVALID ARGUMENTS",
    "[WARN] slow",
]

TERMS: list[tuple[str, list[int]]] = [
    ("", [0, 1, 2, 3, 4]),
    ("ERROR", [0, 1, 2, 3]),
    ("error", []),
    ("ERROR ARGUMENTS", [2, 3]),
    ("?ERROR ?WARN", [0, 1, 2, 3, 4]),
    ("?ARGUMENTS ?slow", [2, 3, 4]),
    ("ERROR ?slow", [0, 1, 2, 3]),
    ("ERROR -ARGUMENTS", [0, 1]),
    ("-ERROR", [4]),
    ("?REQUEST ?slow -BAD", [1, 4]),
    ('"BAD REQUEST"', [0]),
    ('"[ERROR 4"', [0, 1, 2, 3]),
    ('-"BAD REQUEST" ERROR', [1, 2, 3]),
    ("%ERROR 4[01].%", [0, 1, 2]),
    ("%^\\[WARN%", [4]),
    ("%[A-Z]+ED% REQUEST", [1]),
    ("-%4\\d\\d%", [4]),
]


@pytest.mark.parametrize(("pattern", "wanted"), TERMS)
def test_terms(pattern: str, wanted: list[int]) -> None:
    """Plain terms all, optional ones one, excluded ones none; phrases and regular expressions alike."""
    matches = compile_pattern(pattern)
    assert [index for index, line in enumerate(LINES) if matches(line)] == wanted


ACCESS = '127.0.0.1 Prod frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534'

COLUMNS = [
    ("[ip, server, username, timestamp, request, status_code, bytes]", True),
    ("[ip, server, username, timestamp, request, status_code]", False),
    ("[ip, ..., status_code, bytes]", True),
    ("[..., status_code = 4*, bytes]", True),
    ("[..., status_code = 5*, bytes]", False),
    ("[..., status_code=404, bytes > 1000]", True),
    ("[..., status_code=404, bytes > 2000]", False),
    ("[..., status_code=404, bytes <= 1534]", True),
    ("[..., bytes != 1534]", False),
    ("[..., bytes != big]", True),
    ("[..., bytes > 1e3]", True),
    ("[..., ip > 1]", True),
    ("[ip > 1, ...]", False),
    ("[ip != 1, ...]", True),
    ('[ip, server, username = "frank", ...]', True),
    ("[ip, server, username = frank || username = bob, ...]", True),
    ("[ip, server, username != frank && username != bob, ...]", False),
    ("[..., status_code = 4* && status_code != 404, bytes]", False),
    ("[ip = %127\\.0\\.0\\.[0-9]%, ...]", True),
    ("[ip != %127\\.%, ...]", False),
    ("[..., request = *html*, status, bytes]", True),
    ('[..., request = "GET *", status, bytes]', True),
    ("[a, b, ..., c, d]", True),
    ("[...]", True),
]


@pytest.mark.parametrize(("pattern", "wanted"), COLUMNS)
def test_columns(pattern: str, wanted: bool) -> None:
    """Names, conditions and an ellipsis over the columns of an access log."""
    assert compile_pattern(pattern)(ACCESS) is wanted


def test_brackets_and_quotes_keep_a_column_together() -> None:
    assert split(ACCESS)[3:5] == ["10/Oct/2000:13:25:15 -0700", "GET /index.html HTTP/1.0"]


DOCUMENT = {
    "eventType": "UpdateTrail",
    "sourceIPAddress": "111.111.111.111",
    "arrayKey": ["value", "another value"],
    "objectList": [{"name": "a", "id": 1}, {"name": "b", "id": 2}],
    "SomeObject": None,
    "ThisFlag": True,
    "off": False,
    "latency": 1.5e3,
    "code": 400,
    "text": "400",
    "dotted.key": {"in": 1},
    "matrix": [[1, 2], [3]],
    "quote": 'say "x"',
}

SELECTIONS = [
    ('{ $.eventType = "UpdateTrail" }', True),
    ("{$.eventType = UpdateTrail}", True),
    ('{ $.eventType = "Update*" }', True),
    ('{ $.eventType = "*date*ail" }', True),
    ('{ $.eventType = "*ail*date" }', False),
    ('{ $.eventType != "UpdateTrail" }', False),
    ('{ $.eventType != "x" }', True),
    ('{ $.missing != "x" }', False),
    ("{ $.sourceIPAddress != 123.123.* }", True),
    ("{ $.eventType = %Up.*l$% }", True),
    ("{ $.eventType != %^Up% }", False),
    ('{ $.arrayKey[0] = "value" }', True),
    ('{ $.arrayKey[2] = "value" }', False),
    ('{ $.arrayKey[*] = "another*" }', True),
    ("{ $.objectList[1].id = 2 }", True),
    ("{ $.objectList[*].id > 1 }", True),
    ("{ $.objectList[*].id > 2 }", False),
    ("{ $.matrix[*][0] = 3 }", True),
    ("{ $.SomeObject IS NULL }", True),
    ("{ $.missing IS NULL }", False),
    ("{ $.SomeObject NOT EXISTS }", False),
    ("{ $.missing NOT EXISTS }", True),
    ("{ $.code EXISTS }", True),
    ("{ $.ThisFlag IS TRUE }", True),
    ("{ $.off IS TRUE }", False),
    ("{ $.off is false }", True),
    ("{ $.latency >= 1500 }", True),
    ("{ $.latency < 1.5e3 }", False),
    ("{ $.code = 400 }", True),
    ("{ $.text = 400 }", False),
    ('{ $.text = "400" }', True),
    ("{ $.ThisFlag = 1 }", False),
    ("{ $.code IN [404, 400] }", True),
    ('{ $.eventType IN ["a", "b"] }', False),
    ('{ $.["dotted.key"].in = 1 }', True),
    ("{ $['dotted.key'].in = 2 }", False),
    ('{ $.quote = "say \\"x\\"" }', True),
    ("{ $.code = 400 && $.off IS TRUE || $.ThisFlag IS TRUE }", True),
    ("{ $.code = 400 && ($.off IS TRUE || $.code = 1) }", False),
    ("{ ($.code = 1 || $.code = 400) && ($.latency > 1) }", True),
    ("{ $.code.deeper = 1 }", False),
]


@pytest.mark.parametrize(("pattern", "wanted"), SELECTIONS)
def test_selections(pattern: str, wanted: bool) -> None:
    """Strings, numbers, arrays, flags and what isn't there."""
    assert compile_pattern(pattern)(json.dumps(DOCUMENT)) is wanted


@pytest.mark.parametrize("message", ["", "text", "[1]", "{", '{"code": 400', "1"])
def test_what_is_no_json_object_is_never_selected(message: str) -> None:
    """Not even by a selector that asks for absence."""
    assert not compile_pattern("{ $.code NOT EXISTS }")(message)


REFUSED = [
    ("a.b", "the term 'a.b' has other characters than letters, digits and underscores; write it in double quotes"),
    ('"open', "it cannot be read from '\"open' on"),
    ("%(a)%", "such as groups in parentheses"),
    ("%[%", "%[% is no regular expression"),
    ("%%", "is empty"),
    ("%a% %b% %c%", "3 regular expressions, at most 2"),
    ("[a, b", "the closing ] is missing"),
    ("[..., a, ...]", "more than once"),
    ("[a > b]", "> compares numbers"),
    ("[a b]", "neither a column's name nor a condition"),
    ("{ $.a = 1", "the closing } is missing"),
    ("{ a = 1 }", "'a' is no selector; selectors begin with $."),
    ("{ $.a }", "a selector is followed by"),
    ("{ $.a = }", "it ends where a value should follow"),
    ("{ $.a > x }", "> compares numbers, and 'x' is none"),
    ("{ $.a IS 1 }", "IS is followed by NULL, TRUE or FALSE"),
    ("{ $.a NOT 1 }", "NOT is followed by EXISTS"),
    ("{ ($.a = 1 }", "a closing ) is missing"),
    ("{ $.a = 1 $.b = 2 }", "'$.b' is unexpected"),
    ("{ $.a IN 1 }", "IN is followed by a list"),
    ("{ $.a IN [1 }", "a closing ] is missing"),
    ("{ $.a = & }", "it cannot be read from '&' on"),
    ("{ $.a = ( }", "'(' is no value"),
    (f"{{ {'(' * 60}$.a = 1{')' * 60} }}", "more than 50 parentheses"),
    ("x" * 1025, "it has 1,025 characters"),
]


@pytest.mark.parametrize(("pattern", "problem"), REFUSED)
def test_what_is_no_pattern_is_refused(pattern: str, problem: str) -> None:
    """With the part that is wrong, and AWS's code."""
    with pytest.raises(InvalidFilterPattern) as refusal:
        compile_pattern(pattern)
    assert problem in str(refusal.value)
    assert refusal.value.code == "InvalidParameterException"


@given(st.text(), st.text())
def test_a_pattern_is_taken_or_refused_and_nothing_else(pattern: str, message: str) -> None:
    """No text of either kind breaks the reader."""
    try:
        matches = compile_pattern(pattern)
    except InvalidFilterPattern:
        return
    assert matches(message) in (True, False)


@given(st.text(st.characters(blacklist_characters='"\\'), min_size=1), st.text(), st.text())
def test_a_phrase_finds_itself(phrase: str, before: str, after: str) -> None:
    """In quotes every text is a term."""
    assert compile_pattern(f'"{phrase}"')(before + phrase + after)
