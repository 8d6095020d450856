"""SQS: operations and queues."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import anyio
import attrs

from eventbus.execution.current import current_environment
from triggers.aws.models import service_model
from triggers.aws.services import ServiceMap, page
from triggers.aws.services.deeds import Deed, Input, Result, deed, given
from triggers.sqs import SQS as Queues
from triggers.sqs import Queue, QueueDoesNotExist, QueueSettings, ReceivedMessage
from triggers.sqs.attributes import md5 as attributes_md5
from triggers.sqs.errors import InvalidAttributeName, InvalidParameterValue
from triggers.sqs.settings import parse_attributes
from triggers.sqs.validation import check_entries

if TYPE_CHECKING:
    from triggers.batches import BatchFailure
    from triggers.sqs.messages import SentMessage

_SHOWN_ALWAYS = "All"


class SQSMap(ServiceMap):
    """Queues are found by their URL: its last part is the name, whatever the host before it says."""

    service = "sqs"
    denied_code = "AccessDenied"
    invalid_code = "InvalidParameterValue"

    @property
    def queues(self) -> Queues:
        found = self.bus.service("SQS")
        return found if found is not None else Queues(self.bus)

    def _queue(self, given: Input, action: str | None = None) -> Queue:
        name = given["QueueUrl"].rstrip("/").rpartition("/")[2]
        if name not in self.queues:
            raise QueueDoesNotExist
        queue = self.queues[name]
        if action is not None:
            self.allow(f"sqs:{action}", queue)
        return queue

    def _url(self, queue: Queue) -> str:
        """Its address at the port that the bus is served at, where some SDKs send to; else what it would be on AWS."""
        endpoint = self.identities.endpoint
        return queue.url if endpoint is None else f"{endpoint}/{self.bus.account_id}/{queue.name}"

    # -- queues -------------------------------------------------------------------------------------------------------

    def create_queue(self, given: Input) -> Result:
        name, attributes = given["QueueName"], dict(given.get("Attributes") or {})
        is_fifo = attributes.pop("FifoQueue", None)
        if is_fifo not in (None, "true"):
            raise InvalidAttributeName("FifoQueue")
        policy = attributes.pop("Policy", None)
        options = parse_attributes(_seen(attributes), is_fifo=is_fifo is not None)
        redrive = options.pop("redrive", None)
        QueueSettings(**options)
        if redrive is not None:
            options |= {"dead_letter": redrive.dead_letter_arn, "max_receive_count": redrive.max_receive_count}
        queue = self.queues.create_queue(name, fifo=is_fifo is not None, **options)
        if policy:
            with self.bus.as_owner():
                queue.set_policy(policy)
        return {"QueueUrl": self._url(queue)}

    def delete_queue(self, given: Input) -> Result:
        self.queues.delete_queue(self._queue(given))
        return {}

    def get_queue_url(self, given: Input) -> Result:
        queue = self._queue({"QueueUrl": given["QueueName"]}, "GetQueueUrl")
        return {"QueueUrl": self._url(queue)}

    def list_queues(self, given: Input) -> Result:
        self.allow("sqs:ListQueues", None, self.queues.arn)
        prefix = given.get("QueueNamePrefix") or ""
        urls = sorted(self._url(queue) for queue in self.queues if queue.name.startswith(prefix))
        size = given.get("MaxResults")
        shown, token = page(urls, given.get("NextToken"), 1000 if size is None else size)
        return {"QueueUrls": shown or None, "NextToken": token if size is not None else None}

    def list_dead_letter_source_queues(self, given: Input) -> Result:
        queue = self._queue(given, "ListDeadLetterSourceQueues")
        redrives = [(self._url(q), q.settings.redrive) for q in self.queues]
        return {"queueUrls": sorted(url for url, r in redrives if r is not None and r.dead_letter_arn == queue.arn)}

    def get_queue_attributes(self, given: Input) -> Result:
        queue = self._queue(given, "GetQueueAttributes")
        names, attributes = given.get("AttributeNames") or [], queue.attributes
        for name in names:
            if name != _SHOWN_ALWAYS and name not in _attribute_names():
                raise InvalidAttributeName(name)
        chosen = attributes if _SHOWN_ALWAYS in names else {n: attributes[n] for n in names if n in attributes}
        return {"Attributes": chosen or None}

    def set_queue_attributes(self, given: Input) -> Result:
        queue = self._queue(given)
        queue.set_attributes(_seen(given["Attributes"]))
        return {}

    def add_permission(self, given: Input) -> Result:
        queue = self._queue(given, "AddPermission")
        if not queue.access.grant(given["Label"], given["AWSAccountIds"], [f"SQS:{a}" for a in given["Actions"]]):
            raise InvalidParameterValue.of(given["Label"], "Label", "Already exists.")
        return {}

    def remove_permission(self, given: Input) -> Result:
        queue = self._queue(given, "RemovePermission")
        if not queue.access.revoke(given["Label"]):
            raise InvalidParameterValue.of(given["Label"], "Label", "can't find label on existing policy.")
        return {}

    def purge_queue(self, given: Input) -> Deed:
        return deed(self._queue(given).purge)

    # -- messages -----------------------------------------------------------------------------------------------------

    def send_message(self, given: Input) -> Deed:
        queue = self._queue(given)
        return deed(queue.send, given["MessageBody"], **_sending(given)).then(_sent)

    def send_message_batch(self, given: Input) -> Deed:
        queue = self._queue(given)
        entries = [{"id": e["Id"], "body": e["MessageBody"], **_sending(e)} for e in given["Entries"]]

        def shape(result: Any) -> Result:
            sent = [{"Id": entry_id, **_sent(message)} for entry_id, message in result.successful.items()]
            return {"Successful": sent, "Failed": _failures(result.failed) or None}

        return deed(queue.send_batch, entries).then(shape)

    def receive_message(self, given: Input) -> Deed:
        queue = self._queue(given)
        names = [*(given.get("AttributeNames") or ()), *(given.get("MessageSystemAttributeNames") or ())]
        wanted = given.get("MessageAttributeNames") or []

        def shape(messages: Iterable[ReceivedMessage]) -> Result:
            return {"Messages": [_received(message, names, wanted) for message in messages] or None}

        wait = given.get("WaitTimeSeconds", queue.settings.receive_wait)
        return deed(
            Receiving(queue, self.bus.clock.is_virtual and current_environment.get() is None).receive,
            given.get("MaxNumberOfMessages", 1),
            visibility_timeout=given.get("VisibilityTimeout"),
            patience={"wait": wait or None},
        ).then(shape)

    def delete_message(self, given: Input) -> Deed:
        return deed(self._queue(given).delete, given["ReceiptHandle"])

    def delete_message_batch(self, given: Input) -> Deed:
        queue = self._queue(given)
        ids = [entry["Id"] for entry in given["Entries"]]
        check_entries(ids, "DeleteMessageBatchRequestEntry")

        def shape(result: Any) -> Result:
            done = [{"Id": ids[int(position)]} for position in result.successful]
            failed = [attrs.evolve(failure, id=ids[int(failure.id)]) for failure in result.failed]
            return {"Successful": done, "Failed": _failures(failed) or None}

        return deed(queue.delete_batch, [entry["ReceiptHandle"] for entry in given["Entries"]]).then(shape)

    def change_message_visibility(self, given: Input) -> Deed:
        return deed(self._queue(given).change_visibility, given["ReceiptHandle"], given["VisibilityTimeout"])

    def change_message_visibility_batch(self, given: Input) -> Deed:
        queue = self._queue(given)
        entries = [(e["Id"], e["ReceiptHandle"], e.get("VisibilityTimeout", 0)) for e in given["Entries"]]

        def shape(result: Any) -> Result:
            return {"Successful": [{"Id": i} for i in result.successful], "Failed": _failures(result.failed) or None}

        return deed(queue.change_visibility_batch, entries).then(shape)

    # -- tags: none are kept ------------------------------------------------------------------------------------------

    def list_queue_tags(self, given: Input) -> Result:
        self._queue(given, "ListQueueTags")
        return {}


def _attribute_names() -> list[str]:
    return list(getattr(service_model("sqs").shape_for("QueueAttributeName"), "enum", ()))


_UNSEEN = ("KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "SqsManagedSseEnabled", "RedriveAllowPolicy")


def _seen(attributes: Mapping[str, str]) -> dict[str, str]:
    """The attributes without those that are taken and make no difference here: encryption, who may redrive."""
    return {name: text for name, text in attributes.items() if name not in _UNSEEN}


@attrs.frozen
class Receiving:
    """A receive that a client waits for."""

    queue: Queue
    is_in_real_time: bool
    """Nobody may move a virtual clock while a client waits, so its seconds are real ones then; a function's are not."""

    async def receive(self, max_messages: int, *, wait: float = 0, **options: Any) -> list[ReceivedMessage]:
        """Receive, waiting at most so many seconds."""
        if not (wait and self.is_in_real_time):
            return await self.queue.receive(max_messages, wait=wait, **options)
        with anyio.move_on_after(wait):
            return await self.queue.receive(max_messages, wait=wait, **options)
        return []

    def receive_nowait(self, max_messages: int, **options: Any) -> list[ReceivedMessage]:
        """The same without waiting."""
        return self.queue.receive_nowait(max_messages, **options)


