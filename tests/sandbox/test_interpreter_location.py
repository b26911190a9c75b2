"""The location of the interpreter does not weaken the sandbox."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

from storm_calm.sandbox import open_sandbox


def test_an_interpreter_under_tmp_gets_the_same_isolation(tmp_path):
    """The scratch folder of a program is normally under /tmp, but not if a virtual environment is there."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    probe = (
        "from storm_calm.sandbox import open_sandbox\n"
        "with open_sandbox(minimum_isolation='limits') as sandbox:\n"
        "    print(sandbox.isolation, sandbox.run('import tempfile; tempfile.TemporaryFile(); print(6 * 7)').stdout)\n"
    )
    path = os.pathsep.join([str(Path(__file__).parents[2]), sysconfig.get_paths()["purelib"]])
    result = subprocess.run(
        [str(tmp_path / "venv" / "bin" / "python"), "-c", probe],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    with open_sandbox(minimum_isolation="limits") as sandbox:
        assert result.stdout.split() == [sandbox.isolation, "42"], result.stderr
