"""The location of the interpreter does not weaken the sandbox."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

from storm_calm.sandbox import open_sandbox


def test_an_interpreter_under_tmp_gets_the_same_isolation(tmp_path):
    """The machine's /tmp is then in the path of the interpreter, and still a program has its own /tmp."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    probe = (
        "from storm_calm.sandbox import open_sandbox\n"
        "with open_sandbox(minimum_isolation='limits') as sandbox:\n"
        "    print(sandbox.isolation, sandbox.run('import tempfile; tempfile.TemporaryFile(); print(6 * 7)').stdout)\n"
        "    if sandbox.isolation == 'full':\n"
        '        code = \'import os; print(open("/tmp/m", "w").write("x"), os.listdir())\'\n'
        "        print(sandbox.run(code).stdout)\n"
        "        session = sandbox.session()\n"
        '        session.run(\'open("/tmp/m", "w").close()\')\n'
        "        session.rewind(0)\n"
        "        print(session.run('import os; print(os.path.exists(\"/tmp/m\"))').stdout)\n"
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
        own_tmp = ["1", "['main.py']", "False"] if sandbox.isolation == "full" else []
        assert result.stdout.split() == [sandbox.isolation, "42", *own_tmp], result.stderr
