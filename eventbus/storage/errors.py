"""What can go wrong with a store."""

from __future__ import annotations

from pathlib import Path

from eventbus.errors import EventBusError


class StoreError(EventBusError):
    """A store cannot be used."""


class StoreInUse(StoreError):
    """Another bus has the file open."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is open in another bus; one bus at a time may use it, so leave that one first")


class StoreUnavailable(StoreError):
    """What was to be kept could not be written, and has been taken back."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(f"the store could not write this down ({error}): nothing of it was accepted; try again later")


class StoreNotWrittenOut(StoreError):
    """What was left could not be written when the store was closed."""

    def __init__(self, rows: int, error: BaseException | None) -> None:
        super().__init__(
            f"{rows} changed rows could not be written when the store was closed ({error}): what is in the file is "
            "older, so events that had ended since run again at the next start"
        )


class StoreDamaged(StoreError):
    """The file is not what it should be."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path} is damaged: {problem}; `eventbus doctor {path}` reports and exports what can be read")


class StoreTooNew(StoreError):
    """The file was written by a newer version."""

    def __init__(self, path: Path, found: int, known: int) -> None:
        super().__init__(f"{path} has schema {found}, and this version of eventbus knows {known}: use a newer eventbus")
