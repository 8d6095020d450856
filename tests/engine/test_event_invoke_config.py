"""Settings of asynchronous invocation per function, version and alias, in the calls and the words of AWS."""

from __future__ import annotations

from typing import Any

import pytest

from eventbus.errors import ConfigurationError, InvalidParameterValue, ResourceNotFound
from eventbus.testing import Recorder
from tests.engine.support import ARN, Box, make_bus, virtual

OWNERS = ("function", "latest", "version", "alias")
QUALIFIERS = {"function": "$LATEST", "latest": "$LATEST", "version": "1", "alias": "prod"}


def owner_of(kind: str, bus: Any) -> Any:
    f = bus.add_function("f", Recorder())
    version = f.publish_version()
    alias = f.create_alias("prod", "1")
    return {"function": f, "latest": f.version("$LATEST"), "version": version, "alias": alias}[kind]


@pytest.mark.parametrize("kind", OWNERS)
def test_put_replaces_and_update_merges(kind: str) -> None:
    """What put leaves out goes back to the default, what update leaves out stays."""
    bus = make_bus()
    owner, box = owner_of(kind, bus), Box(bus)
    answer = owner.put_event_invoke_config(retries=1, max_event_age=100, on_failure=box, grant=True)
    assert answer == {
        "FunctionArn": f"{ARN}f:{QUALIFIERS[kind]}",
        "LastModified": virtual(bus).now(),
        "MaximumRetryAttempts": 1,
        "MaximumEventAgeInSeconds": 100,
        "DestinationConfig": {"OnSuccess": {}, "OnFailure": {"Destination": box.arn}},
    }
    owner.update_event_invoke_config(retries=0)
    assert (owner.settings.retries, owner.settings.max_event_age) == (0, 100)
    assert owner.event_invoke_config["DestinationConfig"]["OnFailure"] == {"Destination": box.arn}
    owner.update_event_invoke_config(on_failure=None)
    assert owner.event_invoke_config["DestinationConfig"] == {"OnSuccess": {}, "OnFailure": {}}
    owner.put_event_invoke_config(max_event_age=60)
    assert (owner.settings.retries, owner.settings.max_event_age) == (2, 60)
    owner.delete_event_invoke_config()
    assert (owner.settings.retries, owner.settings.max_event_age) == (2, 21_600)


@pytest.mark.parametrize("kind", OWNERS)
def test_where_nothing_is_set_there_is_nothing_to_read_update_or_delete(kind: str) -> None:
    """ResourceNotFoundException with the qualified ARN."""
    owner = owner_of(kind, make_bus())
    for call in (
        lambda: owner.event_invoke_config,
        lambda: owner.update_event_invoke_config(retries=1),
        owner.delete_event_invoke_config,
    ):
        with pytest.raises(ResourceNotFound) as caught:
            call()
        assert caught.value.message == f"The function {ARN}f:{QUALIFIERS[kind]} doesn't have an EventInvokeConfig"
    with pytest.raises(InvalidParameterValue) as empty:
        owner.put_event_invoke_config()
    assert empty.value.message == "You must specify at least one of error handling or destination setting."


@pytest.mark.parametrize("kind", OWNERS)
@pytest.mark.parametrize("options", [{"retries": 3}, {"retries": -1}, {"max_event_age": 59}, {"max_event_age": 21_601}])
def test_values_out_of_range_change_nothing(kind: str, options: dict[str, Any]) -> None:
    """Nor does a destination that is refused."""
    bus = make_bus()
    owner, box = owner_of(kind, bus), Box(bus)
    owner.put_event_invoke_config(retries=1, on_failure=box, grant=True)
    before = owner.event_invoke_config
    with pytest.raises(ConfigurationError):
        owner.put_event_invoke_config(**options)
    with pytest.raises(InvalidParameterValue):
        owner.put_event_invoke_config(retries=0, on_success=Box(bus, "b", kind="bucket"))
    assert owner.event_invoke_config == before


def test_each_has_its_own() -> None:
    """Setting one leaves the others as they were."""
    bus = make_bus()
    alias = owner_of("alias", bus)
    alias.put_event_invoke_config(retries=0)
    f = bus.functions["f"]
    assert [f.settings.retries, f.version("1").settings.retries, alias.settings.retries] == [2, 2, 0]
    f.update_configuration(reserved_concurrency=0)
    assert [i.settings.is_switched_off for i in f.invocables] == [True] * 4
