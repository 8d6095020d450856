"""The notification configuration: boto3's shape, its errors, and that a refusal changes nothing."""

from __future__ import annotations

import itertools
from typing import Any

import botocore.session
import botocore.validate
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventbus import EventBus, VirtualClock
from eventbus.errors import ConfigurationError
from tests.s3.doubles import Recorder
from triggers.s3 import S3, Bucket
from triggers.s3.configuration import Configuration, kind_of, parse, unencoded
from triggers.s3.errors import InvalidArgument, MalformedXML

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:f"
QUEUE = "arn:aws:sqs:us-east-1:123456789012:q"
TOPIC = "arn:aws:sns:us-east-1:123456789012:t"
PUT = "s3:ObjectCreated:Put"


def configuration(document: dict[str, Any], limit: int | None = 100) -> Configuration:
    ids = itertools.count(1)
    return parse(document, "us-east-1", lambda: f"made-up-{next(ids)}", limit)


def functions(**entry: Any) -> dict[str, Any]:
    return {"LambdaFunctionConfigurations": [{"LambdaFunctionArn": FUNCTION, "Events": [PUT], **entry}]}


def filtered(*rules: tuple[str, str]) -> dict[str, Any]:
    return {"Filter": {"Key": {"FilterRules": [{"Name": name, "Value": value} for name, value in rules]}}}


def test_a_whole_configuration_comes_back_as_boto3_expects_it() -> None:
    document = {
        "LambdaFunctionConfigurations": [
            {"Id": "a", "LambdaFunctionArn": FUNCTION, "Events": [PUT], **filtered(("prefix", "in/"), ("SUFFIX", ""))}
        ],
        "TopicConfigurations": [{"Id": "b", "TopicArn": TOPIC, "Events": ["s3:ObjectRemoved:*"]}],
        "QueueConfigurations": [{"QueueArn": QUEUE, "Events": ["s3:ObjectTagging:*", "s3:ObjectAcl:Put"]}],
        "EventBridgeConfiguration": {},
    }
    answer = configuration(document).document()
    assert answer == {
        "LambdaFunctionConfigurations": [
            {"Id": "a", "LambdaFunctionArn": FUNCTION, "Events": [PUT], **filtered(("Prefix", "in/"), ("Suffix", ""))}
        ],
        "TopicConfigurations": [{"Id": "b", "TopicArn": TOPIC, "Events": ["s3:ObjectRemoved:*"]}],
        "QueueConfigurations": [
            {"Id": "made-up-1", "QueueArn": QUEUE, "Events": ["s3:ObjectTagging:*", "s3:ObjectAcl:Put"]}
        ],
        "EventBridgeConfiguration": {},
    }
    model = botocore.session.get_session().get_service_model("s3").shape_for("NotificationConfiguration")
    report = botocore.validate.ParamValidator().validate(answer, model)
    assert not report.has_errors(), report.generate_report()
    assert configuration(answer).document() == answer


def test_nothing_is_an_empty_document() -> None:
    assert configuration({}).document() == {}
    assert configuration({"QueueConfigurations": []}).document() == {}


