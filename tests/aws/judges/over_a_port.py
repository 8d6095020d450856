"""aiobotocore, s3fs and smart_open over a port: `python over_a_port.py URL`; prints ok."""

from __future__ import annotations

import asyncio
import sys

import boto3
import s3fs
import smart_open
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

URL = sys.argv[1]
KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}


async def with_aiobotocore() -> None:
    async with get_session().create_client("s3", endpoint_url=URL, **KEYS) as client:
        await client.create_bucket(Bucket="async")
        await client.put_object(Bucket="async", Key="k", Body=b"x" * 100_000)
        answer = await client.get_object(Bucket="async", Key="k")
        async with answer["Body"] as body:
            assert len(await body.read()) == 100_000


async def with_an_event_stream() -> None:
    config = AioConfig(inject_host_prefix=False)
    async with get_session().create_client("logs", endpoint_url=URL, config=config, **KEYS) as client:
        await client.create_log_group(logGroupName="tailed")
        (group,) = (await client.describe_log_groups(logGroupNamePrefix="tailed"))["logGroups"]
        answer = await client.start_live_tail(logGroupIdentifiers=[group["logGroupArn"]])
        events = aiter(answer["responseStream"])
        assert [name for _ in range(2) for name in await anext(events)] == ["sessionStart", "sessionUpdate"]
        answer["responseStream"].close()


def with_s3fs() -> None:
    files = s3fs.S3FileSystem(key="test", secret="test", endpoint_url=URL, client_kwargs={"region_name": "us-east-1"})
    files.mkdir("fs-bucket")
    with files.open("fs-bucket/dir/a b.txt", "wb") as out:
        out.write(b"y" * 12_000_000)
    assert files.ls("fs-bucket/dir") == ["fs-bucket/dir/a b.txt"]
    assert files.size("fs-bucket/dir/a b.txt") == 12_000_000
    with files.open("fs-bucket/dir/a b.txt", "rb") as source:
        source.seek(11_999_990)
        assert source.read() == b"y" * 10
    files.copy("fs-bucket/dir/a b.txt", "fs-bucket/copy")
    files.rm("fs-bucket", recursive=True)
    assert not files.exists("fs-bucket/copy")


def with_smart_open() -> None:
    client = boto3.client("s3", endpoint_url=URL, **KEYS)
    client.create_bucket(Bucket="smart")
    with smart_open.open("s3://smart/lines.txt.gz", "w", transport_params={"client": client}) as out:
        out.writelines(f"line {n}\n" for n in range(1000))
    with smart_open.open("s3://smart/lines.txt.gz", "r", transport_params={"client": client}) as source:
        assert sum(1 for _ in source) == 1000


asyncio.run(with_aiobotocore())
asyncio.run(with_an_event_stream())
with_s3fs()
with_smart_open()
print("ok")
