"""The documentation's table of operations, made from the code."""

from __future__ import annotations

from triggers.aws.maps import maps
from triggers.aws.services import operations


def operations_table() -> str:
    """A Markdown table: per service the operations that this bus has, and how many of AWS's it hasn't."""
    lines = ["| service | operations | not here |", "|---|---|---|"]
    for service, found in operations(maps()).items():
        names = ", ".join(name for name, is_here in found.items() if is_here)
        lines.append(f"| {service} | {names} | {sum(not is_here for is_here in found.values())} |")
    return "\n".join(lines)
