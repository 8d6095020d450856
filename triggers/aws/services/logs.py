"""CloudWatch Logs: groups, streams and events. Instants are milliseconds on the wire, seconds in the room."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from eventbus.telemetry.errors import InvalidLogParameter, LogGroupNotFound
from eventbus.telemetry.filter_patterns import compile_pattern
from eventbus.telemetry.live_tail import LiveTail, LiveTailUpdate
from eventbus.telemetry.log_event import LogEvent, milliseconds
from eventbus.telemetry.log_groups import RejectedLogEvents
from eventbus.telemetry.logs import Logs
from triggers.aws.services import JSONServiceMap, page
from triggers.aws.services.deeds import Deed, Input, Result, given, opening
from triggers.aws.streaming import Live

PAGE = 50
"""Groups or streams of one page (CloudWatch Logs API reference, DescribeLogGroups, 2026)."""


class LogsMap(JSONServiceMap):
    """Groups are found by their names or ARNs."""

    service = "logs"
    invalid_code = "InvalidParameterException"
    codes = {"ValidationException": "InvalidParameterException"}  # noqa: RUF012

    @property
    def _logs(self) -> Logs:
        return self.bus.logs

    # -- groups -------------------------------------------------------------------------------------------------------

    def create_log_group(self, wanted: Input) -> Result:
        self._logs.create_log_group(wanted["logGroupName"])
        self._logs.tags(wanted["logGroupName"]).update(wanted.get("tags") or {})
        return {}

    def delete_log_group(self, wanted: Input) -> Result:
        self._logs.delete_log_group(wanted["logGroupName"])
        return {}

    def describe_log_groups(self, wanted: Input) -> Result:
        prefix, part = wanted.get("logGroupNamePrefix", ""), wanted.get("logGroupNamePattern", "")
        if prefix and part:
            raise InvalidLogParameter("logGroupNamePrefix and logGroupNamePattern are mutually exclusive parameters")
        found = [
            group
            for group in self._logs.describe_log_groups()
            if group["logGroupName"].startswith(prefix) and part.lower() in group["logGroupName"].lower()
        ]
        return _listed("logGroups", found, wanted, "logGroupName")

    def put_retention_policy(self, wanted: Input) -> Result:
        self._logs.put_retention_policy(wanted["logGroupName"], wanted["retentionInDays"])
        return {}

    def delete_retention_policy(self, wanted: Input) -> Result:
        self._logs.delete_retention_policy(wanted["logGroupName"])
        return {}

    # -- streams ------------------------------------------------------------------------------------------------------

    def create_log_stream(self, wanted: Input) -> Result:
        self._logs.create_log_stream(wanted["logGroupName"], wanted["logStreamName"])
        return {}

    def delete_log_stream(self, wanted: Input) -> Result:
        self._logs.delete_log_stream(wanted["logGroupName"], wanted["logStreamName"])
        return {}

    def describe_log_streams(self, wanted: Input) -> Result:
        prefix, is_by_time = wanted.get("logStreamNamePrefix", ""), wanted.get("orderBy") == "LastEventTime"
        if prefix and is_by_time:
            raise InvalidLogParameter("Cannot order by LastEventTime with a logStreamNamePrefix.")
        streams = self._logs.describe_log_streams(_group(wanted))
        found = [stream for stream in streams if stream["logStreamName"].startswith(prefix)]
        if is_by_time:
            found.sort(key=lambda stream: stream.get("lastEventTimestamp", 0))
        if wanted.get("descending"):
            found.reverse()
        return _listed("logStreams", found, wanted, "logStreamName")

    # -- events -------------------------------------------------------------------------------------------------------

    def put_log_events(self, wanted: Input) -> Result:
        events = [(event["timestamp"] / 1000, event["message"]) for event in wanted["logEvents"]]
        rejected = self._logs.put_log_events(wanted["logGroupName"], wanted["logStreamName"], events)
        return {"nextSequenceToken": "0", "rejectedLogEventsInfo": _rejected(rejected)}

    def get_log_events(self, wanted: Input) -> Result:
        found = self._logs.get_log_events(
            _group(wanted),
            wanted["logStreamName"],
            from_head=wanted.get("startFromHead", False),
            **_chosen(wanted),
        )
        return {
            "events": [_shown(event) for event in found.events],
            "nextForwardToken": found.next_forward_token,
            "nextBackwardToken": found.next_backward_token,
        }

    def filter_log_events(self, wanted: Input) -> Result:
        found = self._logs.filter_log_events(
            _group(wanted),
            wanted.get("filterPattern", ""),
            **given(streams=wanted.get("logStreamNames"), stream_prefix=wanted.get("logStreamNamePrefix")),
            **_chosen(wanted, is_inclusive=True),
        )
        events = [
            {**_shown(one.event), "logStreamName": one.event.stream, "eventId": one.event_id} for one in found.events
        ]
        return {"events": events, "searchedLogStreams": [], "nextToken": found.next_token}

    def start_live_tail(self, wanted: Input) -> Deed:
        groups = [self._tailed(arn) for arn in wanted["logGroupIdentifiers"]]
        pattern = wanted.get("logEventFilterPattern", "")
        streams, prefixes = wanted.get("logStreamNames") or (), wanted.get("logStreamNamePrefixes") or ()

        def shape(session: LiveTail) -> Result:
            start = {"requestId": self.bus.ids.uuid(), "sessionId": session.session_id, **wanted}
            arns = dict(zip(groups, wanted["logGroupIdentifiers"], strict=True))
            live = Live(session, partial(_update, arns), self.refusal, [{"sessionStart": start}])
            return {"responseStream": live}

        def call() -> LiveTail:
            return self._logs.live_tail(groups, pattern, streams=streams, stream_prefixes=prefixes).__enter__()

        return opening(self.bus, call, f"bus.logs.live_tail({groups!r}) with `async for`").then(shape)

    def _tailed(self, arn: str) -> str:
        """The name of a group that is given by its ARN, as nothing else is taken."""
        if not arn.startswith("arn:") or ":log-group:" not in arn or arn.endswith("*"):
            raise InvalidLogParameter(
                f"The log group identifier {arn!r} is invalid.", mend="give the logGroupArn, which does not end with *"
            )
        name = _name(arn)
        if arn != f"arn:{self.bus.partition}:logs:{self.bus.region}:{self.bus.account_id}:log-group:{name}":
            raise LogGroupNotFound("The specified log group does not exist.")
        return name

    def test_metric_filter(self, wanted: Input) -> Result:
        self.allow("logs:TestMetricFilter", None, "*")
        matches = compile_pattern(wanted["filterPattern"])
        messages = enumerate(wanted["logEventMessages"], 1)
        found = [{"eventNumber": n, "eventMessage": text} for n, text in messages if matches(text)]
        return {"matches": [{**match, "extractedValues": {}} for match in found]}

    # -- tags ---------------------------------------------------------------------------------------------------------

    def tag_resource(self, wanted: Input) -> Result:
        self._tags(wanted["resourceArn"], "TagResource").update(wanted["tags"])
        return {}

    def untag_resource(self, wanted: Input) -> Result:
        tags = self._tags(wanted["resourceArn"], "UntagResource")
        for key in wanted["tagKeys"]:
            tags.pop(key, None)
        return {}

    def list_tags_for_resource(self, wanted: Input) -> Result:
        return {"tags": self._tags(wanted["resourceArn"], "ListTagsForResource")}

    def list_tags_log_group(self, wanted: Input) -> Result:
        return {"tags": self._tags(wanted["logGroupName"], "ListTagsLogGroup")}

    def _tags(self, group: str, action: str) -> dict[str, str]:
        name = _name(group)
        arn = f"arn:{self.bus.partition}:logs:{self.bus.region}:{self.bus.account_id}:log-group:{name}"
        self.allow(f"logs:{action}", None, arn)
        return self._logs.tags(name)


def _group(wanted: Input) -> str:
    """The group that a request is about, by name or by ARN."""
    names = [wanted[key] for key in ("logGroupName", "logGroupIdentifier") if key in wanted]
    if len(names) != 1:
        raise InvalidLogParameter("Exactly one of logGroupName and logGroupIdentifier must be provided.")
    return _name(names[0])


def _name(group: str) -> str:
    return group.partition(":log-group:")[2].removesuffix(":*") if group.startswith("arn:") else group


def _chosen(wanted: Input, *, is_inclusive: bool = False) -> dict[str, Any]:
    """Span and page, in the room's terms; an end that is included includes all of its millisecond."""
    start, end = wanted.get("startTime"), wanted.get("endTime")
    return given(
        start=None if start is None else start / 1000,
        end=None if end is None else (end + 0.999 * is_inclusive) / 1000,
        limit=wanted.get("limit"),
        token=wanted.get("nextToken"),
    )


def _listed(member: str, documents: Iterable[Result], wanted: Input, key: str) -> Result:
    shown, token = page(documents, wanted.get("nextToken"), wanted.get("limit", PAGE), key=lambda one: one[key])
    return {member: shown, "nextToken": token}


def _shown(event: LogEvent) -> Result:
    return {
        "timestamp": milliseconds(event.at),
        "message": event.message,
        "ingestionTime": milliseconds(event.ingested_at),
    }


def _update(arns: Mapping[str, str], update: LiveTailUpdate) -> Result:
    events = [
        {**_shown(one.event), "logStreamName": one.event.stream, "logGroupIdentifier": arns.get(one.group, one.group)}
        for one in update.events
    ]
    metadata = {"sampled": update.is_sampled}
    return {"sessionUpdate": {"sessionMetadata": metadata, "sessionResults": events}}


def _rejected(rejected: RejectedLogEvents) -> Result | None:
    found = given(
        tooNewLogEventStartIndex=rejected.too_new_from,
        tooOldLogEventEndIndex=rejected.too_old_until,
        expiredLogEventEndIndex=rejected.expired_until,
    )
    return found or None
