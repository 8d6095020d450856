"""Environment variables: those that Lambda sets, and how `os.environ` shows them to a handler in this process.

The function's own variables and those that Lambda sets are laid over the process's: handlers read `os.environ` as on
AWS, each its own. What a handler sets or deletes stays in its environment, for as long as that lives; nothing outside
changes. Code that runs outside of handlers, at import time for instance, sees the process's variables alone. What a
process of a function's own finds beside them is in `sandbox.variables`.
Source of the names: Lambda developer guide, "Defined runtime environment variables" (2026).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from eventbus.execution.current import current_environment
from eventbus.execution.installed import Installed

if TYPE_CHECKING:
    from eventbus.execution.environment import Environment


def lambda_variables(environment: Environment, handler: str) -> dict[str, str]:
    """What the function and Lambda set for one environment of any kind; Lambda's names are reserved."""
    lane, settings = environment.lane, environment.configuration
    variables = {
        **settings.environment,
        "_HANDLER": handler,
        "AWS_REGION": lane.bus.region,
        "AWS_DEFAULT_REGION": lane.bus.region,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info.major}.{sys.version_info.minor}",
        "AWS_LAMBDA_FUNCTION_NAME": lane.function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": lane.version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(settings.memory),
        "AWS_LAMBDA_INITIALIZATION_TYPE": environment.init_type,
        "AWS_LAMBDA_LOG_GROUP_NAME": lane.log_group,
        "AWS_LAMBDA_LOG_STREAM_NAME": environment.log_stream,
    }
    if settings.log_format == "JSON":
        variables["AWS_LAMBDA_LOG_FORMAT"] = "JSON"
        variables["AWS_LAMBDA_LOG_LEVEL"] = settings.application_log_level
    return variables


def variables_of(environment: Environment) -> dict[str, str]:
    """The same for an environment in this process, whose `/tmp` is a directory by another name."""
    handler = environment.lane.handler
    name = f"{getattr(handler, '__module__', '')}.{getattr(handler, '__qualname__', '')}"
    return {**lambda_variables(environment, name), "TMPDIR": str(environment.tmp)}


class _Overlaid(os._Environ[str]):
    """The process's variables, with those of the running handler laid over."""

    def __getitem__(self, key: str) -> str:
        environment = current_environment.get()
        if environment is not None and key in environment.variables:
            value = environment.variables[key]
            if value is None:
                raise KeyError(key)
            return value
        return super().__getitem__(key)

    def __setitem__(self, key: Any, value: Any) -> None:
        environment = current_environment.get()
        if environment is None:
            super().__setitem__(key, value)
            return
        if not isinstance(key, str) or not isinstance(value, str):
            raise TypeError(f"str expected, not {type(value if isinstance(key, str) else key).__name__}")
        environment.variables[key] = value

    def __delitem__(self, key: str) -> None:
        environment = current_environment.get()
        if environment is None:
            super().__delitem__(key)
            return
        self[key]  # a KeyError if it isn't there
        environment.variables[key] = None

    def _laid_over(self) -> dict[str, str]:
        own: dict[str, Any] = {key: super(_Overlaid, self).__getitem__(key) for key in super().__iter__()}
        environment = current_environment.get()
        if environment is not None:
            own.update(environment.variables)
        return {key: value for key, value in own.items() if value is not None}

    def __iter__(self) -> Iterator[str]:
        return iter(self._laid_over())

    def __len__(self) -> int:
        return len(self._laid_over())


class Overlay(Installed):
    """Lets `os.environ`, which others hold on to, look at handlers' variables first."""

    def install(self) -> None:
        self._before = type(os.environ)
        os.environ.__class__ = _Overlaid

    def remove(self) -> None:
        os.environ.__class__ = self._before


overlay = Overlay()
