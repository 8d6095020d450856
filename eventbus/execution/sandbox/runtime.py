"""The Python runtime: asks the bus for events, calls the handler, posts what came of it.

It stands where AWS's `awslambdaric` stands and does the same, on the standard library alone and over one connection. It
runs inside the function's process and imports nothing of eventbus. Texts and order follow the runtime interface client
4.2.2; tests run both side by side.
"""

from __future__ import annotations

import _socket
import importlib
import json
import logging
import os
import sys
import time
import traceback

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing itself takes long to load
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    Headers = dict[str, str]

WARNING = (
    "LAMBDA_WARNING: Unhandled exception. The most likely cause is an issue in the function code. However, in rare "
    "cases, a Lambda runtime update can cause unexpected function behavior. For functions using managed runtimes, "
    "runtime updates can be triggered by a function change, or can be applied automatically. To determine if the "
    "runtime has been updated, check the runtime version in the INIT_START log entry. If this error correlates with a "
    "change in the runtime version, you may be able to mitigate this error by temporarily rolling back to the previous "
    "runtime version. For more information, see https://docs.aws.amazon.com/lambda/latest/dg/runtimes-update.html\r"
)
ESCAPES_TEXT = ("AWS_Lambda_python3.9", "AWS_Lambda_python3.10", "AWS_Lambda_python3.11")
HANDLED = frozenset(
    (
        "name", "msg", "args", "levelname", "levelno", "pathname", "filename", "module", "exc_info", "exc_text",
        "stack_info", "lineno", "funcName", "created", "msecs", "relativeCreated", "thread", "threadName",
        "processName", "process", "taskName", "aws_request_id", "tenant_id",
    )
)  # fmt: skip
"""What a log record has of its own; everything else was given as `extra`."""


