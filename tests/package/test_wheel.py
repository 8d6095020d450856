"""The built wheel, installed into a clean environment and used from elsewhere: a missing package file shows."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]

SCRIPT = """
import importlib.resources, anyio, eventbus, triggers
from eventbus import EventBus, VirtualClock
from triggers import S3

assert "site-packages" in eventbus.__file__, eventbus.__file__
for package in ("eventbus", "triggers"):
    assert importlib.resources.files(package).joinpath("py.typed").is_file()

async def main():
    bus = EventBus(clock=VirtualClock())

    @S3(bus).create_bucket("photos").on("s3:ObjectCreated:*")
    async def thumbnail(event, context):
        print(event["Records"][0]["s3"]["object"]["key"])

    async with bus:
        await bus.resource("arn:aws:s3:::photos").put_object("cat.jpg", b"meow")
        await bus.wait_idle()

anyio.run(main)
"""


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_works_in_a_clean_environment(tmp_path: Path) -> None:
    run(sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path, ROOT, cwd=tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    venv.create(tmp_path / "clean", with_pip=True)
    python = tmp_path / "clean" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel, cwd=tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert run(python, "-I", "-c", SCRIPT, cwd=elsewhere).endswith("cat.jpg\n")
    assert "usage: eventbus" in run(tmp_path / "clean" / "bin" / "eventbus", "--help", cwd=elsewhere)
    demo = run(tmp_path / "clean" / "bin" / "eventbus", "demo", cwd=elsewhere)
    assert "RetriesExhausted" in demo
