"""What a function is configured with: one frozen value, checked as a whole.

Limits: Lambda quotas and CreateFunction (2026).
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import attrs

from eventbus.errors import ConfigurationError, InvalidParameterValue, ValidationFailed
from eventbus.functions.layers import LayerVersion, check_layers

_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")
_NAME_PATTERN = r"Member must satisfy regular expression pattern: [a-zA-Z0-9-_\.]+"
_LOG_GROUP = re.compile(r"[.\-_/#A-Za-z0-9]{1,512}")
ISOLATIONS = ("task", "thread", "process")
FUNCTION_WIDE = frozenset({"retries", "max_event_age", "reserved_concurrency", "recursive_loop"})
"""Settings of the function itself: changing them changes no version, and starts no new environment."""
MEMORY_OF_A_CPU = 1769
"""Megabytes that come with one virtual CPU (Lambda developer guide, "Configure Lambda function memory")."""
LOG_FORMATS = ("Text", "JSON")
APPLICATION_LOG_LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
SYSTEM_LOG_LEVELS = ("DEBUG", "INFO", "WARN")


def check_name(name: object) -> str:
    """A function's name: 1-64 letters, digits, `-`, `_` and `.`. Raises ValidationFailed in AWS's words."""
    if not isinstance(name, str) or not name or not _NAME_CHARACTERS.issuperset(name):
        raise ValidationFailed(name, "functionName", _NAME_PATTERN)
    if len(name) > 64:
        raise ValidationFailed(name, "functionName", "Member must have length less than or equal to 64")
    return name


def _between(low: float, high: float, unit: str) -> Callable[[Any, attrs.Attribute[Any], Any], None]:
    def check(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not low <= value <= high:
            raise ConfigurationError(f"{attribute.name}={value!r}: AWS accepts {low:,} to {high:,} {unit}")

    return check


def _whole(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    if not isinstance(value, int):
        raise ConfigurationError(f"{attribute.name}={value!r}: a whole number is needed")


def _whole_seconds(_: Any, attribute: attrs.Attribute[Any], value: float) -> None:
    if value != int(value):
        raise ConfigurationError(f"{attribute.name}={value!r}: whole seconds are needed")


def _known_isolation(_: Any, __: attrs.Attribute[Any], value: object) -> None:
    if value not in ISOLATIONS:
        raise ConfigurationError(
            f"isolation={value!r}: a handler runs in a 'task' (async def), a 'thread' (def) or a 'process'"
        )


def _known_recursive_loop(_: Any, __: attrs.Attribute[Any], value: object) -> None:
    if value not in ("Terminate", "Allow"):
        raise ConfigurationError(f"recursive_loop={value!r}: AWS accepts 'Terminate' and 'Allow'")


def check_description(description: object) -> str:
    """A text of up to 256 characters (FunctionConfiguration). Raises ConfigurationError or ValidationFailed."""
    if not isinstance(description, str):
        raise ConfigurationError(f"description={description!r}: a text is needed")
    if len(description) > 256:
        raise ValidationFailed(description, "description", "Member must have length less than or equal to 256")
    return description


def _description(_: Any, __: attrs.Attribute[Any], value: object) -> None:
    check_description(value)


def _as_layers(given: Any) -> tuple[Any, ...]:
    return tuple(given) if isinstance(given, list) else given


def _layers(_: Any, __: attrs.Attribute[Any], layers: Any) -> None:
    if not isinstance(layers, tuple) or not all(isinstance(layer, LayerVersion) for layer in layers):
        raise ConfigurationError(
            f"layers={layers!r}: versions of layers are needed, such as bus.shared(Layers).chosen([arn])"
        )
    check_layers(layers)


def _known_level(levels: tuple[str, ...]) -> Callable[[Any, attrs.Attribute[Any], Any], None]:
    def check(_: Any, attribute: attrs.Attribute[Any], value: object) -> None:
        if value not in levels:
            raise ConfigurationError(f"{attribute.name}={value!r}: AWS accepts {', '.join(levels)}")

    return check


def _log_group_name(_: Any, __: attrs.Attribute[Any], value: object) -> None:
    if value is not None and (not isinstance(value, str) or not _LOG_GROUP.fullmatch(value)):
        raise ConfigurationError(f"log_group={value!r}: 1 to 512 letters, digits and _ - / . # are accepted, or None")


def _concurrency(_: Any, __: attrs.Attribute[Any], value: object) -> None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
        raise ConfigurationError(f"reserved_concurrency={value!r}: a whole number from 0, or None for no reservation")


_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_VARIABLE_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_]+", re.ASCII)
VARIABLES_LIMIT = 4096
"""Bytes of all environment variables of a function together, as compact JSON (Lambda quotas)."""
_RESERVED_VARIABLES = re.compile(
    "_HANDLER|_X_AMZN_TRACE_ID|AWS_DEFAULT_REGION|AWS_REGION|AWS_EXECUTION_ENV|AWS_LAMBDA_FUNCTION_.*|"
    "AWS_LAMBDA_INITIALIZATION_TYPE|AWS_LAMBDA_LOG_.*_NAME|AWS_ACCESS_KEY|AWS_ACCESS_KEY_ID|AWS_SECRET_ACCESS_KEY|"
    "AWS_SESSION_TOKEN|AWS_LAMBDA_RUNTIME_API|LAMBDA_TASK_ROOT|LAMBDA_RUNTIME_DIR"
)


def checked_variables(variables: Any) -> Mapping[str, str]:
    """The environment variables of a function, or a refusal in AWS's words: reserved names, and 4 KB in all."""
    if variables is None:
        return MappingProxyType({})
    if not isinstance(variables, Mapping):
        raise ConfigurationError(f"environment={variables!r}: a dict of texts is needed")
    for name, value in variables.items():
        if not isinstance(name, str) or not _VARIABLE_NAME.fullmatch(name):
            raise ConfigurationError(
                f"environment has {name!r}: a name has two or more of a-z, A-Z, 0-9 and _, and begins with a letter"
            )
        if not isinstance(value, str) or "\0" in value or _LONE_SURROGATE.search(value):
            raise ConfigurationError(f"environment has {name}={value!r}: a text is needed, which UTF-8 can carry")
    if reserved := [name for name in variables if _RESERVED_VARIABLES.fullmatch(name)]:
        raise InvalidParameterValue(
            "Lambda was unable to configure your environment variables because the environment variables you have "
            "provided contains reserved keys that are currently not supported for modification. "
            f"Reserved keys used in this request: {', '.join(reserved)}"
        )
    text = json.dumps(dict(variables), separators=(",", ":"), ensure_ascii=False)
    if len(text.encode(errors="surrogatepass")) > VARIABLES_LIMIT:
        raise InvalidParameterValue(
            "Lambda was unable to configure your environment variables because the environment variables you have "
            f"provided exceeded the 4KB limit. String measured: {text}"
        )
    return MappingProxyType(dict(variables))


