"""What a function's code is told by."""

from __future__ import annotations

import base64
import hashlib
from types import CodeType


def code_sha256(handler: object) -> str:
    """The base64 of a SHA-256 that is the same for the same code: what AWS makes of an archive.

    Of a handler in this process it is made of the compiled code, and of the names under which it was defined.
    """
    if isinstance(digest_of_archive := getattr(handler, "code_sha256", None), str):
        return digest_of_archive
    handler = getattr(handler, "plain", None) or handler
    called = handler if hasattr(handler, "__code__") else vars(type(handler)).get("__call__")
    code = getattr(called, "__code__", None)
    name = f"{getattr(handler, '__module__', '')}.{getattr(handler, '__qualname__', type(handler).__qualname__)}"
    digest = hashlib.sha256(name.encode())
    if isinstance(code, CodeType):
        _add(digest, code)
    return base64.b64encode(digest.digest()).decode()


def _add(digest: hashlib._Hash, code: CodeType) -> None:
    digest.update(code.co_code)
    digest.update(repr((code.co_names, code.co_varnames)).encode())
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            _add(digest, constant)
        else:
            digest.update(repr(constant).encode())
