"""API Gateway, version 1: REST APIs whose methods invoke functions."""

from __future__ import annotations

from typing import Any

from triggers.aws.services import ServiceMap, page
from triggers.aws.services.deeds import Input, Result, given
from triggers.aws.services.s3_objects import utc
from triggers.http.errors import BadRequest, NotFound
from triggers.http.gateway import Deployment, Gateway, Managed, Part, function_of
from triggers.http.rest_api import RestApi
from triggers.http.routes import Stage

PAGE = 25
"""Items of one page (API Gateway API reference, GetRestApis)."""


class APIGatewayMap(ServiceMap):
    service = "apigateway"
    denied_code = "AccessDeniedException"
    malformed_code = "BadRequestException"
    invalid_code = "BadRequestException"
    codes = {"ValidationException": "BadRequestException"}  # noqa: RUF012

    @property
    def gateway(self) -> Gateway:
        return self.bus.shared(Gateway)

    def _allowed(self, method: str, path: str) -> None:
        """Every call is permitted as the HTTP method and the path that it is."""
        arn = f"arn:{self.bus.partition}:apigateway:{self.bus.region}::{path}"
        self.allow(f"apigateway:{method}", None, arn)

    def _api(self, given: Input, method: str) -> Managed:
        self._allowed(method, f"/restapis/{given['restApiId']}")
        return self.gateway.get(RestApi, given["restApiId"])

    # -- APIs ---------------------------------------------------------------------------------------------------------

    def create_rest_api(self, given: Input) -> Result:
        self._allowed("POST", "/restapis")
        managed = self.gateway.create_rest(
            given["name"], given.get("description"), list(given.get("binaryMediaTypes") or ())
        )
        return _shown(managed)

    def get_rest_apis(self, given: Input) -> Result:
        self._allowed("GET", "/restapis")
        found, token = page(self.gateway.all(RestApi), given.get("position"), given.get("limit") or PAGE, _id)
        return {"items": [_shown(managed) for managed in found], "position": token}

    def get_rest_api(self, given: Input) -> Result:
        return _shown(self._api(given, "GET"))

    def update_rest_api(self, given: Input) -> Result:
        managed = self._api(given, "PATCH")
        for change in given.get("patchOperations") or ():
            match change.get("op"), change.get("path"):
                case "replace", "/name":
                    managed.api.name = managed.api.label = change.get("value") or managed.api.name
                case "replace", "/description":
                    managed.description = change.get("value")
                case _, path:
                    raise BadRequest(f"Invalid patch path {path}", mend="/name and /description can be replaced here")
        return _shown(managed)

    def delete_rest_api(self, given: Input) -> Result:
        self.gateway.delete(self._api(given, "DELETE"))
        return {}

    # -- resources and methods ----------------------------------------------------------------------------------------

    def create_resource(self, given: Input) -> Result:
        managed = self._api(given, "POST")
        return _resource(managed, managed.add_resource(given["parentId"], given["pathPart"]))

    def get_resources(self, given: Input) -> Result:
        managed = self._api(given, "GET")
        found, token = page(managed.resources, given.get("position"), given.get("limit") or PAGE)
        return {"items": [_resource(managed, one) for one in found], "position": token}

    def get_resource(self, given: Input) -> Result:
        return _resource(self._api(given, "GET"), given["resourceId"])

    def delete_resource(self, given: Input) -> Result:
        self._api(given, "DELETE").remove_resource(given["resourceId"])
        return {}

    def put_method(self, given: Input) -> Result:
        managed, how = self._api(given, "PUT"), given["authorizationType"]
        if how not in ("NONE", "AWS_IAM", "CUSTOM"):
            raise BadRequest(f"Invalid authorization type {how}", mend="NONE, AWS_IAM and CUSTOM are here")
        part = Part(
            managed.new_id(),
            managed.key(given["resourceId"], given["httpMethod"]),
            {"authorizationType": how, "apiKeyRequired": bool(given.get("apiKeyRequired"))},
            managed.authorizer(given.get("authorizerId")) if how == "CUSTOM" else None,
            how == "AWS_IAM",
        )
        managed.put(part)
        return _method(part)

    def get_method(self, given: Input) -> Result:
        return _method(self._method(given, "GET"))

    def delete_method(self, given: Input) -> Result:
        managed = self._api(given, "DELETE")
        managed.remove(managed.method(given["resourceId"], given["httpMethod"]))
        return {}

    def _method(self, given: Input, method: str) -> Part:
        return self._api(given, method).method(given["resourceId"], given["httpMethod"])

    def put_integration(self, given: Input) -> Result:
        managed, part = self._api(given, "PUT"), self._method(given, "PUT")
        if given["type"] != "AWS_PROXY":
            raise BadRequest(f"Invalid integration type {given['type']}", mend="only AWS_PROXY is here")
        if given.get("integrationHttpMethod") != "POST":
            raise BadRequest("Enumeration value for HttpMethod must be non-empty", mend="Lambda is invoked with POST")
        settings = {name: given[name] for name in ("type", "uri", "passthroughBehavior") if given.get(name)}
        part.integration = managed.integrate(given.get("uri"), given.get("timeoutInMillis"), settings)
        managed.refresh()
        return _integration(part)

    def get_integration(self, given: Input) -> Result:
        return _integration(self._method(given, "GET"))

    def delete_integration(self, given: Input) -> Result:
        self._method(given, "DELETE").integration = None
        self._api(given, "DELETE").refresh()
        return {}

    # -- deployments and stages ---------------------------------------------------------------------------------------

    def create_deployment(self, given: Input) -> Result:
        managed = self._api(given, "POST")
        if not any(part.integration for part in managed.parts.values()):
            raise BadRequest("The REST API doesn't contain any methods")
        stage = given.get("stageName")
        deployment = managed.deploy(given.get("description"), stage)
        if stage is not None and given.get("variables"):
            managed.api.set_stage_variables(stage, given["variables"])
        return _deployment(deployment)

    def get_deployments(self, given: Input) -> Result:
        return {"items": [_deployment(one) for one in self._api(given, "GET").deployments.values()]}

    def get_deployment(self, given: Input) -> Result:
        found = self._api(given, "GET").deployments.get(given["deploymentId"])
        if found is None:
            raise NotFound("Invalid Deployment identifier specified")
        return _deployment(found)

    def create_stage(self, given: Input) -> Result:
        managed, name = self._api(given, "POST"), given["stageName"]
        if given["deploymentId"] not in managed.deployments:
            raise NotFound("Invalid Deployment identifier specified")
        managed.api.create_stage(name, given.get("variables"))
        managed.use(name, given["deploymentId"])
        return _stage(managed, managed.api.stages[name])

    def get_stages(self, given: Input) -> Result:
        managed = self._api(given, "GET")
        return {"item": [_stage(managed, stage) for stage in managed.api.stages.values()]}

    def get_stage(self, given: Input) -> Result:
        managed = self._api(given, "GET")
        return _stage(managed, _known(managed, given["stageName"]))

    def update_stage(self, given: Input) -> Result:
        managed = self._api(given, "PATCH")
        stage = _known(managed, given["stageName"])
        variables, deployment = dict(stage.variables), None
        for change in given.get("patchOperations") or ():
            path = change.get("path") or ""
            if path == "/deploymentId":
                deployment = change.get("value")
            elif path.startswith("/variables/") and change.get("op") == "remove":
                variables.pop(path.removeprefix("/variables/"), None)
            elif path.startswith("/variables/"):
                variables[path.removeprefix("/variables/")] = change.get("value") or ""
            else:
                raise BadRequest(f"Invalid patch path {path}", mend="/deploymentId and /variables/NAME are here")
        if deployment is not None:
            managed.use(stage.name, deployment)
        stage.variables = variables
        return _stage(managed, stage)

    def delete_stage(self, given: Input) -> Result:
        self._api(given, "DELETE").delete_stage(given["stageName"])
        return {}

    # -- authorizers --------------------------------------------------------------------------------------------------

    def create_authorizer(self, input: Input) -> Result:  # noqa: A002 - `given` is the function here
        managed = self._api(input, "POST")
        api, kind = managed.api, input["type"]
        assert isinstance(api, RestApi)
        if kind not in ("TOKEN", "REQUEST"):
            raise BadRequest(f"Invalid authorizer type {kind}", mend="TOKEN and REQUEST are here")
        sources = [one.strip() for one in (input.get("identitySource") or "").split(",") if one.strip()]
        authorizer = api.authorizer(
            function_of(self.bus, input.get("authorizerUri")),
            name=input["name"],
            type=kind,
            **given(
                identity_sources=sources or None,
                ttl=input.get("authorizerResultTtlInSeconds"),
                validation=input.get("identityValidationExpression"),
            ),
        )
        wanted = ("name", "type", "authorizerUri", "identitySource", "identityValidationExpression")
        managed.authorizers[authorizer.id] = authorizer, {name: input.get(name) for name in wanted}
        return _authorizer(managed, authorizer.id)

    def get_authorizers(self, given: Input) -> Result:
        managed = self._api(given, "GET")
        return {"items": [_authorizer(managed, one) for one in managed.authorizers]}

    def get_authorizer(self, given: Input) -> Result:
        return _authorizer(self._api(given, "GET"), given["authorizerId"])

    def delete_authorizer(self, given: Input) -> Result:
        self._api(given, "DELETE").remove_authorizer(given["authorizerId"])
        return {}

    def flush_stage_authorizers_cache(self, given: Input) -> Result:
        for authorizer, _ in self._api(given, "DELETE").authorizers.values():
            authorizer.forget()
        return {}


