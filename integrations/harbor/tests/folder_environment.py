"""An environment of Harbor without containers, for tests: its file system is a folder, and it isolates nothing."""

import asyncio
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from harbor.environments.base import BaseEnvironment, ExecResult

_PATH = re.compile(r"(?<![\w.])/(?=(?:workdir|tests|logs)\b)")


class FolderEnvironment(BaseEnvironment):
    """Commands run on this machine. The container's paths in them are replaced by those in the folder."""

    @staticmethod
    def type():
        return "folder"

    def _validate_definition(self):
        if not (self.environment_dir / "Dockerfile").is_file():
            raise FileNotFoundError(self.environment_dir / "Dockerfile")

    async def start(self, force_build):
        self.root = Path(tempfile.mkdtemp(prefix="folder-environment-"))
        (self.root / "workdir").mkdir()
        # What the Dockerfile copies.
        if (self.environment_dir / "data").is_dir():
            shutil.copytree(self.environment_dir / "data", self.root / "workdir", dirs_exist_ok=True)
        for name in ("agent", "verifier", "artifacts"):
            (self.root / "logs" / name).mkdir(parents=True)

    async def stop(self, delete):
        shutil.rmtree(self.root)

    def inside(self, path):
        return self.root / path.lstrip("/")

    async def upload_file(self, source_path, target_path):
        self.inside(target_path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source_path, self.inside(target_path))
        if target_path.endswith(".sh"):
            script = self.inside(target_path)
            script.write_text(self.translated(script.read_text()))

    async def upload_dir(self, source_dir, target_dir):
        for file in (path for path in Path(source_dir).rglob("*") if path.is_file()):
            await self.upload_file(file, f"{target_dir}/{file.relative_to(source_dir)}")

    async def download_file(self, source_path, target_path):
        shutil.copy(self.inside(source_path), target_path)

    async def download_dir(self, source_dir, target_dir):
        shutil.copytree(self.inside(source_dir), target_dir, dirs_exist_ok=True)

    def translated(self, command):
        return _PATH.sub(f"{self.root}/", command)

    async def exec(self, command, cwd=None, env=None, timeout_sec=None, user=None):
        python = str(Path(sys.executable).parent)
        process = await asyncio.create_subprocess_exec(
            "bash", "-c", self.translated(command),
            cwd=self.inside(cwd or "/workdir"),
            env={**os.environ, "PATH": f"{python}:{os.environ['PATH']}", **(env or {})},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        stdout, stderr = await asyncio.wait_for(process.communicate(), timeout_sec)
        return ExecResult(stdout=stdout.decode(), stderr=stderr.decode(), return_code=process.returncode)