class Fault(Exception):
    """Something that the runtime itself has to say about the function."""

    def __init__(self, kind: str, message: str, stack: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.document = {"errorMessage": message, "errorType": kind, "requestId": "", "stackTrace": list(stack)}


# -- the connection -------------------------------------------------------------------------------------------------


class RuntimeApi:
    """One connection to the bus, kept for all invocations."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self.host = address
        self.socket = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        self.socket.connect((host, int(port)))
        self.socket.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        self.received = b""

    def request(
        self, method: str, path: str, body: bytes = b"", headers: Iterable[tuple[str, str]] = ()
    ) -> tuple[int, Headers, bytes]:
        """Send one request and return status, headers and body of the answer."""
        lines = [f"{method} /2018-06-01/runtime/{path} HTTP/1.1", f"Host: {self.host}"]
        lines += [f"{name}: {value}" for name, value in headers]
        if method == "POST":
            lines.append(f"Content-Length: {len(body)}")
        head = "\r\n".join(lines).encode() + b"\r\n\r\n"
        if len(body) < 65536:
            self.socket.sendall(head + body)
        else:
            self.socket.sendall(head)
            self.socket.sendall(body)
        return self._answer()

    def _answer(self) -> tuple[int, Headers, bytes]:
        while (end := self.received.find(b"\r\n\r\n")) < 0:
            self._receive()
        first, *lines = self.received[:end].decode("latin-1").split("\r\n")
        headers: Headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        left = int(headers.get("content-length", 0))
        body = [self.received[end + 4 : end + 4 + left]]
        self.received = self.received[end + 4 + left :]
        left -= len(body[0])
        while left:
            data = self.socket.recv(min(left, 1 << 20))
            if not data:
                os._exit(1)
            body.append(data)
            left -= len(data)
        return int(first.split(" ", 2)[1]), headers, b"".join(body)

    def _receive(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            os._exit(1)  # the bus is gone
        self.received += data

    def post(self, path: str, body: bytes, content_type: str, headers: Iterable[tuple[str, str]] = ()) -> None:
        status, _, _ = self.request("POST", path, body, (("Content-Type", content_type), *headers))
        if status == 500:
            os._exit(1)  # as the API demands


# -- the context ----------------------------------------------------------------------------------------------------


def attributes(kind: Any, document: Any) -> Any:
    """An object with the named attributes of a document, absent ones being None."""
    if document is None:
        return None
    made = kind()
    for name in kind.__slots__:
        setattr(made, name, document.get(name))
    return made


class CognitoIdentity:
    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")

    def __repr__(self) -> str:
        return shown("CognitoIdentity", self, self.__slots__)


class Client:
    __slots__ = ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")  # noqa: RUF023

    def __repr__(self) -> str:
        return shown("Client", self, self.__slots__)


class ClientContext:
    __slots__ = ("custom", "env", "client")  # noqa: RUF023 - the order in which they are shown

    def __repr__(self) -> str:
        return shown("ClientContext", self, self.__slots__)


def shown(name: str, value: object, names: Iterable[str]) -> str:
    return f"{name}([{','.join(f'{each}={getattr(value, each)}' for each in names)}])"


class LambdaContext:
    """What a handler gets as its second argument."""

    def __init__(self, headers: Headers) -> None:
        self.aws_request_id = headers["lambda-runtime-aws-request-id"]
        self.log_group_name = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
        self.memory_limit_in_mb = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.function_version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.invoked_function_arn = headers.get("lambda-runtime-invoked-function-arn", "")
        self.tenant_id = headers.get("lambda-runtime-aws-tenant-id")
        self._deadline = int(headers.get("lambda-runtime-deadline-ms", 0))
        document = json_header(headers, "lambda-runtime-client-context", "Client Context")
        trace = document.pop("w3c", None) if isinstance(document, dict) else None
        self._w3c = {
            name: value
            for name in ("traceparent", "tracestate", "baggage")
            if isinstance(trace, dict) and isinstance(value := trace.get(name), str)
        }
        self.client_context = attributes(ClientContext, document)
        if self.client_context is not None:
            self.client_context.client = attributes(Client, self.client_context.client)
        identity = json_header(headers, "lambda-runtime-cognito-identity", "Cognito Identity") or {}
        self.identity = attributes(CognitoIdentity, {})
        self.identity.cognito_identity_id = identity.get("cognitoIdentityId")
        self.identity.cognito_identity_pool_id = identity.get("cognitoIdentityPoolId")

    def get_remaining_time_in_millis(self) -> int:
        return max(0, self._deadline - int(time.time() * 1000))

    def w3c(self) -> dict[str, str]:
        return dict(self._w3c)

    def log(self, message: object) -> None:
        sys.stdout.write(str(message))

    def __repr__(self) -> str:
        return shown(
            "LambdaContext",
            self,
            (
                "aws_request_id", "log_group_name", "log_stream_name", "function_name", "memory_limit_in_mb",
                "function_version", "invoked_function_arn", "client_context", "identity", "tenant_id",
            ),
        )  # fmt: skip


def json_header(headers: Headers, name: str, title: str) -> Any:
    text = headers.get(name)
    if not text:
        return None
    try:
        return json.loads(text.encode("latin-1"))
    except ValueError as error:
        raise Fault("Runtime.LambdaContextUnmarshalError", f"Unable to parse {title} JSON: {error}") from None


# -- JSON as the official client writes it --------------------------------------------------------------------------


class Literal(float):
    """A number that is written with these very digits."""

    text = ""


def plain(value: Any) -> Any:
    """A copy with named tuples as objects, bytes as text and Decimals as literal numbers."""
    if isinstance(value, dict):
        return {key.decode() if isinstance(key, bytes) else key: plain(item) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {key: plain(item) for key, item in value._asdict().items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, bytes):
        return value.decode()
    if type(value).__name__ == "Decimal" and type(value).__module__ in ("decimal", "_decimal", "_pydecimal"):
        if value.is_nan():
            return float("nan")
        literal = Literal(0.0)
        literal.text = str(value)
        return literal
    return value


def number(value: float) -> str:
    if type(value) is Literal:
        return value.text
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    return float.__repr__(value)


class Encoder(json.JSONEncoder):
    """Writes numbers by `number`; the standard encoder has no such hook."""

    def iterencode(self, value: Any, _one_shot: bool = False) -> Iterator[str]:
        text = json.encoder.encode_basestring_ascii if self.ensure_ascii else json.encoder.encode_basestring
        make: Any = json.encoder._make_iterencode  # type: ignore[attr-defined]
        encode = make(
            {}, self.default, text, None, number, self.key_separator, self.item_separator, False, False, False
        )
        return encode(value, 0)  # type: ignore[no-any-return]


def to_json(value: Any) -> bytes:
    """The JSON text of a value, encoded. Raises what the standard encoder raises."""
    return json_text(value, os.environ.get("AWS_EXECUTION_ENV") in (None, *ESCAPES_TEXT)).encode()


def json_text(value: Any, is_ascii: bool, separators: tuple[str, str] | None = None) -> str:
    """The JSON text of what a handler returned. Raises what the standard encoder raises."""
    kind = json.JSONEncoder
    try:
        value = plain(value)
        if holds_literals(value):
            kind = Encoder
    except RecursionError:
        pass  # too deep or a circle, which the encoder says better
    return kind(ensure_ascii=is_ascii, separators=separators).encode(value)


def holds_literals(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(holds_literals, value.values()))
    return any(map(holds_literals, value)) if isinstance(value, list) else type(value) is Literal


# -- logs -----------------------------------------------------------------------------------------------------------


class Unbuffered:
    """A stream whose every write is sent at once."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def __enter__(self) -> Unbuffered:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()

    def writelines(self, lines: Iterable[str]) -> None:
        self.stream.writelines(lines)
        self.stream.flush()


class LogHandler(logging.Handler):
    """Writes every record as one event of the log, however many lines it has."""

    def emit(self, record: Any) -> None:
        sys.stdout.write(self.format(record).removesuffix("\n").replace("\n", "\r") + "\n")


class Stamp(logging.Filter):
    """Gives every record the id of the invocation that wrote it."""

    request_id = ""
    tenant_id: str | None = None

    def filter(self, record: Any) -> bool:
        record.aws_request_id = self.request_id
        record.tenant_id = self.tenant_id
        return True


class JsonFormatter(logging.Formatter):
    def format(self, record: Any) -> str:
        level = min(50, max(0, record.levelno)) // 10 * 10
        kind, error, trace = record.exc_info or (None, None, None)
        entry = {
            "timestamp": self.formatTime(record, "%Y-%m-%dT%H:%M:%SZ"),
            "level": logging.getLevelName(level),
            "message": record.msg if isinstance(record.msg, dict) and not record.args else record.getMessage(),
            "logger": record.name,
            "stackTrace": traceback.format_tb(trace) if kind else None,
            "errorType": kind.__name__ if kind else None,
            "errorMessage": str(error) if kind else None,
            "requestId": record.aws_request_id,
            "location": f"{record.pathname}:{record.funcName}:{record.lineno}" if kind else None,
            "tenantId": record.tenant_id,
        }
        for name, value in record.__dict__.items():
            if name not in HANDLED and name not in entry:
                entry[name] = value
        return json.dumps({k: v for k, v in entry.items() if v is not None}, ensure_ascii=False, default=str) + "\n"


def is_json_log() -> bool:
    return os.environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"


def set_up_logging(stamp: Stamp) -> None:
    logging.Formatter.converter = time.gmtime
    handler = LogHandler()
    if is_json_log():
        handler.setFormatter(JsonFormatter())
    else:
        form = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n"
        handler.setFormatter(logging.Formatter(form, "%Y-%m-%dT%H:%M:%S"))
    handler.addFilter(stamp)
    level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "").upper()
    level = {"TRACE": "DEBUG"}.get(level, level)
    root = logging.getLogger()
    if level in logging.getLevelNamesMapping():
        root.setLevel(level)
    root.addHandler(handler)


