"""The front: one request in, one response out, by way of routing, identity, permission and the room's call.

`answer` waits as the rooms' own calls do: for room in the queues, and until what was done is safe in the store.
`answer_nowait` does the same in one synchronous step, for clients on the event loop's own thread.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import anyio.to_thread
import attrs

from eventbus.errors import AWSError, BusClosed, BusNotRunning, EventBusError
from eventbus.iam.principals import is_account_id
from triggers.aws import chunked, compressed, protocols, routing, signing
from triggers.aws.errors import Malformed, MissingAuthentication, NotImplementedHere
from triggers.aws.exchange import Exchange, acting, addressed, likely, spoken, validate
from triggers.aws.http import Request, Response
from triggers.aws.identity import Identities
from triggers.aws.journal import Entry, Journal, about, is_kept, kept_headers, made
from triggers.aws.maps import map_of, prepare
from triggers.aws.models import operation_model, protocol_of
from triggers.aws.services import ServiceMap
from triggers.aws.services.deeds import Deed, Result

if TYPE_CHECKING:
    from eventbus.bus import EventBus

_READABLE = " !\"#$&'()*+,-./:;<=>?@[]^_`{|}~"


class Front:
    """What clients of AWS talk to on one bus.

    With `verify_signatures` a request is refused unless it is signed with the secret that `secrets` has for its key,
    or with that of a temporary key. With `keeps`, on a bus with a store, what is set up is there again after a restart.
    """

    def __init__(
        self,
        bus: EventBus,
        *,
        verify_signatures: bool = False,
        secrets: Mapping[str, str] | None = None,
        keeps: bool = False,
    ) -> None:
        self.bus = bus
        self.journal: Journal | None = None
        self.identities = Identities(bus, secrets or {})
        self._verifies = verify_signatures
        self._maps: dict[str, ServiceMap] = {}
        if keeps:
            bus.when_opened(self._take_up)

    async def answer(self, request: Request) -> Response:
        """Answer a request. Raises BusNotRunning or BusClosed; every other refusal is a response."""
        exchange = self._begin()
        try:
            signed, service = addressed(request)
            if service not in self._maps:
                await anyio.to_thread.run_sync(prepare, service)
            self._read(request, signed, service, exchange)
            outcome = self._begun(exchange)
        except Exception as error:
            return self._refuse(exchange, error, request)
        return await self._end(exchange, outcome, request)

    def answer_nowait(self, request: Request) -> Response:
        """The synchronous twin of `answer`: no back-pressure, and no waiting for the store or for messages."""
        exchange = self._begin()
        try:
            self._read(request, *addressed(request), exchange)
            return self._end_nowait(exchange, self._begun(exchange))
        except Exception as error:
            return self._refuse(exchange, error, request)

    def answer_at_once(self, request: Request) -> Response | Callable[[], Awaitable[Response]]:
        """`answer` in one synchronous step where there is nothing to wait for; else what is left to be awaited."""
        exchange = self._begin()
        try:
            signed, service = addressed(request)
            if service not in self._maps:
                return partial(self.answer, request)
            self._read(request, signed, service, exchange)
            outcome = self._begun(exchange)
            if not self.bus.is_free or (isinstance(outcome, Deed) and outcome.waits):
                return partial(self._end, exchange, outcome, request)
            return self._end_nowait(exchange, outcome)
        except Exception as error:
            return self._refuse(exchange, error, request)

    # -- one step after the other -------------------------------------------------------------------------------------

    def _begin(self) -> Exchange:
        return Exchange(self.bus.ids.uuid())

    def _map(self, service: str) -> ServiceMap:
        found = self._maps.get(service)
        if found is None:
            found = self._maps[service] = map_of(service)(self.bus, self.identities)
        return found

    def _read(self, request: Request, signed: signing.Credential | None, service: str, exchange: Exchange) -> None:
        """Find out what is wanted, by whom, and what does it. Raises EventBusError."""
        exchange.found = self._map(service)
        address = self._address(request, exchange)
        self._identify(request, signed, exchange)
        self._understand(request, address, exchange)
        if self.journal is not None and is_kept(exchange.service.service, address.operation):
            exchange.entry = self._entry(request, signed, exchange)

    def _address(self, request: Request, exchange: Exchange) -> routing.Address:
        name = exchange.service.service
        exchange.protocol = spoken(request, protocol_of(name))
        address = routing.find_operation(name, request)
        exchange.protocol = address.protocol
        exchange.operation = operation_model(name, address.operation, address.protocol)
        return address

    def _understand(self, request: Request, address: routing.Address, exchange: Exchange) -> None:
        operation = exchange.operation
        assert operation is not None
        exchange.act = exchange.service.operation(operation.name)
        if exchange.act is None:
            raise NotImplementedHere(exchange.service.service, operation.name)
        if operation.http.get("method") != "GET" or request.body:
            request = chunked.decoded(request)
        if exchange.service.service != "s3":  # whose objects are kept as they come
            request = compressed.inflated(request)
        exchange.given = protocols.parse(address.protocol, operation, request, address.labels)
        validate(operation, exchange.given)

    # -- what is there again after a restart --------------------------------------------------------------------------

    def _take_up(self) -> None:
        """Do again what clients set up before: to the rooms it is as if code had."""
        journal = Journal(self.bus)
        for entry in journal.entries():
            self._do_again(entry)
        self.journal = journal

    def _do_again(self, entry: Entry) -> None:
        exchange = self._begin()
        try:
            exchange.found = self._map(entry.service)
            self._understand(entry.request, self._address(entry.request, exchange), exchange)
            if entry.account is not None:
                exchange.caller = self.bus.source_of(f"arn:aws:iam::{entry.account}:root")
            exchange.entry = entry
            outcome = self._begun(exchange)
            if isinstance(outcome, Deed):
                with acting(exchange.caller):
                    outcome.do_nowait()
        except EventBusError as error:
            self.bus.log.error(
                "wire_request_not_done_again",
                request=f"{entry.service}:{entry.operation}",
                resource=entry.about,
                error=str(error),
            )

    def _entry(self, request: Request, signed: signing.Credential | None, exchange: Exchange) -> Entry:
        assert exchange.operation is not None
        key = None if signed is None or exchange.caller is None else signed.access_key
        return Entry(
            service=exchange.service.service,
            operation=exchange.operation.name,
            about=about(exchange.given),
            seed=self.bus.ids.hex(32),
            account=key if key is not None and is_account_id(key) else None,
            request=attrs.evolve(request, headers=kept_headers(request)),
        )

    def _begun(self, exchange: Exchange) -> Any:
        """What the map answers; what is written down draws its ids from a seed of its own."""
        with acting(exchange.caller, exchange.environment):
            if exchange.entry is None:
                return exchange.act(exchange.given)
            with self.bus.ids.drawn_from(exchange.entry.seed):
                return exchange.act(exchange.given)

    async def _end(self, exchange: Exchange, outcome: Any, request: Request) -> Response:
        try:
            if isinstance(outcome, Deed):
                with acting(exchange.caller, exchange.environment):
                    outcome = await outcome.do()
            self._write_down(exchange, outcome)
            if self.bus.is_running:
                await self.bus.synced()
            return self._answer(exchange, outcome)
        except Exception as error:
            return self._refuse(exchange, error, request)

    def _end_nowait(self, exchange: Exchange, outcome: Any) -> Response:
        if isinstance(outcome, Deed):
            with acting(exchange.caller, exchange.environment):
                outcome = outcome.do_nowait()
        self._write_down(exchange, outcome)
        return self._answer(exchange, outcome)

    def _write_down(self, exchange: Exchange, result: Result) -> None:
        if exchange.entry is not None and self.journal is not None:
            self.journal.add(made(exchange.entry, result))

    # -- who sends it, and what is answered ---------------------------------------------------------------------------

    def _identify(self, request: Request, signed: signing.Credential | None, exchange: Exchange) -> None:
        assert exchange.operation is not None
        if signed is None:
            may_be_nobody = exchange.operation.name in exchange.service.anonymous
            if exchange.service.service != "s3" and not may_be_nobody:
                raise MissingAuthentication("Request is missing Authentication Token")
            exchange.caller = None if may_be_nobody else self.identities.caller(None)
            return
        now = self.bus.clock.now()
        signing.check_expiry(signed, now)
        if self._verifies:
            signing.verify(request, signed, self.identities.secret(signed), now)
        exchange.caller = self.identities.caller(signed)
        session = self.identities.session(signed)
        exchange.environment = None if session is None else session.environment

    def _answer(self, exchange: Exchange, result: Result) -> Response:
        assert exchange.operation is not None
        request_id = result.get("ResponseMetadata", {}).get("RequestId", exchange.request_id)
        response = protocols.answer(exchange.protocol, exchange.operation, result, request_id)
        if exchange.protocol == "rest-xml":
            response.headers.setdefault("x-amz-id-2", exchange.request_id * 2)
            if "Content-Range" in response.headers:
                response.status = 206
        return response

    def _refuse(self, exchange: Exchange, error: Exception, request: Request) -> Response:
        """The response to what was refused; what isn't a refusal is a fault, and raised."""
        if isinstance(error, (BusNotRunning, BusClosed)):
            raise error
        if isinstance(error, RecursionError):
            error = Malformed("the input is nested too deeply")
        if not isinstance(error, EventBusError):
            raise error
        service, protocol = exchange.found, exchange.protocol
        if service is None:
            service, protocol = self._map("s3"), likely(request)
        code, status, fields = service.refusal(error)
        message, mend = (error.message, error.mend) if isinstance(error, AWSError) else (str(error), None)
        response = protocols.refuse(
            protocol,
            exchange.operation,
            code,
            message or mend or code,
            status,
            fields,
            exchange.request_id,
            type(error).__name__,
        )
        response.headers |= service.headers(error)
        if request.method == "HEAD":
            response.body = b""
        if mend:
            response.headers["x-eventbus-mend"] = quote(mend, safe=_READABLE)
        return response