def _id(managed: Managed) -> str:
    return managed.id


def _known(managed: Managed, name: str) -> Stage:
    if name not in managed.api.stages:
        raise NotFound("Invalid stage identifier specified")
    return managed.api.stages[name]


def _shown(managed: Managed) -> Result:
    api = managed.api
    assert isinstance(api, RestApi)
    return {
        "id": managed.id,
        "name": api.name,
        "description": managed.description,
        "createdDate": utc(managed.created_at),
        "binaryMediaTypes": list(api.binary_media_types) or None,
        "apiKeySource": "HEADER",
        "endpointConfiguration": {"types": ["EDGE"], "ipAddressType": "ipv4"},
        "disableExecuteApiEndpoint": False,
        "rootResourceId": next(one for one, (parent, _) in managed.resources.items() if parent is None),
    }


def _resource(managed: Managed, resource_id: str) -> Result:
    parent, path = managed.resource(resource_id)
    methods: dict[str, Any] = {part.key.method: {} for part in managed.methods(resource_id)}
    part = path.rpartition("/")[2] or None
    return {"id": resource_id, "parentId": parent, "pathPart": part, "path": path, "resourceMethods": methods or None}


def _method(part: Part) -> Result:
    return {
        "httpMethod": part.key.method,
        **part.settings,
        "authorizerId": None if part.authorizer is None else part.authorizer.id,
        "methodIntegration": None if part.integration is None else _integration(part),
    }


def _integration(part: Part) -> Result:
    if part.integration is None:
        raise NotFound("Invalid Integration identifier specified")
    return {
        "passthroughBehavior": "WHEN_NO_MATCH",
        **part.integration.settings,
        "httpMethod": "POST",
        "timeoutInMillis": int(part.integration.timeout * 1000),
        "cacheNamespace": part.id,
        "cacheKeyParameters": [],
    }


def _deployment(deployment: Deployment) -> Result:
    return {
        "id": deployment.id,
        "description": deployment.description,
        "createdDate": utc(deployment.created_at),
    }


def _stage(managed: Managed, stage: Stage) -> Result:
    return {
        "stageName": stage.name,
        "deploymentId": managed.stage_deployments.get(stage.name),
        "variables": stage.variables or None,
        "cacheClusterEnabled": False,
        "cacheClusterStatus": "NOT_AVAILABLE",
        "methodSettings": {},
        "tracingEnabled": False,
    }


def _authorizer(managed: Managed, authorizer_id: str) -> Result:
    authorizer = managed.authorizer(authorizer_id)
    settings = managed.authorizers[authorizer_id][1]
    return {"id": authorizer_id, **settings, "authType": "custom", "authorizerResultTtlInSeconds": int(authorizer.ttl)}
