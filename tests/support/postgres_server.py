"""A PostgreSQL server for the tests: Debian's binaries, in a folder of its own, as a user other than root."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg
import pytest

from storm_calm.sandbox.zygote import kernel

PASSWORD = "not-for-logs/4711"
USER = "storm"


class PostgresServer:
    """A running server with one database. `url` has its password."""

    def __init__(self):
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
        if not found:
            pytest.skip("no PostgreSQL here; apt-get install postgresql")
        self._bin = found[-1].parent
        self.folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        # PostgreSQL does not run as root.
        self._user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        if self._user:
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"postgresql://{USER}:{PASSWORD.replace('/', '%2F')}@127.0.0.1:{self.port}/postgres"
        word = self.folder / "password"
        word.write_text(PASSWORD)
        word.chmod(0o644)
        self._given = {"cwd": self.folder, "env": {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}}
        self._given |= {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
        if self._user:
            self._given |= {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}
        command = [self._bin / "initdb", "-D", self.data, "-U", USER, "-A", "scram-sha-256", f"--pwfile={word}"]
        subprocess.run([*command, "--no-sync"], check=True, **self._given)
        self.start()

    @property
    def data(self):
        return str(self.folder / "data")

    def start(self):
        """Start the server, and wait until it accepts connections."""
        options = ["-p", str(self.port), "-h", "127.0.0.1", "-k", str(self.folder), "-F"]
        options += ["-c", "max_connections=40", "-c", "shared_buffers=32MB"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._bin / "postgres", "-D", self.data, *options],
                stderr=log,
                # It must not outlive killed tests.
                preexec_fn=lambda: kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGQUIT),
                **self._given,
            )
        deadline = time.monotonic() + 30
        while not self._answers():
            log = (self.folder / "log").read_text()
            assert self._process.poll() is None, log
            assert time.monotonic() < deadline, log
            time.sleep(0.02)

    def stop(self, mode="fast"):
        """Stop the server. mode: immediate is a crash."""
        self._process.send_signal(signal.SIGQUIT if mode == "immediate" else signal.SIGINT)
        self._process.wait(30)

    def query(self, statement, *given):
        """Return the rows of a statement."""
        with psycopg.connect(self.url) as connection:
            cursor = connection.execute(statement, given)
            return cursor.fetchall() if cursor.description else []

    def new_database(self, name):
        """Make an empty database and return its URL."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url.removesuffix("/postgres") + f"/{name}"

    def _answers(self):
        try:
            return bool(self.query("SELECT 1"))
        except psycopg.OperationalError:
            return False

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.stop("immediate")
        shutil.rmtree(self.folder)