def log_error(document: dict[str, Any]) -> None:
    if is_json_log():
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        text = to_json({"timestamp": stamp, "level": "ERROR", **document}).decode()
    else:
        colon = ": " if document["errorMessage"] else ""
        lines = [f"[ERROR] {document['errorType']}{colon}{document['errorMessage']}"]
        lines.append("Traceback (most recent call last):")
        for entry in document["stackTrace"]:
            for line in entry.splitlines():
                bare = line.lstrip(" ")
                lines.append("\u00a0" * (len(line) - len(bare)) + bare)
        text = "\r".join(lines)
    try:
        sys.stdout.write(f"{text}\n")
    except (OSError, ValueError):
        pass  # the function closed it; what it answers still counts


# -- running --------------------------------------------------------------------------------------------------------


def find_handler(name: str) -> Callable[[Any, Any], Any]:
    """Import the handler `module.function`. Raises Fault, or what the module raises."""
    try:
        module_name, function = name.rsplit(".", 1)
    except ValueError as error:
        raise Fault("Runtime.MalformedHandlerName", f"Bad handler '{name}': {error}") from None
    if module_name.split(".")[0] in sys.builtin_module_names:
        raise Fault("Runtime.BuiltInModuleConflict", f"Cannot use built-in module {module_name} as a handler module")
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        raise Fault("Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}") from None
    except SyntaxError as error:
        stack = [f'  File "{error.filename}" Line {error.lineno}\n    {error.text}']
        message = f"Syntax error in module '{module_name}': {error}"
        raise Fault("Runtime.UserCodeSyntaxError", message, stack) from None
    try:
        handler: Callable[[Any, Any], Any] = getattr(module, function)
    except AttributeError:
        message = f"Handler '{function}' missing on module '{module_name}'"
        raise Fault("Runtime.HandlerNotFound", message) from None
    return handler