@attrs.frozen(kw_only=True)
class Configuration:
    """How a function runs, and how its asynchronous events are treated."""

    memory: int = attrs.field(default=128, validator=[_between(128, 10_240, "MB"), _whole])
    """Megabytes."""
    timeout: float = attrs.field(default=3, validator=_between(0.001, 900, "seconds"))
    """Seconds of real time; AWS takes whole seconds from 1, tests may want less."""
    retries: int = attrs.field(default=2, validator=[_between(0, 2, "retries"), _whole])
    """Further attempts after a function error."""
    max_event_age: float = attrs.field(default=21_600, validator=[_between(60, 21_600, "seconds"), _whole_seconds])
    """Seconds after which an asynchronous event is given up."""
    reserved_concurrency: int | None = attrs.field(default=None, validator=_concurrency)
    """Environments that this function alone may use, and no more; 0 switches it off."""
    isolation: str = attrs.field(default="task", validator=_known_isolation)
    """`task` for `async def`, `thread` for `def`, `process` for what is named, or on demand for `def`."""
    recursive_loop: str = attrs.field(default="Terminate", validator=_known_recursive_loop)
    """Whether a chain of more than 16 invocations is stopped."""
    description: str = attrs.field(default="", validator=_description)
    environment: Mapping[str, str] = attrs.field(default=None, converter=checked_variables)
    """Environment variables, 4 KB in all."""
    tmp: int = attrs.field(default=512, validator=[_between(512, 10_240, "MB"), _whole])
    """Megabytes of an environment's own temporary directory, `/tmp` in a process."""
    log_format: str = attrs.field(default="Text", validator=_known_level(LOG_FORMATS))
    """`Text` or `JSON`."""
    application_log_level: str = attrs.field(default="INFO", validator=_known_level(APPLICATION_LOG_LEVELS))
    """The least severe records of the handler that the log keeps; only with JSON."""
    system_log_level: str = attrs.field(default="INFO", validator=_known_level(SYSTEM_LOG_LEVELS))
    """The least severe records of the platform; only with JSON."""
    log_group: str | None = attrs.field(default=None, validator=_log_group_name)
    """A log group of your choice, in place of `/aws/lambda/<name>`."""
    layers: tuple[Any, ...] = attrs.field(default=(), converter=_as_layers, validator=_layers)
    """`LayerVersion`s of what runs in processes, later ones before earlier ones."""
    architecture: str = attrs.field(default="x86_64", validator=_known_level(("x86_64", "arm64")))
    """Shown, and without effect here."""
    tracing: str = attrs.field(default="PassThrough", validator=_known_level(("PassThrough", "Active")))
    """Shown, and without effect here: the bus always traces."""

    def __attrs_post_init__(self) -> None:
        if self.log_format != "JSON" and (self.application_log_level, self.system_log_level) != ("INFO", "INFO"):
            raise ConfigurationError(
                "application_log_level and system_log_level need the JSON format; add log_format='JSON'"
            )
        if self.layers and self.isolation != "process":
            raise ConfigurationError(f"layers are for processes, and have no effect in a {self.isolation}")

    @property
    def cpu_share(self) -> float:
        """The share of virtual CPUs that goes with the memory: one at 1,769 MB."""
        return self.memory / MEMORY_OF_A_CPU

    @property
    def of_version(self) -> tuple[Any, ...]:
        """What a published version freezes; a version is new when this differs from the latest one's."""
        return tuple(
            dict(value) if isinstance(value, Mapping) else value
            for name, value in attrs.asdict(self, recurse=False).items()
            if name not in FUNCTION_WIDE
        )


