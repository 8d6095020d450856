"""A function in a process of its own, from a zip archive: it crashes, is replaced, and finds its /tmp again.

python docs/examples/process_isolation.py
"""

import io
import zipfile

import anyio

from eventbus import EventBus

CODE = """
import os
from pathlib import Path

calls = 0

def handler(event, context):
    global calls
    calls += 1
    visits = Path(os.environ.get("TMPDIR", "/tmp"), "visits")
    with visits.open("a") as file:
        file.write("x")
    print("call", calls, "of this process,", visits.stat().st_size, "of this environment")
    if event == "crash":
        os._exit(3)
    return {"colour": os.environ["COLOUR"], "memory": context.memory_limit_in_mb, "home": os.environ.get("HOME")}
"""


def archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as package:
        package.writestr("app.py", CODE)
    return file.getvalue()


bus = EventBus()
visitor = bus.add_function("visitor", "app.handler", archive(), memory=256, environment={"COLOUR": "red"})


async def main() -> None:
    async with bus:
        for event in ("first", "second", "crash", "after the crash"):
            result = await bus.invoke(visitor, event)
            print(f"{event}: {result.payload.get('errorMessage', result.payload).__str__().rpartition('Error: ')[2]}")
        for line in bus.logs.tail("visitor"):
            if line.message.startswith("call"):
                print("log:", line.message, end="")


anyio.run(main)
