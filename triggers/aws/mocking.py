"""`mock_aws`, for tests that were written for moto: the import changes, and what the calls cause really happens."""

from __future__ import annotations

import functools
import inspect
import unittest
from collections.abc import Callable
from typing import Any, Self, TypeVar, overload

from eventbus.bus import EventBus
from eventbus.clock import VirtualClock
from eventbus.errors import ConfigurationError
from triggers.aws.clients import AWS

_SURROUNDINGS = ("setup_method", "setup_class", "teardown_method", "teardown_class")
"""What pytest calls around the tests of a class."""

T = TypeVar("T", bound=Callable[..., Any])


class MockedAWS:
    """What `mock_aws()` is: a context manager, and a decorator of functions, coroutine functions and classes of tests.

    Every entry, and every call of what it decorates, has a bus of its own; a `unittest.TestCase` has one for each test,
    with `setUp` and `tearDown`.
    """

    def __init__(self, **options: Any) -> None:
        self._options = {"clock": VirtualClock, "seed": 0, **options}
        self._entered: list[AWS] = []

    def __enter__(self) -> AWS:
        self._entered.append(self._fresh())
        return self._entered[-1].__enter__()

    def __exit__(self, *exception: Any) -> None:
        self._entered.pop().__exit__(*exception)

    def start(self) -> Self:
        """Enter without a block, for `setUp`."""
        self.__enter__()
        return self

    def stop(self) -> None:
        """Leave again."""
        self.__exit__(None, None, None)

    def __call__(self, test: T) -> T:
        if inspect.isclass(test) and issubclass(test, unittest.TestCase):
            test.run = _around(self, test.run)  # type: ignore[method-assign]
            return test
        if inspect.isclass(test):
            if outside := [name for name in _SURROUNDINGS if hasattr(test, name)]:
                raise ConfigurationError(
                    f"{test.__name__}.{outside[0]} would run outside of mock_aws, and call AWS itself: make it a "
                    "pytest fixture that does `with mock_aws():`, or derive the class from unittest.TestCase"
                )
            for name, method in list(vars(test).items()):
                if name.startswith("test") and callable(method):
                    setattr(test, name, self(method))
            return test
        if inspect.iscoroutinefunction(test):

            @functools.wraps(test)
            async def run(*args: Any, **kwargs: Any) -> Any:
                aws = self._fresh()
                async with aws.bus:
                    with aws:
                        return await test(*args, **kwargs)

        else:

            @functools.wraps(test)
            def run(*args: Any, **kwargs: Any) -> Any:
                with self._fresh():
                    return test(*args, **kwargs)

        return run  # type: ignore[return-value]

    def _fresh(self) -> AWS:
        clock = self._options["clock"]
        return AWS(EventBus(**{**self._options, "clock": clock() if inspect.isclass(clock) else clock}))


def _around(mocked: MockedAWS, run: Callable[..., Any]) -> Callable[..., Any]:
    """The `run` of a test case, with its setUp, its tearDown and its cleanups, within a block of its own."""

    @functools.wraps(run)
    def within(*args: Any, **kwargs: Any) -> Any:
        with mocked._fresh():
            return run(*args, **kwargs)

    return within


@overload
def mock_aws(test: T, /) -> T: ...


@overload
def mock_aws(test: None = None, /, **options: Any) -> MockedAWS: ...


def mock_aws(test: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Serve boto3 from a fresh bus with a virtual clock: `@mock_aws`, `@mock_aws(seed=7)` or `with mock_aws() as aws:`.

    The name and the three forms are moto's. `options` are those of EventBus. The block's value is the `AWS` that is
    entered: `aws.bus` is its bus, and `aws.wait_idle()` waits for what the calls have caused.
    """
    return MockedAWS(**options) if test is None else MockedAWS(**options)(test)