@pytest.mark.parametrize(
    ("document", "message", "name", "value"),
    [
        (
            functions(**filtered(("infix", "x"))),
            "filter rule name must be either prefix or suffix",
            "FilterRule.Name",
            "infix",
        ),
        (
            functions(**filtered(("prefix", "x"), ("Prefix", "y"))),
            "Cannot specify more than one prefix rule in a filter.",
            "FilterRule.Name",
            "Prefix",
        ),
        (
            functions(**filtered(("suffix", "x"), ("suffix", "x"))),
            "Cannot specify more than one suffix rule in a filter.",
            "FilterRule.Name",
            "suffix",
        ),
        (
            functions(**filtered(("prefix", "é" * 513))),
            "Size of filter rule value cannot exceed 1024 bytes in UTF-8 representation",
            "FilterRule.Value",
            "é" * 513,
        ),
        (functions(Events=["s3:Nothing"]), "The event is not supported for notifications", "Event", "s3:Nothing"),
        (functions(LambdaFunctionArn="nonsense"), "The ARN could not be parsed", "CloudFunction", "nonsense"),
        (functions(LambdaFunctionArn=QUEUE), "The ARN could not be parsed", "CloudFunction", QUEUE),
        ({"TopicConfigurations": [{"TopicArn": "x", "Events": [PUT]}]}, "The ARN could not be parsed", "Topic", "x"),
        (
            {"QueueConfigurations": [{"QueueArn": "arn:", "Events": [PUT]}]},
            "The ARN could not be parsed",
            "Queue",
            "arn:",
        ),
        (
            functions(LambdaFunctionArn=FUNCTION.replace("us-east-1", "eu-west-1")),
            "The notification destination service region is not valid for the bucket location constraint",
            "CloudFunction",
            FUNCTION.replace("us-east-1", "eu-west-1"),
        ),
    ],
)
def test_a_bad_argument_is_refused_in_s3s_words(document: dict[str, Any], message: str, name: str, value: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        configuration(document)
    assert caught.value.message == message
    assert caught.value.fields == {"ArgumentName": name, "ArgumentValue": value}
    assert (caught.value.code, caught.value.status) == ("InvalidArgument", 400)


@pytest.mark.parametrize(
    "document",
    [
        {"Functions": []},
        {"LambdaFunctionConfigurations": {}},
        {"LambdaFunctionConfigurations": [5]},
        {"EventBridgeConfiguration": {"Arn": "x"}},
        {"EventBridgeConfiguration": True},
        functions(Event="x"),
        functions(Events=[]),
        functions(Events=PUT),
        functions(Id=5),
        functions(LambdaFunctionArn=None),
        functions(Filter={"S3Key": {}}),
        functions(Filter={"Key": {"FilterRules": [{"Name": "prefix"}]}}),
        functions(Filter={"Key": {"FilterRules": [{"Value": "x"}]}}),
        functions(Filter={"Key": {"FilterRules": [{"Name": "prefix", "Value": 5}]}}),
        functions(Filter=[]),
        [],
        None,
    ],
)
def test_another_shape_is_malformed(document: Any) -> None:
    with pytest.raises(MalformedXML) as caught:
        configuration(document)
    assert caught.value.message == (
        "The XML you provided was not well-formed or did not validate against our published schema"
    )
    assert caught.value.mend


@pytest.mark.parametrize(
    ("part", "arn", "value"),
    [
        ("Topic", TOPIC + ".fifo", "FIFO topics are not supported as notification destinations"),
        ("Queue", QUEUE + ".fifo", "FIFO queues are not supported as notification destinations"),
    ],
)
def test_fifo_destinations_are_refused(part: str, arn: str, value: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        configuration({f"{part}Configurations": [{f"{part}Arn": arn, "Events": [PUT]}]})
    assert caught.value.message == "Unable to validate the following destination configurations"
    assert caught.value.fields == {"ArgumentName1": arn, "ArgumentValue1": value}


def test_ids_are_unique_and_a_bucket_has_at_most_100() -> None:
    key = "LambdaFunctionConfigurations"

    def many(count: int, same: bool = False) -> dict[str, Any]:
        return {
            key: [
                functions(Id="same" if same else str(n), **filtered(("prefix", f"{n:04}")))[key][0]
                for n in range(count)
            ]
        }

    assert len(configuration(many(100)).rules) == 100
    with pytest.raises(InvalidArgument, match="at most 100"):
        configuration(many(101))
    assert len(configuration(many(101), limit=None).rules) == 101
    with pytest.raises(InvalidArgument, match="same Id"):
        configuration(many(2, same=True))


def test_the_service_of_an_arn_decides_its_kind() -> None:
    assert [kind_of(arn) for arn in (FUNCTION, TOPIC, QUEUE)] == ["CloudFunction", "Topic", "Queue"]
    with pytest.raises(ConfigurationError, match="functions, topics and queues"):
        kind_of("arn:aws:s3:::photos")


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        ("in/", None),
        ("a+b", None),
        ("%C3%A9", None),
        ("%c3%a9", None),
        ("a b", "a+b"),
        ("é", "%C3%A9"),
        ("a=b", "a%3Db"),
    ],
)
def test_a_filter_that_s3_would_never_match_is_known(value: str, encoded: str | None) -> None:
    assert unencoded(value) == encoded


words = st.sampled_from(
    ["prefix", "Suffix", "infix", "in/", ".jpg", "", PUT, "s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:Nothing", "x"]
)
arns = st.sampled_from([FUNCTION, QUEUE, TOPIC, QUEUE + ".fifo", "nonsense", TOPIC + "-gone", ""])
junk = st.recursive(
    st.none() | st.booleans() | st.integers() | words | arns,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=2),
    max_leaves=4,
)
rule_entries = st.fixed_dictionaries({}, optional={"Name": words | junk, "Value": words | junk})
filters = st.fixed_dictionaries(
    {},
    optional={
        "Key": st.fixed_dictionaries({}, optional={"FilterRules": st.lists(rule_entries, max_size=3) | junk}) | junk
    },
)


def entries(arn_name: str) -> st.SearchStrategy[Any]:
    return st.lists(
        st.fixed_dictionaries(
            {arn_name: arns, "Events": st.lists(words, max_size=2) | junk},
            optional={"Id": words | junk, "Filter": filters | junk},
        )
        | junk,
        max_size=3,
    )


documents = (
    st.fixed_dictionaries(
        {},
        optional={
            "LambdaFunctionConfigurations": entries("LambdaFunctionArn"),
            "TopicConfigurations": entries("TopicArn"),
            "QueueConfigurations": entries("QueueArn") | junk,
            "EventBridgeConfiguration": st.just({}) | junk,
        },
    )
    | junk
)


def bucket_with_destinations() -> Bucket:
    bus = EventBus(clock=VirtualClock(), seed=1)
    photos = S3(bus).create_bucket("photos")

    @bus.function(name="f")
    async def handler(event: Any, context: Any) -> None: ...

    handler.allow(photos)
    for kind, name in (("topic", "t"), ("queue", "q")):
        Recorder(bus, kind, name).allow(photos)
    photos.notify(handler, PUT, prefix="before/", id="before")
    return photos


BUCKET = bucket_with_destinations()


@given(documents, st.booleans())
def test_any_document_is_accepted_whole_or_refused_without_a_trace(document: Any, skip: bool) -> None:
    before = BUCKET.get_notification_configuration()
    try:
        BUCKET.put_notification_configuration(document, skip_destination_validation=skip)
    except (MalformedXML, InvalidArgument):
        assert BUCKET.get_notification_configuration() == before
    else:
        after = BUCKET.get_notification_configuration()
        BUCKET.put_notification_configuration(after, skip_destination_validation=skip)
        assert BUCKET.get_notification_configuration() == after