def isolation_of(handler: object, wanted: str | None) -> str:
    """How a handler runs: as it wants, or by its kind. Raises ConfigurationError for what isn't a handler."""
    if isinstance(handler, str):
        if wanted not in (None, "process"):
            raise ConfigurationError(f"{handler!r} names a handler, which runs in a process, not in a {wanted}")
        return "process"
    if not callable(handler):
        raise ConfigurationError(f"{handler!r} is not a handler: a handler is a function that takes (event, context)")
    try:
        inspect.signature(handler).bind(None, None)
    except TypeError:
        raise ConfigurationError(
            f"{handler_name(handler)}{inspect.signature(handler)} is not a handler: "
            "it is called as handler(event, context)"
        ) from None
    except ValueError:
        pass  # a built-in without a signature: it will show when it is called
    call = getattr(handler, "__call__", None)  # noqa: B004 - asks for the method, not whether it is callable
    is_async = any(inspect.iscoroutinefunction(each) or inspect.isasyncgenfunction(each) for each in (handler, call))
    if wanted is None:
        return "task" if is_async else "thread"
    if wanted == "task" and not is_async:
        raise ConfigurationError(
            f"{handler_name(handler)} is a plain function and runs in a thread; make it `async def`"
        )
    if wanted in ("thread", "process") and is_async:
        raise ConfigurationError(f"{handler_name(handler)} is `async def` and runs in a task; make it a plain `def`")
    return wanted


def handler_name(handler: object) -> str:
    """A handler's own name, for a function that is given none."""
    return str(getattr(handler, "__name__", type(handler).__name__))
