"""Layers: archives beside a function's own, for what several functions share.

A published version stays as it is. A function that uses one keeps it, also when it has been deleted since. What a layer
has below `python/` can be imported, and what it has below `bin/` is on the PATH; on AWS it lies below `/opt`, here in a
directory of its own. Source: Lambda developer guide, "Managing Lambda dependencies with layers" (2026).
"""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import sys
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from eventbus.errors import InvalidParameterValue, ResourceNotFound, ValidationFailed

if TYPE_CHECKING:
    from eventbus.bus import EventBus

MOST = 5
"""Layers that a function may use (Lambda quotas)."""
_NAME = re.compile(r"[a-zA-Z0-9-_]{1,140}", re.ASCII)


@attrs.frozen(eq=False, kw_only=True)
class LayerVersion:
    """One version of a layer."""

    arn: str
    layer_arn: str
    name: str
    version: int
    description: str
    sha256: str
    """Of the archive, base64."""
    size: int
    """Bytes of the archive."""
    directory: Path
    """What the archive holds, unpacked."""
    archive: Path
    created_at: float
    compatible_runtimes: tuple[str, ...] = ()
    compatible_architectures: tuple[str, ...] = ()
    license_info: str | None = None

    @property
    def imports(self) -> tuple[str, ...]:
        """Directories that Python imports from, in AWS's order."""
        python = self.directory / "python"
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        return tuple(str(path) for path in (python / "lib" / version / "site-packages", python) if path.is_dir())

    @property
    def commands(self) -> str | None:
        """The directory of its executables, if it has one."""
        found = self.directory / "bin"
        return str(found) if found.is_dir() else None


class Layers:
    """The layers of one bus: `bus.shared(Layers)`."""

    def __init__(self, bus: EventBus) -> None:
        self._bus = bus
        self._versions: dict[str, dict[int, LayerVersion]] = {}
        self._latest: dict[str, int] = {}
        """The number that was given last; none is used twice."""

    def __iter__(self) -> Iterator[str]:
        """The names of the layers that have a version."""
        return iter([name for name, versions in self._versions.items() if versions])

    def arn(self, name: str) -> str:
        """The ARN of a layer, without a version."""
        return f"arn:{self._bus.partition}:lambda:{self._bus.region}:{self._bus.account_id}:layer:{name}"

    def publish(
        self,
        name: str,
        archive: bytes,
        *,
        description: str = "",
        compatible_runtimes: Iterable[str] = (),
        compatible_architectures: Iterable[str] = (),
        license_info: str | None = None,
    ) -> LayerVersion:
        """Make the next version of a layer from a zip archive: PublishLayerVersion.

        Raises ValidationFailed for a name that cannot be, InvalidParameterValue for an archive that may not be
        unpacked.
        """
        if not _NAME.fullmatch(name):
            raise ValidationFailed(name, "layerName", "Member must satisfy regular expression pattern: [a-zA-Z0-9-_]+")
        holder = Path(tempfile.mkdtemp(prefix="eventbus-layer-"))
        number = self._latest.get(name, 0) + 1
        layer = LayerVersion(
            arn=f"{self.arn(name)}:{number}",
            layer_arn=self.arn(name),
            name=name,
            version=number,
            description=description,
            sha256=base64.b64encode(hashlib.sha256(archive).digest()).decode(),
            size=len(archive),
            directory=holder / "opt",
            archive=holder / "layer.zip",
            created_at=self._bus.clock.now(),
            compatible_runtimes=tuple(compatible_runtimes),
            compatible_architectures=tuple(compatible_architectures),
            license_info=license_info,
        )
        remove = weakref.finalize(layer, shutil.rmtree, holder, ignore_errors=True)
        try:
            _unpack(archive, layer)
        except BaseException:
            remove()
            raise
        self._latest[name] = number
        self._versions.setdefault(name, {})[number] = layer
        return layer

    def versions(self, name: str) -> list[LayerVersion]:
        """The versions of a layer, the newest first; none if there is no such layer."""
        return sorted(self._versions.get(name, {}).values(), key=lambda layer: -layer.version)

    def find(self, name: str, version: int) -> LayerVersion:
        """One version. Raises ResourceNotFound."""
        found = self._versions.get(name, {}).get(version)
        if found is None:
            raise ResourceNotFound("The resource you requested does not exist.")
        return found

    def by_arn(self, arn: str) -> LayerVersion:
        """One version by its ARN. Raises InvalidParameterValue in AWS's words for one that isn't here."""
        layer_arn, _, number = arn.rpartition(":")
        name = layer_arn.rpartition(":")[2]
        found = self._versions.get(name, {}).get(int(number)) if number.isascii() and number.isdigit() else None
        if found is None or found.arn != arn:
            raise InvalidParameterValue(
                f"Layer version {arn} does not exist.", mend="publish it first: bus.shared(Layers).publish(...)"
            )
        return found

    def chosen(self, arns: Iterable[str]) -> tuple[LayerVersion, ...]:
        """What a function is to use, in its order. Raises InvalidParameterValue."""
        layers = tuple(self.by_arn(arn) for arn in arns)
        check_layers(layers)
        return layers

    def delete(self, name: str, version: int) -> None:
        """Take a version away; that it does not exist is fine, as on AWS. Functions that use it keep it."""
        self._versions.get(name, {}).pop(version, None)


def check_layers(layers: Sequence[LayerVersion]) -> None:
    """Raise InvalidParameterValue for layers that no function may have together."""
    if len(layers) > MOST:
        raise InvalidParameterValue(f"Cannot reference more than {MOST} layers.")
    names = [layer.layer_arn for layer in layers]
    if twice := next((layer for layer in layers if names.count(layer.layer_arn) > 1), None):
        raise InvalidParameterValue(
            f"Two different versions of the same layer are not allowed to be referenced in "
            f"the same function. {twice.layer_arn}"
        )


def _unpack(archive: bytes, layer: LayerVersion) -> None:
    from eventbus.execution.sandbox.archive import unpack  # few need it, and zipfile takes long to load

    layer.directory.mkdir()
    unpack(archive, layer.directory)
    layer.archive.write_bytes(archive)
