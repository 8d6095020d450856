"""The code of a function that runs in a process: where it is, and how it is started."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import sys
import tempfile
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs

from eventbus.errors import ConfigurationError, ValidationFailed
from eventbus.execution.sandbox.runtime_api import load_h11
from eventbus.execution.sandbox.values import RUNTIMES
from eventbus.functions.configuration import handler_name, isolation_of
from eventbus.functions.directory import copy, digest_of, files_of

_IDENTIFIER = re.compile(r"(python)3\.\d{1,2}|(provided)(?:\.al2|\.al2023)?")
"""The identifiers of AWS's runtimes that can be run here (Lambda developer guide, "Lambda runtimes", 2026)."""


@attrs.frozen(eq=False)
class Code:
    """A directory, and the handler in it."""

    handler: str
    """`module.function`; for `provided` whatever its `bootstrap` makes of it."""
    directory: Path
    runtime: str = "python"
    sha256: str | None = None
    """Of the archive, or of the files of what was copied; base64."""
    size: int = 0
    """Bytes of these."""
    archive: Path | None = None
    """The archive as it was given."""
    identifier: str | None = None
    """The runtime as AWS calls it, such as `python3.13`, if it was named so."""
    path: tuple[str, ...] = ()
    """Where the bus itself imports from, for handlers that are part of its program."""
    remove: Callable[[], object] = attrs.field(default=lambda: None, repr=False)
    """Remove what was unpacked; harmless when called again."""
    origin: Code | None = attrs.field(default=None, repr=False)
    """The same package under another handler: as long as this is used, that is kept."""


class Packaged:
    """A handler that runs in processes. Calling it calls the plain handler, where this program has it."""

    def __init__(self, handler: object, code: Code) -> None:
        self.code = code
        self.plain = handler if callable(handler) else None
        self._digest: tuple[object, str] | None = None
        """Of a directory, with the state of its files that it was made of."""
        self.__name__ = code.handler.rpartition(".")[2]
        self.__qualname__ = self.__name__
        self.__module__ = code.handler.rpartition(".")[0]
        self.__doc__ = getattr(handler, "__doc__", None) if callable(handler) else None

    def __call__(self, event: Any, context: Any) -> Any:
        if self.plain is None:
            raise ConfigurationError(f"{self.code.handler} runs in processes of its own: await bus.invoke(...) runs it")
        return self.plain(event, context)

    def renamed(self, handler: str | None, runtime: str | None) -> Packaged:
        """The same package with another handler, or another runtime. Raises ConfigurationError or ValidationFailed."""
        code = self.code
        name = code.handler if handler is None else _checked_handler(handler)
        changes: dict[str, Any] = {"handler": name, "origin": code.origin or code}
        if runtime is not None:
            identifier = None if runtime in RUNTIMES else runtime
            changes |= {"runtime": runtime_of(runtime), "identifier": identifier}
        return Packaged(None, attrs.evolve(code, **changes))

    @property
    def code_sha256(self) -> str | None:
        """The base64 of the SHA-256 of the archive that it came in, as AWS shows it, or of the files of its directory;
        None if it is part of this program.
        """
        if self.code.sha256 is not None or self.code.path:
            return self.code.sha256
        files = files_of(self.code.directory)
        versions = tuple((file.name, file.is_executable, file.version) for file in files)
        if self._digest is None or self._digest[0] != versions:
            self._digest = versions, digest_of(files)
        return self._digest[1]

    def is_same(self, other: object) -> bool:
        """Whether another runs the same code in the same way."""
        if not isinstance(other, Packaged):
            return False
        ours, theirs = self.code, other.code
        if (ours.handler, ours.runtime, ours.identifier, ours.path) != (
            theirs.handler,
            theirs.runtime,
            theirs.identifier,
            theirs.path,
        ):
            return False
        if ours.path:
            return self.plain is other.plain and ours.directory == theirs.directory
        return self.code_sha256 == other.code_sha256

    def frozen(self) -> Packaged:
        """The same with its code as it is now, whatever becomes of the directory that it is in.

        An archive is unpacked where nobody changes it, and a handler that is part of this program runs where that is.
        Raises InvalidParameterValue for a directory that is larger than a package may be.
        """
        code = self.code
        if code.sha256 is not None or code.path:
            return self
        holder = Path(tempfile.mkdtemp(prefix="eventbus-code-"))
        try:
            size = copy(code.directory, holder / "task")
            digest = digest_of(files_of(holder / "task"))
        except BaseException:
            shutil.rmtree(holder, ignore_errors=True)
            raise
        made = attrs.evolve(code, directory=holder / "task", sha256=digest, size=size, origin=None)
        object.__setattr__(made, "remove", weakref.finalize(made, shutil.rmtree, holder, ignore_errors=True))
        return Packaged(None, made)


