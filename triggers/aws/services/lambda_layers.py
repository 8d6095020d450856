"""Lambda's layers."""

from __future__ import annotations

from eventbus.errors import InvalidParameterValue, ValidationFailed
from eventbus.functions.layers import Layers as LayerRegistry
from eventbus.functions.layers import LayerVersion
from triggers.aws.services.deeds import Input, Result
from triggers.aws.services.lambda_base import LambdaBase
from triggers.aws.services.lambda_packages import archive_of, code_location
from triggers.aws.services.lambda_shapes import last_modified


class Layers(LambdaBase):
    """The operations of layers; their versions are never shared with other accounts, and so have no policies."""

    @property
    def layers(self) -> LayerRegistry:
        """Those of this bus."""
        return self.bus.shared(LayerRegistry)

    def publish_layer_version(self, given: Input) -> Result:
        name = self._name(given)
        self.allow("lambda:PublishLayerVersion", None, self.layers.arn(name))
        archive = archive_of(self.bus, given["Content"])
        if archive is None:
            raise InvalidParameterValue(
                "Please provide a source for layer content.", mend="ZipFile, or S3Bucket and S3Key"
            )
        layer = self.layers.publish(
            name,
            archive,
            description=given.get("Description") or "",
            compatible_runtimes=given.get("CompatibleRuntimes") or (),
            compatible_architectures=given.get("CompatibleArchitectures") or (),
            license_info=given.get("LicenseInfo"),
        )
        return self._with_content(layer)

    def get_layer_version(self, given: Input) -> Result:
        name, version = self._name(given), given["VersionNumber"]
        self.allow("lambda:GetLayerVersion", None, f"{self.layers.arn(name)}:{version}")
        return self._with_content(self.layers.find(name, version))

    def get_layer_version_by_arn(self, given: Input) -> Result:
        arn, _, number = given["Arn"].rpartition(":")
        if not number.isdigit():
            pattern = r"arn:(aws[a-zA-Z0-9-]*):lambda:[a-z0-9-]+:\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+"
            raise ValidationFailed(given["Arn"], "arn", f"Member must satisfy regular expression pattern: {pattern}")
        return self.get_layer_version({"LayerName": arn, "VersionNumber": int(number)})

    def list_layer_versions(self, given: Input) -> Result:
        name = self._name(given)
        self.allow("lambda:ListLayerVersions", None, self.layers.arn(name))
        found = [_shown(layer) for layer in self.layers.versions(name) if _suits(layer, given)]
        return self.listed(given, "LayerVersions", found, "Version")

    def list_layers(self, given: Input) -> Result:
        self.allow("lambda:ListLayers", None, "*")
        found = []
        for name in sorted(self.layers):
            latest = next((layer for layer in self.layers.versions(name) if _suits(layer, given)), None)
            if latest is not None:
                shown = {"LayerName": name, "LayerArn": latest.layer_arn, "LatestMatchingVersion": _shown(latest)}
                found.append(shown)
        return self.listed(given, "Layers", found, "LayerName")

    def delete_layer_version(self, given: Input) -> Result:
        name, version = self._name(given), given["VersionNumber"]
        self.allow("lambda:DeleteLayerVersion", None, f"{self.layers.arn(name)}:{version}")
        self.layers.delete(name, version)
        return {}

    def _name(self, given: Input) -> str:
        """The name of a layer, which may be given by its ARN."""
        text: str = given["LayerName"]
        return text.rpartition(":layer:")[2] if text.startswith("arn:") else text

    def _with_content(self, layer: LayerVersion) -> Result:
        shown = _shown(layer)
        del shown["LayerVersionArn"]
        content = {
            "Location": code_location(self.bus, self.identities.endpoint, layer),
            "CodeSha256": layer.sha256,
            "CodeSize": layer.size,
        }
        return {"Content": content, "LayerArn": layer.layer_arn, "LayerVersionArn": layer.arn, **shown}


def _shown(layer: LayerVersion) -> Result:
    return {
        "LayerVersionArn": layer.arn,
        "Version": layer.version,
        "Description": layer.description,
        "CreatedDate": last_modified(layer.created_at),
        "CompatibleRuntimes": list(layer.compatible_runtimes) or None,
        "CompatibleArchitectures": list(layer.compatible_architectures) or None,
        "LicenseInfo": layer.license_info,
    }


def _suits(layer: LayerVersion, given: Input) -> bool:
    runtime, architecture = given.get("CompatibleRuntime"), given.get("CompatibleArchitecture")
    return (runtime is None or runtime in layer.compatible_runtimes) and (
        architecture is None or architecture in layer.compatible_architectures
    )
