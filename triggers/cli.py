"""The `eventbus` command: `demo` shows a flow, `run` runs a bus, `serve` serves one at a port, `doctor` checks one."""

from __future__ import annotations

import argparse
import os
import sys
import textwrap
from collections.abc import Sequence
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

DEMO = """
    Sends real files through a bucket and a topic with filter policies into five
    functions. One is strict and fails on what is broken; its events are tried again
    after 1 minute and after 2 more, and end in a queue. At the end you see the tree
    of what happened, and a table.

    Without DIRECTORY it takes a few files that eventbus ships, two of them broken.
    With one it takes the files in it and below; they are only read. The wiring is
    in triggers/demo/flow.py, to be read as an example.

    Exit status: 0, also when functions failed on files; 2 for wrong arguments or a
    directory with nothing to take; 130 after Ctrl-C (143: SIGTERM).
"""
RUN = """
    Runs the bus of a script of yours until nothing is queued, running or waiting
    for a retry; then prints what was given up, and a table of what was done.

    FILE.py is loaded as a module, so `if __name__ == "__main__":` is not taken;
    sys.argv holds FILE.py and ARGS, and its directory is on sys.path. It needs one
    EventBus at its top level (--bus chooses among several).

    If there is an `async def main()` or `async def main(bus)`, it is run inside
    the running bus. Where it says `async with bus:` itself, as it has to under
    `python FILE.py`, that does no harm: leaving the block waits until all is done.

    With --http the APIs and function URLs at its top level are served on that port,
    until Ctrl-C: one at the root, several below their names. HOST is 127.0.0.1
    unless it is given; PORT 0 takes one that is free.

    Ctrl-C or SIGTERM: the bus accepts nothing more, running handlers get its grace
    time to finish, the table is printed. A second one ends the process at once.

    Options of eventbus come before FILE.py, those of the script after it.

    exit status:
      0     idle, and nothing was given up
      1     dead letters are left; or the script raised an exception
      2     wrong arguments, or a script that cannot be run
      124   not idle after --timeout
      130   Ctrl-C (143: SIGTERM)
"""


DOCTOR = """
    Checks the file of a bus with store=FILE, and the files beside it, without changing
    them and without your code: whether SQLite can read every page, whether every row
    matches its checksum and is what a bus writes, whether the write-ahead log is whole,
    and whether the files of large objects are there. A file that a bus has open is
    checked as far as that can be done beside it.

    --export writes every row that can be read as a line of JSON: space, key, head (a
    line of JSON about the thing), body (its content: text, or body_base64), and
    "damaged": true where the checksum is wrong.

    exit status:
      0     nothing found
      1     damage found, each listed by space and row
      2     wrong arguments; not a store, of a newer version, or not to be opened
"""

