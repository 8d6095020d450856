"""API Gateway, version 2: HTTP APIs whose routes invoke functions."""

from __future__ import annotations

from typing import Any

from triggers.aws.services import ServiceMap, page
from triggers.aws.services.deeds import Input, Result, given, member
from triggers.aws.services.s3_objects import utc
from triggers.http.errors import BadRequest, NotFound
from triggers.http.gateway import Deployment, Gateway, Integration, Managed, Part, function_of
from triggers.http.http_api import HttpApi
from triggers.http.paths import DEFAULT, RouteKey
from triggers.http.routes import Stage

PAGE = 25
_CORS = {
    "AllowOrigins": "allow_origins",
    "AllowMethods": "allow_methods",
    "AllowHeaders": "allow_headers",
    "ExposeHeaders": "expose_headers",
    "AllowCredentials": "allow_credentials",
    "MaxAge": "max_age",
}
_INTEGRATION = ("IntegrationType", "IntegrationUri", "IntegrationMethod", "PayloadFormatVersion", "Description")
_AUTHORIZER = (
    "AuthorizerType", "AuthorizerUri", "AuthorizerPayloadFormatVersion", "EnableSimpleResponses", "IdentitySource",
    "Name",
)  # fmt: skip


class APIGatewayV2Map(ServiceMap):
    service = "apigatewayv2"
    denied_code = "AccessDeniedException"
    malformed_code = "BadRequestException"
    invalid_code = "BadRequestException"
    codes = {"ValidationException": "BadRequestException"}  # noqa: RUF012

    @property
    def gateway(self) -> Gateway:
        return self.bus.shared(Gateway)

    def _allowed(self, method: str, path: str) -> None:
        arn = f"arn:{self.bus.partition}:apigateway:{self.bus.region}::{path}"
        self.allow(f"apigateway:{method}", None, arn)

    def _api(self, given: Input, method: str) -> Managed:
        self._allowed(method, f"/apis/{given['ApiId']}")
        return self.gateway.get(HttpApi, given["ApiId"])

    # -- APIs ---------------------------------------------------------------------------------------------------------

    def create_api(self, given: Input) -> Result:
        self._allowed("POST", "/apis")
        if given["ProtocolType"] != "HTTP":
            raise BadRequest(f"Invalid protocol specified {given['ProtocolType']}", mend="only HTTP APIs are here")
        target = given.get("Target")
        if target is not None:
            function_of(self.bus, target)
        cors = member(given, "CorsConfiguration", _CORS) if given.get("CorsConfiguration") else None
        managed = self.gateway.create_http(given["Name"], given.get("Description"), cors)
        managed.settings["CorsConfiguration"] = given.get("CorsConfiguration")
        if target is not None:
            self._create_quickly(managed, target, given.get("RouteKey") or DEFAULT)
        return self._shown(managed)

    def _create_quickly(self, managed: Managed, target: str, key: str) -> None:
        """A route, an integration and the stage `$default`, all in one."""
        settings = {"IntegrationType": "AWS_PROXY", "IntegrationUri": target, "PayloadFormatVersion": "2.0"}
        integration = managed.integrate(target, None, settings)
        managed.integrations[integration.id] = integration
        part = Part(managed.new_id(), RouteKey.parse(key), {"AuthorizationType": "NONE"}, integration=integration)
        managed.put(part)
        managed.api.create_stage(DEFAULT)

    def get_apis(self, given: Input) -> Result:
        self._allowed("GET", "/apis")
        wanted = given.get("MaxResults") or str(PAGE)  # a text in AWS's model
        if not (wanted.isascii() and wanted.isdigit() and 0 < len(wanted) < 6):
            raise BadRequest(f"Invalid value for MaxResults: {wanted}")
        size = int(wanted)
        found, token = page(self.gateway.all(HttpApi), given.get("NextToken"), size, lambda managed: managed.id)
        return {"Items": [self._shown(managed) for managed in found], "NextToken": token}

    def get_api(self, given: Input) -> Result:
        return self._shown(self._api(given, "GET"))

    def update_api(self, given: Input) -> Result:
        from triggers.http.cors import as_cors

        managed = self._api(given, "PATCH")
        assert isinstance(managed.api, HttpApi)
        if given.get("CorsConfiguration"):
            managed.api.cors = as_cors(member(given, "CorsConfiguration", _CORS))
            managed.settings["CorsConfiguration"] = given["CorsConfiguration"]
        managed.api.name = managed.api.label = given.get("Name") or managed.api.name
        managed.description = given.get("Description", managed.description)
        return self._shown(managed)

    def delete_api(self, given: Input) -> Result:
        self.gateway.delete(self._api(given, "DELETE"))
        return {}

    # -- integrations and routes --------------------------------------------------------------------------------------

    def create_integration(self, given: Input) -> Result:
        managed = self._api(given, "POST")
        if given["IntegrationType"] != "AWS_PROXY" or given.get("IntegrationSubtype"):
            raise BadRequest(
                f"Invalid integration type {given['IntegrationType']}", mend="AWS_PROXY to functions is here"
            )
        settings = {name: given[name] for name in _INTEGRATION if given.get(name) is not None}
        assert isinstance(managed.api, HttpApi)
        settings["PayloadFormatVersion"] = managed.api._checked_format(given.get("PayloadFormatVersion"))
        integration = managed.integrate(given.get("IntegrationUri"), given.get("TimeoutInMillis"), settings)
        managed.integrations[integration.id] = integration
        return _integration(integration)

    def _integration(self, managed: Managed, integration_id: str) -> Integration:
        if integration_id not in managed.integrations:
            raise NotFound("Invalid Integration identifier specified")
        return managed.integrations[integration_id]

    def get_integration(self, given: Input) -> Result:
        return _integration(self._integration(self._api(given, "GET"), given["IntegrationId"]))

    def get_integrations(self, given: Input) -> Result:
        return {"Items": [_integration(one) for one in self._api(given, "GET").integrations.values()]}

    def delete_integration(self, given: Input) -> Result:
        managed = self._api(given, "DELETE")
        integration = self._integration(managed, given["IntegrationId"])
        if any(part.integration is integration for part in managed.parts.values()):
            raise BadRequest("Cannot delete Integration referenced by a Route", mend="delete its routes first")
        del managed.integrations[integration.id]
        return {}

    def create_route(self, given: Input) -> Result:
        managed = self._api(given, "POST")
        part = Part(managed.new_id(), RouteKey.parse(given["RouteKey"]), {"AuthorizationType": "NONE"})
        managed.put(self._route(managed, part, given))
        return _route(part)

    def update_route(self, given: Input) -> Result:
        managed = self._api(given, "PATCH")
        known = managed.part(given["RouteId"])
        key = RouteKey.parse(given["RouteKey"]) if given.get("RouteKey") else known.key
        part = Part(known.id, key, dict(known.settings), known.authorizer, known.is_signed, known.integration)
        managed.put(self._route(managed, part, given))
        return _route(part)

    def _route(self, managed: Managed, part: Part, given: Input) -> Part:
        if (target := given.get("Target")) is not None:
            part.integration = self._integration(managed, target.removeprefix("integrations/"))
        if (how := given.get("AuthorizationType")) is not None:
            if how not in ("NONE", "AWS_IAM", "CUSTOM"):
                raise BadRequest(f"Invalid authorization type {how}", mend="NONE, AWS_IAM and CUSTOM are here")
            part.settings["AuthorizationType"] = how
            part.is_signed = how == "AWS_IAM"
            part.authorizer = managed.authorizer(given.get("AuthorizerId")) if how == "CUSTOM" else None
        return part

    def get_route(self, given: Input) -> Result:
        return _route(self._api(given, "GET").part(given["RouteId"]))

    def get_routes(self, given: Input) -> Result:
        return {"Items": [_route(part) for part in self._api(given, "GET").parts.values()]}

    def delete_route(self, given: Input) -> Result:
        managed = self._api(given, "DELETE")
        managed.remove(managed.part(given["RouteId"]))
        return {}

    # -- stages and deployments ---------------------------------------------------------------------------------------

    def create_stage(self, given: Input) -> Result:
        managed, name = self._api(given, "POST"), given["StageName"]
        wanted = given.get("DeploymentId")
        if wanted is not None and wanted not in managed.deployments:
            raise NotFound("Invalid Deployment identifier specified")
        managed.api.create_stage(name, given.get("StageVariables"))
        if wanted is not None:
            managed.use(name, wanted)
        elif not given.get("AutoDeploy"):
            managed.api.stages[name].deployed = managed.api.router()
        return _stage(managed, managed.api.stages[name])

    def _stage(self, given: Input, method: str) -> tuple[Managed, Stage]:
        managed = self._api(given, method)
        if given["StageName"] not in managed.api.stages:
            raise NotFound("Invalid stage identifier specified")
        return managed, managed.api.stages[given["StageName"]]

    def get_stage(self, given: Input) -> Result:
        return _stage(*self._stage(given, "GET"))

    def get_stages(self, given: Input) -> Result:
        managed = self._api(given, "GET")
        return {"Items": [_stage(managed, stage) for stage in managed.api.stages.values()]}

    def update_stage(self, given: Input) -> Result:
        managed, stage = self._stage(given, "PATCH")
        if given.get("DeploymentId") is not None:
            managed.use(stage.name, given["DeploymentId"])
        if given.get("AutoDeploy"):
            stage.deployed = None
        if given.get("StageVariables") is not None:
            stage.variables = dict(given["StageVariables"])
        return _stage(managed, stage)

    def delete_stage(self, given: Input) -> Result:
        managed, stage = self._stage(given, "DELETE")
        managed.delete_stage(stage.name)
        return {}

    def create_deployment(self, given: Input) -> Result:
        managed, stage = self._api(given, "POST"), given.get("StageName")
        if stage is not None and stage not in managed.api.stages:
            raise NotFound("Invalid stage identifier specified")
        if stage is not None and managed.api.stages[stage].deployed is None:
            raise BadRequest(f"Deployments cannot be made for the stage {stage}, which has auto deploy enabled")
        return _deployment(managed.deploy(given.get("Description"), stage))

    def get_deployments(self, given: Input) -> Result:
        return {"Items": [_deployment(one) for one in self._api(given, "GET").deployments.values()]}

    # -- authorizers --------------------------------------------------------------------------------------------------

    def create_authorizer(self, input: Input) -> Result:  # noqa: A002 - `given` is the function here
        managed = self._api(input, "POST")
        if input["AuthorizerType"] != "REQUEST":
            raise BadRequest(f"Invalid authorizer type {input['AuthorizerType']}", mend="REQUEST is here, JWT isn't")
        api = managed.api
        assert isinstance(api, HttpApi)
        authorizer = api.authorizer(
            function_of(self.bus, input.get("AuthorizerUri")),
            name=input["Name"],
            simple=bool(input.get("EnableSimpleResponses")),
            **given(
                identity_sources=input.get("IdentitySource"),
                ttl=input.get("AuthorizerResultTtlInSeconds"),
                payload_format=input.get("AuthorizerPayloadFormatVersion"),
            ),
        )
        managed.authorizers[authorizer.id] = authorizer, {name: input.get(name) for name in _AUTHORIZER}
        return _authorizer(managed, authorizer.id)

    def get_authorizer(self, given: Input) -> Result:
        return _authorizer(self._api(given, "GET"), given["AuthorizerId"])

    def get_authorizers(self, given: Input) -> Result:
        managed = self._api(given, "GET")
        return {"Items": [_authorizer(managed, one) for one in managed.authorizers]}

    def delete_authorizer(self, given: Input) -> Result:
        self._api(given, "DELETE").remove_authorizer(given["AuthorizerId"])
        return {}

    def _shown(self, managed: Managed) -> Result:
        return {
            "ApiId": managed.id,
            "ApiEndpoint": self._address(managed),
            "Name": managed.api.name,
            "Description": managed.description,
            "ProtocolType": "HTTP",
            "CorsConfiguration": managed.settings.get("CorsConfiguration"),
            "CreatedDate": utc(managed.created_at),
            "DisableExecuteApiEndpoint": False,
            "RouteSelectionExpression": "$request.method $request.path",
            "ApiKeySelectionExpression": "$request.header.x-api-key",
        }

    def _address(self, managed: Managed) -> str:
        """Where it can be called: at the port that the bus is served at, else what it would be on AWS."""
        if self.identities.endpoint is None:
            return f"https://{managed.api.domain}"
        port = self.identities.endpoint.rpartition(":")[2]
        return f"http://{managed.id}.execute-api.{self.bus.region}.localhost:{port}"


