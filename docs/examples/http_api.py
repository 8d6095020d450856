"""A shop behind an HTTP API: routes, an authorizer, a function URL that streams; needs eventbus[http,server]."""

import json
from typing import Any

import anyio
import httpx2

from eventbus import EventBus
from triggers import FunctionUrl, HttpApi
from triggers.http import serve

bus = EventBus(seed=1)
shop = HttpApi(bus, "shop")
cats = {"1": "Tom"}


@bus.function
async def guard(event: Any, context: Any) -> Any:
    return {"isAuthorized": event["identitySource"] == ["open sesame"], "context": {"customer": "Ada"}}


@shop.on("GET /cats/{id}")
async def cat(event: Any, context: Any) -> Any:
    name = cats.get(event["pathParameters"]["id"])
    return {"name": name} if name else {"statusCode": 404, "body": "no such cat"}


@shop.on("POST /orders", authorizer=shop.authorizer(guard, grant=True))
async def order(event: Any, context: Any) -> Any:
    customer = event["requestContext"]["authorizer"]["lambda"]["customer"]
    return {"statusCode": 201, "body": f"{customer} orders {json.loads(event['body'])['id']}"}


@bus.function
async def purr(event: Any, context: Any) -> Any:
    yield {"statusCode": 200, "headers": {"Content-Type": "text/plain"}}
    yield "prr "
    yield "prrr prrrr"


url = FunctionUrl(bus, purr, invoke_mode="RESPONSE_STREAM", grant=True)


async def main() -> None:
    async with bus:
        for request in ("GET /cats/1", "GET /cats/9", "POST /orders", "GET /dogs"):
            response = await shop.request(*request.split())
            print(f"{request}: {response.status_code} {response.text}")
        async with serve(shop, url) as address, httpx2.AsyncClient(trust_env=False) as client:
            made = await client.post(f"{address}/shop/orders", json={"id": 2}, headers={"Authorization": "open sesame"})
            print(made.text)
            print((await client.get(f"{address}/purr/")).text)
        print(f"\n{bus.trace}")


if __name__ == "__main__":
    anyio.run(main)
