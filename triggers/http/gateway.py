"""API Gateway's own view of APIs: parts with ids, which become routes when they are complete, or deployed.

HTTP APIs have integrations and routes; a route that names an integration answers requests. REST APIs have a tree of
resources with methods; a method with an integration answers requests once it is deployed. Either way an integration
invokes a function (`AWS_PROXY`); there are no others here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import attrs

from eventbus.delivery.targets import Target
from triggers.http.errors import BadRequest, Conflict, NotFound
from triggers.http.front import LOWER, resolved
from triggers.http.http_api import HttpApi
from triggers.http.paths import METHODS, RouteKey, Router
from triggers.http.rest_api import RestApi
from triggers.http.routes import Route

if TYPE_CHECKING:
    from eventbus.bus import EventBus
    from triggers.http.api import Api
    from triggers.http.authorizers import Authorizer

_INVOCATION: Final = re.compile(r"arn:[\w-]+:apigateway:[\w-]+:lambda:path/2015-03-31/functions/(.+)/invocations")
LONGEST_NAME: Final = 128


def function_of(bus: EventBus, uri: str | None) -> Target:
    """The function that an integration's or an authorizer's URI invokes. Raises BadRequest."""
    found = _INVOCATION.fullmatch(uri or "")
    arn = found[1] if found else uri or ""
    if not arn.startswith("arn:") or ":lambda:" not in arn:
        raise BadRequest(
            "Invalid ARN specified in the request", mend="integrations invoke functions: give a function's ARN"
        )
    return resolved(bus, arn)


@attrs.define(eq=False)
class Deployment:
    """The routes as they were at an instant."""

    id: str
    description: str | None
    created_at: float
    router: Router[Route]


@attrs.define(eq=False)
class Integration:
    """What answers requests: a function."""

    id: str
    function: Target
    settings: dict[str, Any]
    """As they were given, to be shown."""
    timeout: float


@attrs.define(eq=False)
class Part:
    """A route of an HTTP API, or a method of a REST API."""

    id: str
    key: RouteKey
    settings: dict[str, Any]
    authorizer: Authorizer | None = None
    is_signed: bool = False
    integration: Integration | None = None
    route: Route | None = None


@attrs.define(eq=False)
class Managed:
    """An API with the parts that the control plane knows."""

    api: Api
    description: str | None
    created_at: float
    settings: dict[str, Any] = attrs.field(factory=dict)
    parts: dict[str, Part] = attrs.field(factory=dict)
    integrations: dict[str, Integration] = attrs.field(factory=dict)
    deployments: dict[str, Deployment] = attrs.field(factory=dict)
    resources: dict[str, tuple[str | None, str]] = attrs.field(factory=dict)
    """Of a REST API: the parent's id and the path, by id."""
    stage_deployments: dict[str, str] = attrs.field(factory=dict)
    authorizers: dict[str, tuple[Authorizer, dict[str, Any]]] = attrs.field(factory=dict)

    @property
    def id(self) -> str:
        return self.api.api_id

    def new_id(self) -> str:
        """An id as those of resources, routes and integrations."""
        return self.api.bus.ids.text(7, LOWER)

    # -- integrations, and what they answer ---------------------------------------------------------------------------

    def integrate(self, uri: str | None, milliseconds: int | None, settings: dict[str, Any]) -> Integration:
        """An integration, not yet of anything. Raises BadRequest."""
        timeout = self.api.timeout if milliseconds is None else milliseconds / 1000
        self.api._checked_timeout(timeout)
        return Integration(self.new_id(), function_of(self.api.bus, uri), settings, timeout)

    def part(self, part_id: str, what: str = "Route") -> Part:
        if part_id not in self.parts:
            raise NotFound(f"Invalid {what} identifier specified")
        return self.parts[part_id]

    def put(self, part: Part) -> None:
        """Add a route or a method, or take the place of the one with its id. Raises Conflict."""
        others = [other for other in self.parts.values() if other.id != part.id]
        self._build([*others, part])
        self.parts[part.id] = part
        self.refresh()

    def remove(self, part: Part) -> None:
        """Take a route or a method away."""
        del self.parts[part.id]
        self.refresh()

    def refresh(self) -> None:
        """A part has changed: what isn't deployed is effective at once."""
        self.api.replace_routes(self._build(self.parts.values()))

    def _build(self, parts: Any) -> list[Route]:
        """The routes of the parts that are complete. Raises Conflict for two that answer the same requests."""
        seen = self.api.router()
        routes = []
        for part in parts:
            part.route = self._route(part)
            key_taken: Any = part.route or part
            seen.add(part.key, key_taken)
            if part.route is not None:
                routes.append(part.route)
        return routes

    def _route(self, part: Part) -> Route | None:
        integration = part.integration
        if integration is None:
            return None
        known = part.route
        authorizer: Any = "AWS_IAM" if part.is_signed else part.authorizer
        payload_format = integration.settings.get("PayloadFormatVersion", "1.0")
        if known is not None and known.function is integration.function and known.authorizer == authorizer:
            return known
        return Route(self.api, part.key, integration.function, integration.timeout, payload_format, authorizer)

    # -- deployments and stages ---------------------------------------------------------------------------------------

    def deploy(self, description: str | None, stage: str | None = None) -> Deployment:
        """Take the routes as they are now; a stage that is named is made, if there is none, and gets them."""
        if stage is not None and stage not in self.api.stages:
            self.api.create_stage(stage)
        routes = self._build(self.parts.values())
        now = self.api.bus.clock.now()
        deployment = Deployment(self.api.bus.ids.text(6, LOWER), description, now, self.api.router(routes))
        self.deployments[deployment.id] = deployment
        if stage is not None:
            self.use(stage, deployment.id)
        return deployment

    def use(self, stage: str, deployment_id: str | None) -> None:
        """Let a stage have the routes of a deployment. Raises NotFound."""
        if deployment_id is None or deployment_id not in self.deployments:
            raise NotFound("Invalid Deployment identifier specified")
        self.api.stages[stage].deployed = self.deployments[deployment_id].router
        self.stage_deployments[stage] = deployment_id

    def delete_stage(self, name: str) -> None:
        self.api.delete_stage(name)
        self.stage_deployments.pop(name, None)

    # -- resources of REST APIs ---------------------------------------------------------------------------------------

    def resource(self, resource_id: str) -> tuple[str | None, str]:
        if resource_id not in self.resources:
            raise NotFound("Invalid Resource identifier specified")
        return self.resources[resource_id]

    def add_resource(self, parent: str, part: str) -> str:
        """A resource below another one; gives its id. Raises NotFound, BadRequest or Conflict."""
        _, above = self.resource(parent)
        path = f"{above.rstrip('/')}/{part}"
        RouteKey.parse(f"ANY {path}")
        if any(known == path for _, known in self.resources.values()):
            raise Conflict(f"Another resource with the same parent already has this name: {part}")
        resource_id = self.api.bus.ids.text(6, LOWER)
        self.resources[resource_id] = parent, path
        return resource_id

    def remove_resource(self, resource_id: str) -> None:
        """Take a resource away, with all that is below it. Raises BadRequest for the root."""
        parent, path = self.resource(resource_id)
        if parent is None:
            raise BadRequest("Cannot delete root resource.")
        for other, (_, known) in list(self.resources.items()):
            if known == path or known.startswith(f"{path}/"):
                del self.resources[other]
                for part in [p for p in self.parts.values() if p.key.template == known]:
                    del self.parts[part.id]

    def methods(self, resource_id: str) -> Iterator[Part]:
        """The methods of a resource."""
        _, path = self.resource(resource_id)
        return (part for part in list(self.parts.values()) if part.key.template == path)

    def method(self, resource_id: str, method: str) -> Part:
        found = next((part for part in self.methods(resource_id) if part.key.method == method), None)
        if found is None:
            raise NotFound("Invalid Method identifier specified")
        return found

    def key(self, resource_id: str, method: str) -> RouteKey:
        """The key of a method. Raises BadRequest."""
        if method not in (*METHODS, "ANY"):
            raise BadRequest(f"Invalid HttpMethod specified: {method!r}")
        return RouteKey.parse(f"{method} {self.resource(resource_id)[1]}")

    # -- authorizers --------------------------------------------------------------------------------------------------

    def authorizer(self, authorizer_id: str | None) -> Authorizer:
        if authorizer_id not in self.authorizers:
            raise NotFound("Invalid Authorizer identifier specified")
        return self.authorizers[authorizer_id][0]

    def remove_authorizer(self, authorizer_id: str) -> None:
        """Take an authorizer away. Raises Conflict while something uses it."""
        authorizer = self.authorizer(authorizer_id)
        if any(part.authorizer is authorizer for part in self.parts.values()):
            raise Conflict("Authorizer is in use by a route or a method")
        del self.authorizers[authorizer_id], self.api.authorizers[authorizer.name]


