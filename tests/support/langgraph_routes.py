"""Print the routes of `langgraph dev` as JSON lines of kind, path and methods, instead of serving them.

python langgraph_routes.py
"""

import importlib
import json
import sys

import uvicorn
from langgraph_cli.cli import cli
from starlette.routing import Mount


def show(target, **settings):
    module, _, name = target.partition(":")
    show_all(getattr(importlib.import_module(module), name).routes, "")


def show_all(routes, prefix):
    for route in routes:
        path = prefix + route.path
        if isinstance(route, Mount):
            show_all(route.routes, path)
        else:
            kind = "websocket" if "WebSocket" in type(route).__name__ else "http"
            sys.stdout.write(json.dumps([kind, path, sorted(getattr(route, "methods", None) or ())]) + "\n")


if __name__ == "__main__":
    uvicorn.run = show
    cli(["dev", "--no-browser", "--no-reload"], standalone_mode=False)