def prepared(handler: Any, code: object, runtime: str, wanted: str | None) -> tuple[Callable[[Any, Any], Any], str]:
    """A handler in the form that its environments need, and their isolation: as wanted, or by its kind.

    Raises ConfigurationError for what is no handler, or does not fit.
    """
    if isinstance(handler, Packaged):
        return handler, "process"
    isolation = isolation_of(handler, wanted)
    if isolation == "process":
        return Packaged(handler, code_of(handler, code, runtime)), isolation
    if code is not None or runtime != "python":
        raise ConfigurationError('code= and runtime= are for processes: name the handler as "module.function"')
    return handler, isolation


def code_of(handler: object, code: object, runtime: str) -> Code:
    """What a process needs in order to run a handler.

    `handler` is a function at the top level of a module that can be imported, or the text `"module.function"` with
    `code`: a directory, a zip archive's path, or the archive's bytes. Raises ConfigurationError for a handler that
    another process cannot find, InvalidParameterValue for an archive that may not be unpacked.
    """
    made = _code_of(handler, code, runtime_of(runtime))
    return made if runtime in RUNTIMES else attrs.evolve(made, identifier=runtime, origin=made)


def runtime_of(name: object) -> str:
    """What runs a function whose runtime is named so, by us or by AWS: `python3.13` is `python`.

    Raises ConfigurationError for one that isn't here.
    """
    if isinstance(name, str):
        if name in RUNTIMES:
            return name
        if found := _IDENTIFIER.fullmatch(name):
            return found[1] or found[2]
    raise ConfigurationError(
        f"runtime={name!r}: a process runs {', '.join(map(repr, RUNTIMES))}, or what AWS calls python3.x and "
        "provided.al2023"
    )


def _code_of(handler: object, code: object, runtime: str) -> Code:
    if sys.platform == "win32":
        raise ConfigurationError("functions in processes need Linux or macOS; run the handler as a task or a thread")
    load_h11()
    if not isinstance(handler, str):
        if code is not None:
            raise ConfigurationError('code= goes with a handler that is named, such as "module.function"')
        return _code_of_program(handler, runtime)
    _checked_handler(handler)
    if isinstance(code, bytes | bytearray):
        return _unpacked(handler, bytes(code), runtime)
    if isinstance(code, str | Path):
        path = Path(code).absolute()
        if path.is_dir():
            return Code(handler, path, runtime)
        if path.is_file():
            return _unpacked(handler, path, runtime)
    raise ConfigurationError(
        f"code={code!r}: the handler {handler!r} needs a directory that is there, a zip archive, or an archive's bytes"
    )


def _checked_handler(handler: str) -> str:
    if len(handler) > 128:
        raise ValidationFailed(handler, "handler", "Member must have length less than or equal to 128")
    if not handler or re.search(r"\s", handler):
        raise ValidationFailed(handler, "handler", r"Member must satisfy regular expression pattern: [^\s]+")
    return handler


def _unpacked(handler: str, archive: bytes | Path, runtime: str) -> Code:
    from eventbus.execution.sandbox.archive import unpack  # few need it, and zipfile takes long to load

    holder = Path(tempfile.mkdtemp(prefix="eventbus-code-"))
    data = archive if isinstance(archive, bytes) else archive.read_bytes()
    digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
    made = Code(handler, holder / "task", runtime, digest, len(data), holder / "package.zip")
    remove = weakref.finalize(made, shutil.rmtree, holder, ignore_errors=True)
    try:
        made.directory.mkdir()
        unpack(data, made.directory)
        (holder / "package.zip").write_bytes(data)
    except BaseException:
        remove()
        raise
    object.__setattr__(made, "remove", remove)
    return made


def _code_of_program(handler: Any, runtime: str) -> Code:
    """A handler that this program has imported: the process imports the same module from the same place."""
    name, module = handler_name(handler), sys.modules.get(getattr(handler, "__module__", None) or "")
    if runtime == "provided":
        raise ConfigurationError('runtime="provided" runs an executable `bootstrap`: name the handler and give code=')
    if getattr(handler, "__qualname__", "") != name or not name.isidentifier():
        raise ConfigurationError(
            f"{name} cannot run in a process, which would not find it: define it at the top level of a module"
        )
    file = getattr(module, "__file__", None)
    if module is None or file is None:
        raise ConfigurationError(f"{name} cannot run in a process: its module has no file to be imported from")
    spec = getattr(module, "__spec__", None)
    path = Path(file).absolute()
    module_name = (
        path.stem if module.__name__ == "__main__" and spec is None else (spec.name if spec else module.__name__)
    )
    depth = module_name.count(".") + (path.name == "__init__.py")
    return Code(f"{module_name}.{name}", path.parents[depth], runtime, path=tuple(entry for entry in sys.path if entry))
