"""An agent of Harbor that runs a given command for each question, for tests."""

import json
import os
from pathlib import Path

from harbor.agents.base import BaseAgent


class ScriptedAgent(BaseAgent):
    """Runs the command that the file `SCRIPT` has for the beginning of the instruction."""

    @staticmethod
    def name():
        return "scripted"

    def version(self):
        return "1"

    async def setup(self, environment):
        pass

    async def run(self, instruction, environment, context):
        commands = json.loads(Path(os.environ["SCRIPT"]).read_text())
        command = next(command for question, command in commands.items() if instruction.startswith(question))
        await environment.exec(f"{command}; ls -R /tests > /logs/agent/seen 2>&1", cwd="/workdir")
