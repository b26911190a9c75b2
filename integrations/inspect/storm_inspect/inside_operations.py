"""The program that a session runs for each call of the provider: a command, or access to a file.

It reads its order from a file, and prints a report as one line of JSON. Files with the prefix of `FOLDER` are the
provider's own.
"""

import inspect

FOLDER = ".storm"
ORDER, STDIN, STDOUT, STDERR, CONTENT = (
    f"{FOLDER}/{name}" for name in ("order.json", "stdin", "stdout", "stderr", "content")
)


def operate() -> None:
    """Do what the order says. It has no names of this module: only its source runs in the sandbox."""
    import contextlib
    import json
    import os
    import shutil
    import signal
    import subprocess
    import sys

    own = ".storm"
    with open(f"{own}/order.json", "rb") as file:
        order = json.load(file)

    def execute() -> dict[str, object]:
        folder = order["folder"] or "."
        with contextlib.ExitStack() as stack:
            stdin = stack.enter_context(open(f"{own}/stdin" if order["stdin"] else os.devnull, "rb"))
            stdout = stack.enter_context(open(f"{own}/stdout", "wb"))
            stderr = stack.enter_context(open(f"{own}/stderr", "wb"))
            if not os.path.isdir(folder):
                return {"exit_code": 1, "error": f"{folder}: no such folder"}
            try:
                process = subprocess.Popen(
                    order["command"], stdin=stdin, stdout=stdout, stderr=stderr, cwd=folder,
                    env={**os.environ, **order["variables"]}, process_group=0,
                )  # fmt: skip
            except FileNotFoundError:
                return {"exit_code": 127, "error": f"{order['command'][0]}: command not found"}
            report: dict[str, object] = {}
            try:
                code = process.wait(order["seconds"])
                report = {"exit_code": code if code >= 0 else 128 - code}
            except subprocess.TimeoutExpired:
                report = {"timeout": True}
            # What the command started in the background ends with it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return report

    def write() -> dict[str, object]:
        path = order["path"]
        if os.path.isdir(path):
            raise IsADirectoryError(f"{path}: is a directory")
        if os.path.dirname(path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(f"{own}/content", "rb") as source, open(path, "wb") as target:
            shutil.copyfileobj(source, target)
        return {}

    def read() -> dict[str, object]:
        path = order["path"]
        with open(path, "rb") as source:
            if os.fstat(source.fileno()).st_size > order["most"]:
                return {"too_large": True}
            with open(f"{own}/content", "wb") as target:
                shutil.copyfileobj(source, target)
        return {}

    # A session writes its programs into the folder.
    with contextlib.suppress(OSError):
        os.unlink(__file__)
    for name in os.listdir(own):
        if f"{own}/{name}" not in order["keep"]:
            os.unlink(f"{own}/{name}")
    try:
        report = {"exec": execute, "write": write, "read": read}[order["operation"]]()
    except OSError as error:
        kinds = (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError)
        kind = next((one.__name__ for one in kinds if isinstance(error, one)), "OSError")
        kind = "FileNotFoundError" if kind == "NotADirectoryError" else kind
        report = {"raise": kind, "error": f"{order.get('path') or order['command'][0]}: {error}"}
    sys.stdout.write(json.dumps(report) + "\n")


PROGRAM = f"{inspect.getsource(operate)}\noperate()\n"
"""The source of the program."""