def _sending(entry: Input) -> dict[str, Any]:
    header = (entry.get("MessageSystemAttributes") or {}).get("AWSTraceHeader", {}).get("StringValue")
    return given(
        attributes=entry.get("MessageAttributes"),
        delay_seconds=entry.get("DelaySeconds"),
        group_id=entry.get("MessageGroupId"),
        deduplication_id=entry.get("MessageDeduplicationId"),
        trace_header=header,
    )


def _sent(message: SentMessage) -> Result:
    return {
        "MessageId": message.message_id,
        "MD5OfMessageBody": message.md5_of_body,
        "MD5OfMessageAttributes": message.md5_of_message_attributes,
        "SequenceNumber": message.sequence_number,
    }


def _received(message: ReceivedMessage, names: list[str], wanted: list[str]) -> Result:
    attributes = {n: v for n, v in message.attributes.items() if _SHOWN_ALWAYS in names or n in names}
    custom = {n: v for n, v in message.message_attributes.items() if _is_wanted(n, wanted)}
    return {
        "MessageId": message.message_id,
        "ReceiptHandle": message.receipt_handle,
        "MD5OfBody": message.md5_of_body,
        "Body": message.body,
        "Attributes": attributes or None,
        "MessageAttributes": custom or None,
        "MD5OfMessageAttributes": attributes_md5(custom) if custom else None,
    }


def _is_wanted(name: str, wanted: list[str]) -> bool:
    """`All`, `.*`, the name itself, or a prefix that ends in `.*`."""
    return any(w in (_SHOWN_ALWAYS, ".*", name) or (w.endswith(".*") and name.startswith(w[:-1])) for w in wanted)


def _failures(failed: Iterable[BatchFailure]) -> list[Result]:
    return [{"Id": f.id, "Code": f.code, "Message": f.message, "SenderFault": f.sender_fault} for f in failed]
