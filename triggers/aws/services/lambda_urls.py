"""Lambda's function URLs."""

from __future__ import annotations

from typing import Any

from eventbus.errors import ValidationFailed
from eventbus.functions.alias import Alias
from eventbus.functions.function import Function
from eventbus.functions.invocable import Invocable
from triggers.aws.services.deeds import Input, Result
from triggers.aws.services.lambda_base import LambdaBase
from triggers.aws.services.lambda_shapes import last_modified
from triggers.http.cors import Cors
from triggers.http.function_url import FunctionUrl
from triggers.http.function_urls import FunctionUrls, KeptUrl

_CORS = {
    "AllowOrigins": "allow_origins",
    "AllowMethods": "allow_methods",
    "AllowHeaders": "allow_headers",
    "ExposeHeaders": "expose_headers",
    "AllowCredentials": "allow_credentials",
    "MaxAge": "max_age",
}


class Urls(LambdaBase):
    """The five operations."""

    codes = {**LambdaBase.codes, "BadRequestException": "InvalidParameterValueException"}  # noqa: RUF012

    @property
    def urls(self) -> FunctionUrls:
        """Those of this bus."""
        return self.bus.shared(FunctionUrls)

    def create_function_url_config(self, given: Input) -> Result:
        target = self._addressed(given, "CreateFunctionUrlConfig")
        return self._url_shown(self.urls.create(target, **_options(given)))

    def get_function_url_config(self, given: Input) -> Result:
        kept = self.urls.find(self._addressed(given, "GetFunctionUrlConfig"))
        return {**self._url_shown(kept), "LastModifiedTime": last_modified(kept.modified_at)}

    def update_function_url_config(self, given: Input) -> Result:
        kept = self.urls.update(self._addressed(given, "UpdateFunctionUrlConfig"), **_options(given))
        return {**self._url_shown(kept), "LastModifiedTime": last_modified(kept.modified_at)}

    def delete_function_url_config(self, given: Input) -> Result:
        self.urls.delete(self._addressed(given, "DeleteFunctionUrlConfig"))
        return {}

    def list_function_url_configs(self, given: Input) -> Result:
        function = self.function(given, "ListFunctionUrlConfigs")
        found = [
            {**self._url_shown(kept), "LastModifiedTime": last_modified(kept.modified_at)}
            for kept in self.urls
            if getattr(kept.front.function, "function", None) is function
        ]
        return self.listed(given, "FunctionUrlConfigs", found, "FunctionArn")

    def _url_shown(self, kept: KeptUrl) -> Result:
        front = kept.front
        return {
            "FunctionUrl": self._address(front),
            "FunctionArn": front.function.arn,
            "AuthType": front.auth_type,
            "Cors": None if front.cors is None else _cors_shown(front.cors),
            "CreationTime": last_modified(kept.created_at),
            "InvokeMode": front.invoke_mode,
        }

    def _address(self, front: FunctionUrl) -> str:
        """Where it can be called: at the port that the bus is served at, else what it would be on AWS."""
        if self.identities.endpoint is None:
            return front.url
        port = self.identities.endpoint.rpartition(":")[2]
        return f"http://{front.url_id}.lambda-url.{self.bus.region}.localhost:{port}/"

    def _addressed(self, given: Input, action: str) -> Invocable:
        """A function or an alias: versions have no URLs."""
        target = self.invocable(given, action)
        if not isinstance(target, Function | Alias):
            pattern = r"((?!^\d+$)^[0-9a-zA-Z-_]+$)"
            raise ValidationFailed(
                target.qualifier, "qualifier", f"Member must satisfy regular expression pattern: {pattern}"
            )
        return target


def _options(given: Input) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if given.get("AuthType") is not None:
        options["auth_type"] = given["AuthType"]
    if given.get("InvokeMode") is not None:
        options["invoke_mode"] = given["InvokeMode"]
    if given.get("Cors") is not None:
        options["cors"] = {ours: given["Cors"][name] for name, ours in _CORS.items() if name in given["Cors"]} or None
    return options


def _cors_shown(cors: Cors) -> Result:
    shown = {name: getattr(cors, ours) for name, ours in _CORS.items()}
    return {name: list(v) if isinstance(v, tuple) else v for name, v in shown.items() if v not in ((), None, False)}