def plain_frame(frame: traceback.FrameSummary) -> tuple[str, int, str, str | None]:
    """A frame without its columns, which would be marked below its line."""
    return frame.filename, frame.lineno or 0, frame.name, frame.line


def error_document(error: Exception, request_id: str) -> dict[str, Any]:
    if isinstance(error, Fault):
        return {**error.document, "requestId": request_id}
    frames = traceback.extract_tb(error.__traceback__)
    while frames and frames[0].filename == __file__:
        del frames[0]
    try:
        message = str(error)
    except Exception:
        message = ""
    return {
        "errorMessage": message,
        "errorType": type(error).__name__,
        "requestId": request_id,
        "stackTrace": [entry for frame in frames for entry in traceback.format_list([plain_frame(frame)])],
    }


def run_handler(handler: Callable[[Any, Any], Any], headers: Headers, body: bytes) -> tuple[bytes, str]:
    """Call the handler with one event; what it returned, encoded, and its content type."""
    context = LambdaContext(headers)
    event = body
    if headers.get("content-type") == "application/json":
        try:
            event = json.loads(body)
        except ValueError as error:
            raise Fault("Runtime.UnmarshalError", f"Unable to unmarshal input: {error}") from None
    result = handler(event, context)
    if isinstance(result, bytes):
        return result, "application/unknown"
    try:
        return to_json(result), "application/json"
    except Exception as error:
        raise Fault("Runtime.MarshalError", f"Unable to marshal response: {error}") from None


def encoded_error(document: dict[str, Any]) -> bytes:
    try:
        return to_json(document)
    except UnicodeEncodeError:  # half a surrogate pair in its text
        return json.dumps(document).encode()


def main(handler_name: str) -> None:
    """Be the runtime of one function until the process ends."""
    sys.stdout, sys.stderr = Unbuffered(sys.stdout), Unbuffered(sys.stderr)
    stamp = Stamp()
    set_up_logging(stamp)
    api = RuntimeApi(os.environ["AWS_LAMBDA_RUNTIME_API"])
    try:
        handler = find_handler(handler_name)
    except Exception as error:
        document = error_document(error, "")
        logging.warning(WARNING)
        log_error(document)
        kind = (("Lambda-Runtime-Function-Error-Type", document["errorType"]),)
        api.post("init/error", encoded_error(document), "application/json", kind)
        sys.exit(1)
    owner = os.getpid()
    while True:
        _, headers, body = api.request("GET", "invocation/next")
        request_id = stamp.request_id = headers["lambda-runtime-aws-request-id"]
        stamp.tenant_id = headers.get("lambda-runtime-aws-tenant-id")
        if "lambda-runtime-trace-id" in headers:
            os.environ["_X_AMZN_TRACE_ID"] = headers["lambda-runtime-trace-id"]
        else:
            os.environ.pop("_X_AMZN_TRACE_ID", None)
        echo: tuple[tuple[str, str], ...] = ()
        if "lambda-runtime-invocation-id" in headers:
            echo = (("lambda-runtime-invocation-id", headers["lambda-runtime-invocation-id"]),)
        verb = "response"
        try:
            payload, content_type = run_handler(handler, headers, body)
        except Exception as error:
            document = error_document(error, request_id)
            log_error(document)
            verb, payload, content_type = "error", encoded_error(document), "application/json"
            echo = (("Lambda-Runtime-Function-Error-Type", document["errorType"]), *echo)
        if os.getpid() != owner:
            os._exit(0)  # a copy that the handler forked: two cannot share one connection
        api.post(f"invocation/{request_id}/{verb}", payload, content_type, echo)
        del headers, body, payload  # they may be large, and the next event is long in coming