SERVE = """
    Answers the clients of AWS (boto3, the AWS CLI, s3fs, ...) at a port of this machine:

        eventbus serve
        aws --endpoint-url http://localhost:4566 s3 mb s3://photos

    With FILE.py it serves the bus of that script, wiring and functions included; without
    one an empty bus. Any access key is the owner of the account; a key of twelve digits
    is the owner of that account; a key that sts:AssumeRole gave is that role.

    Control calls are below http://localhost:4566/_eventbus/: health, statistics, trace,
    queues, dead-letters, clock, clock/advance, wait-idle, reset.

    It listens on the loopback only. --host opens it to others, who can then do
    everything: use it inside containers, with --host-name for the names it is called by.

    Ctrl-C or SIGTERM: the bus accepts nothing more, running handlers get its grace
    time to finish.
"""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """The entry point: returns the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a name that the terminal cannot show must not end the run
            stream.reconfigure(errors="backslashreplace", line_buffering=True)
    parser = _parser()
    given = sys.argv[1:] if arguments is None else arguments
    if not given:
        parser.print_help(sys.stderr)
        return 2
    options, unknown = parser.parse_known_args(given)
    if unknown:
        options.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    try:
        status: int = options.command(options)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return status


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="eventbus",
        description="An embeddable event bus that behaves like the event-driven side of AWS Lambda.",
        epilog="`eventbus demo` is the quickest way to see it; `eventbus COMMAND --help` says more about each command.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"eventbus {_version()}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)
    _add_demo(commands)
    _add_run(commands)
    _add_serve(commands)
    _add_doctor(commands)
    return parser


def _add_demo(commands: Any) -> None:
    demo = _command(commands, "demo", "send real files through a flow, and see what happens", DEMO)
    demo.add_argument("directory", metavar="DIRECTORY", nargs="?", type=Path, help="a directory with files of yours")
    demo.add_argument("--real-time", action="store_true", help="wait for retries as long as they take: 3 minutes")
    demo.add_argument(
        "--mermaid",
        action="store_true",
        help="print the tree as a Mermaid diagram, alone on stdout; everything else goes to stderr",
    )
    demo.add_argument("--seed", metavar="N", type=int, default=0, help="a number; the same one gives the same ids")
    demo.add_argument("--limit", metavar="N", type=_positive, default=200, help="take at most N files (default: 200)")
    demo.add_argument("--quiet", action="store_true", help="show no progress, only the tree and the table")
    demo.add_argument("--full-tree", action="store_true", help="show the tree of every file, also of more than 20")
    demo.set_defaults(command=_demo, parser=demo)


def _add_run(commands: Any) -> None:
    run = _command(commands, "run", "run the bus of a script of yours until it is idle", RUN)
    run.usage = "eventbus run [OPTIONS] FILE.py [ARGS ...]"
    run.add_argument("file", metavar="FILE.py", type=Path, help="the script")
    rest = run.add_argument("arguments", metavar="ARGS", nargs=argparse.REMAINDER, help="the script's own arguments")
    rest.required = False  # else argparse would ask for it where FILE.py is missing
    run.add_argument("--bus", metavar="NAME", help="which bus, if the script has several")
    run.add_argument("--backend", choices=("asyncio", "trio"), default="asyncio", help="the event loop (asyncio)")
    run.add_argument("--timeout", metavar="SECONDS", type=_seconds, help="stop after so many seconds of real time")
    run.add_argument("--http", metavar="[HOST:]PORT", type=_address, help="serve the script's APIs on a port")
    run.add_argument("--trace", action="store_true", help="print the tree of what happened before the table")
    run.set_defaults(command=_run, parser=run)


def _add_serve(commands: Any) -> None:
    serve = _command(commands, "serve", "let boto3, the AWS CLI and other clients talk to a bus at a port", SERVE)
    serve.add_argument("file", metavar="FILE.py", nargs="?", type=Path, help="a script with a bus of yours")
    serve.add_argument("--bus", metavar="NAME", help="which bus, if the script has several")
    serve.add_argument("--host", metavar="ADDRESS", default="127.0.0.1", help="where to listen (127.0.0.1)")
    serve.add_argument("--port", metavar="N", type=_port, default=4566, help="0 takes one that is free (4566)")
    serve.add_argument("--host-name", metavar="NAME", action="append", default=[], help="a further name of this server")
    serve.add_argument("--store", metavar="FILE", help="keep everything in this file; without FILE.py only")
    serve.add_argument("--clock", choices=("system", "virtual"), default="system", help="without FILE.py only (system)")
    serve.add_argument("--backend", choices=("asyncio", "trio"), default="asyncio", help="the event loop (asyncio)")
    serve.add_argument(
        "--verify-signatures", action="store_true", help="refuse what isn't signed with the right secret"
    )
    serve.add_argument(
        "--credentials",
        metavar="KEY:SECRET",
        action="append",
        default=[],
        help="a key that signatures are verified for (test:test)",
    )
    serve.set_defaults(command=_serve, parser=serve)


def _add_doctor(commands: Any) -> None:
    doctor = _command(commands, "doctor", "check the file of a durable bus, and export what is in it", DOCTOR)
    doctor.add_argument("file", metavar="FILE", type=Path, help="the file that was given as store=")
    doctor.add_argument("--export", metavar="OUT.jsonl", type=Path, help="write every readable row to this new file")
    doctor.set_defaults(command=_doctor, parser=doctor)


def _command(commands: Any, name: str, what: str, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=what,
        description=textwrap.dedent(text).strip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    return parser


def _demo(options: argparse.Namespace) -> int:
    import anyio

    from triggers.demo.collect import NothingToDo
    from triggers.demo.play import Options, play

    chosen = Options(
        directory=options.directory,
        limit=options.limit,
        seed=options.seed,
        is_real_time=options.real_time,
        is_mermaid=options.mermaid,
        is_quiet=options.quiet,
        shows_all_trees=options.full_tree,
    )
    try:
        return anyio.run(play, chosen)
    except NothingToDo as problem:
        return _complain("demo", problem)


def _run(options: argparse.Namespace) -> int:
    import anyio

    from triggers.running import Ending
    from triggers.script import BadScript, load, users_traceback
    from triggers.summary import dead_letters, summary

    path: Path = options.file
    if options.backend == "trio" and not _has_trio():
        return _complain("run", "--backend trio needs trio: pip install 'eventbus[trio]'")
    try:
        script = load(path, options.arguments, options.bus)
        if options.http is not None:
            script.fronts()
    except BadScript as problem:
        return _complain("run", problem)
    except (Exception, SystemExit) as error:
        return _failed(error, path, users_traceback)
    if script.has_run:
        print(
            f"eventbus run: {path} ran its bus itself while it was loaded; what follows is its table", file=sys.stderr
        )
        ending = Ending()
    else:
        ending = anyio.run(script.run, options.timeout, options.http, backend=options.backend)
    bus = script.bus
    if options.trace:
        print(f"\n{bus.trace}")
    print("\n".join(["", *dead_letters(bus), *summary(bus, ending.seconds)]), flush=True)
    if ending.has_timed_out:
        print(f"eventbus run: not idle after {options.timeout:g} s", file=sys.stderr)
    if ending.failure is not None:
        return _failed(ending.failure, path, users_traceback)
    return ending.status(bus)


def _serve(options: argparse.Namespace) -> int:
    if find_spec("h11") is None or find_spec("botocore") is None:
        return _complain("serve", "it needs botocore and h11: pip install 'eventbus[aws,server]'")
    if options.backend == "trio" and not _has_trio():
        return _complain("serve", "--backend trio needs trio: pip install 'eventbus[trio]'")
    from triggers.aws.command import serve

    return serve(options)


def _doctor(options: argparse.Namespace) -> int:
    from eventbus.storage.errors import StoreError
    from triggers.doctor import check

    try:
        return check(options.file, options.export)
    except (StoreError, OSError) as problem:
        return _complain("doctor", problem)


def _failed(error: BaseException, path: Path, as_text: Any) -> int:
    if isinstance(error, SystemExit):
        if error.code is None or isinstance(error.code, int):
            return error.code or 0
        print(error.code, file=sys.stderr)
    else:
        print(as_text(error, path), end="", file=sys.stderr)
    return 1


def _complain(command: str, problem: object) -> int:
    print(f"eventbus {command}: {problem}", file=sys.stderr)
    return 2


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1")
    return int(text)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text} is not a port from 0 to 65535")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds above 0")
    return seconds


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65_535:
        raise argparse.ArgumentTypeError(f"{text} is no [HOST:]PORT, such as 8000 or 127.0.0.1:8000")
    return host.strip("[]") or "127.0.0.1", int(port)


def _has_trio() -> bool:
    return find_spec("trio") is not None


def _version() -> str:
    try:
        return metadata.version("eventbus")
    except metadata.PackageNotFoundError:
        return "(not installed, version unknown)"


if __name__ == "__main__":
    sys.exit(main())