class Gateway:
    """The APIs of a bus that the control plane has made: `bus.shared(Gateway)`."""

    def __init__(self, bus: EventBus) -> None:
        self._bus = bus
        self._apis: dict[str, Managed] = {}

    def all(self, kind: type[Api]) -> list[Managed]:
        return [managed for managed in self._apis.values() if isinstance(managed.api, kind)]

    def get(self, kind: type[Api], api_id: str) -> Managed:
        """One of them. Raises NotFound."""
        managed = self._apis.get(api_id)
        if managed is None or not isinstance(managed.api, kind):
            raise NotFound(f"Invalid API identifier specified {self._bus.account_id}:{api_id}")
        return managed

    def create_http(self, name: str, description: str | None, cors: dict[str, Any] | None) -> Managed:
        """A new HTTP API, without stages."""
        self._check_name(name)
        api = HttpApi(self._bus, name, cors=cors)
        api.delete_stage("$default")
        return self._add(Managed(api, description, self._bus.clock.now()))

    def create_rest(self, name: str, description: str | None, binary: list[str]) -> Managed:
        """A new REST API, without stages, with its root resource."""
        self._check_name(name)
        api = RestApi(self._bus, name, binary_media_types=binary)
        api.delete_stage("prod")
        managed = Managed(api, description, self._bus.clock.now())
        managed.resources[self._bus.ids.text(10, LOWER)] = None, "/"
        return self._add(managed)

    def delete(self, managed: Managed) -> None:
        from triggers.http.endpoints import Endpoints

        del self._apis[managed.id]
        self._bus.shared(Endpoints).remove(managed.api)

    def clear(self) -> None:
        """Delete them all."""
        for managed in list(self._apis.values()):
            self.delete(managed)

    def _add(self, managed: Managed) -> Managed:
        self._apis[managed.id] = managed
        return managed

    def _check_name(self, name: str) -> None:
        if not 1 <= len(name) <= LONGEST_NAME * 8:
            raise BadRequest("Invalid API name")