def _integration(integration: Integration) -> Result:
    return {
        "IntegrationId": integration.id,
        "ConnectionType": "INTERNET",
        **integration.settings,
        "TimeoutInMillis": int(integration.timeout * 1000),
    }


def _route(part: Part) -> Result:
    return {
        "RouteId": part.id,
        "RouteKey": str(part.key),
        "ApiKeyRequired": False,
        **part.settings,
        "AuthorizerId": None if part.authorizer is None else part.authorizer.id,
        "Target": None if part.integration is None else f"integrations/{part.integration.id}",
    }


def _stage(managed: Managed, stage: Stage) -> Result:
    return {
        "StageName": stage.name,
        "AutoDeploy": stage.deployed is None,
        "DeploymentId": managed.stage_deployments.get(stage.name),
        "StageVariables": stage.variables,
        "DefaultRouteSettings": {"DetailedMetricsEnabled": False},
        "RouteSettings": {},
    }


def _deployment(deployment: Deployment) -> Result:
    return {
        "DeploymentId": deployment.id,
        "DeploymentStatus": "DEPLOYED",
        "Description": deployment.description,
        "CreatedDate": utc(deployment.created_at),
        "AutoDeployed": False,
    }


def _authorizer(managed: Managed, authorizer_id: str) -> dict[str, Any]:
    authorizer = managed.authorizer(authorizer_id)
    settings = managed.authorizers[authorizer_id][1]
    return {"AuthorizerId": authorizer_id, **settings, "AuthorizerResultTtlInSeconds": int(authorizer.ttl)}
