"""The demo's flow, as you would write your own: functions, and what triggers them.

uploads ──► topic "files" ──┬── everything ─────► checksum ──► index, entries/ ──► catalogue ──► catalogue.json
(bucket)    (filter         ├── .txt .md .rst ──► word_statistics    (bucket)
             policies)      ├── .png ───────────► picture_size ──┐
                            └── .json .csv ─────► strict_parser ─┴─ after two retries ──► queue "failed"
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from typing import Any
from urllib.parse import unquote_plus

import attrs

from eventbus import EventBus
from triggers import S3, SNS, SQS
from triggers.s3 import Bucket
from triggers.s3.errors import NoSuchKey
from triggers.sqs.queue import Queue


@attrs.frozen
class Flow:
    """What is used from outside: files go into `uploads`, what nobody could handle ends in `failed`."""

    uploads: Bucket
    index: Bucket
    failed: Queue


def build(bus: EventBus) -> Flow:
    """Wire the flow on a bus."""
    s3, sns, sqs = S3(bus), SNS(bus), SQS(bus)
    uploads, index = s3.create_bucket("uploads"), s3.create_bucket("index")
    files = sns.create_topic("files")
    failed = sqs.create_queue("failed")

    # Every new object is announced on the topic. `grant=True` adds what the topic's policy needs for that.
    uploads.notify(files, events="s3:ObjectCreated:*", grant=True)

    # `on` makes a function of the handler, lets the topic invoke it and subscribes it: here without a filter policy.
    @files.on(timeout=60)
    async def checksum(event: Any, context: Any) -> Any:
        key = uploaded(event)
        body = (await uploads.get_object(key)).body
        digest = hashlib.sha256(body).hexdigest()
        entry = {"key": key, "bytes": len(body), "sha256": digest}
        await index.put_object(f"entries/{key}", json.dumps(entry).encode())
        return {"sha256": f"{digest[:12]}…"}

    @files.on(**key_ends_with(".txt", ".md", ".rst"), timeout=60)
    async def word_statistics(event: Any, context: Any) -> Any:
        text = (await uploads.get_object(uploaded(event))).body.decode(errors="replace")
        words = re.findall(r"[^\W\d_]+", text.lower())
        return {"words": len(words), "different": len(set(words))}

    @files.on(**key_ends_with(".png"), timeout=60)
    async def picture_size(event: Any, context: Any) -> Any:
        body = (await uploads.get_object(uploaded(event))).body
        if not body.startswith(b"\x89PNG\r\n\x1a\n") or len(body) < 24:
            raise ValueError("this is not a PNG")
        return {"width": int.from_bytes(body[16:20]), "height": int.from_bytes(body[20:24])}

    # Strict: what is broken raises. The event is then tried again after 1 minute and after 2 more.
    @files.on(**key_ends_with(".json", ".csv"), timeout=60, retries=2)
    async def strict_parser(event: Any, context: Any) -> Any:
        key = uploaded(event)
        body = (await uploads.get_object(key)).body
        return {"rows": len(table(body.decode()))} if key.endswith(".csv") else {"items": len(document(body))}

    # The index triggers the next function. It reads and writes one object, so only one may run at a time.
    @index.on("s3:ObjectCreated:*", prefix="entries/", reserved_concurrency=1, timeout=60)
    async def catalogue(event: Any, context: Any) -> Any:
        entry = json.loads((await index.get_object(key_of(event["Records"][0]))).body)
        try:
            known = json.loads((await index.get_object("catalogue.json")).body)
        except NoSuchKey:
            known = {}
        known[entry["key"]] = entry
        await index.put_object("catalogue.json", json.dumps(known, indent=1).encode())
        return {"files": len(known), "bytes": sum(entry["bytes"] for entry in known.values())}

    # What the handlers themselves may do: nothing, unless their roles allow it.
    for reader in (checksum, word_statistics, picture_size, strict_parser):
        reader.role.allow("s3:GetObject", uploads)
    checksum.role.allow("s3:PutObject", index)
    catalogue.role.allow(["s3:GetObject", "s3:PutObject", "s3:ListBucket"], index)

    # Where events end that failed three times. They are in `bus.dead_letters` too.
    picture_size.on_failure(failed, grant=True)
    strict_parser.on_failure(failed, grant=True)
    return Flow(uploads, index, failed)


def key_ends_with(*suffixes: str) -> dict[str, Any]:
    """The filter policy of who wants only some files: the message is the S3 event, so its body is looked into."""
    policy = {"Records": {"s3": {"object": {"key": [{"suffix": suffix} for suffix in suffixes]}}}}
    return {"filter_policy": policy, "filter_policy_scope": "MessageBody"}


def uploaded(event: Any) -> str:
    """The key of the uploaded object: the S3 event is JSON inside the topic's message, as on AWS."""
    return key_of(json.loads(event["Records"][0]["Sns"]["Message"])["Records"][0])


def key_of(record: Any) -> str:
    """The key in an S3 record, where it is encoded as in a URL."""
    return unquote_plus(record["s3"]["object"]["key"])


def file_of(event: Any) -> str:
    """The key of the uploaded object, from the event of any of the functions."""
    record = event["Records"][0]
    return uploaded(event) if "Sns" in record else key_of(record).removeprefix("entries/")


def table(text: str) -> list[list[str]]:
    """The rows of a CSV file below its header. Raises ValueError when a row has more or fewer columns than that."""
    reader = csv.reader(io.StringIO(text), strict=True)
    header = next(reader, [])
    rows = []
    for row in reader:
        if len(row) != len(header):
            raise ValueError(f"line {reader.line_num} has {len(row)} columns, the header has {len(header)}")
        rows.append(row)
    return rows


def document(body: bytes) -> Any:
    """The items of a JSON file. Raises ValueError when it is broken."""
    value = json.loads(body)
    return value if isinstance(value, list | dict) else [value]
