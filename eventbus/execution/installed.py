"""What is changed about the process while at least one bus runs, and put back after the last."""

from __future__ import annotations


class Installed:
    """Counts the buses that run; says when to install and when to remove."""

    def __init__(self) -> None:
        self._users = 0

    def start(self) -> None:
        """A bus is entered."""
        self._users += 1
        if self._users == 1:
            self.install()

    def stop(self) -> None:
        """A bus is left."""
        self._users -= 1
        if self._users == 0:
            self.remove()

    def install(self) -> None:
        """Change what is to be changed."""
        raise NotImplementedError

    def remove(self) -> None:
        """Put back what was there, unless somebody has replaced it since."""
        raise NotImplementedError
