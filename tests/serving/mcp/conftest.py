"""A live MCP server over HTTP, and connected clients."""

import pytest

from support.mcp_clients import MODES, Connection
from support.running_mcp_server import RunningMcpServer

TRANSPORTS = ("stdio", *(f"http-{mode}" for mode in MODES))


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory):
    """Return a folder that the servers may read."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "products.csv").write_text("product,profit,hours,boards\nshelves,66,6,11\nstools,62,14,9\n")
    return folder


@pytest.fixture(scope="session")
def mcp_server(data_folder):
    with RunningMcpServer(roots=(str(data_folder),)) as live:
        yield live


@pytest.fixture(params=TRANSPORTS, scope="module")
def connection(request, mcp_server, data_folder):
    """Yield a client of each transport and each kind of protocol version."""
    if request.param == "stdio":
        with Connection(["--root", str(data_folder)]) as connected:
            yield connected
        return
    with Connection(mcp_server.url, mode=request.param.removeprefix("http-")) as connected:
        yield connected


@pytest.fixture
def client(mcp_server):
    """Yield a client with a session of its own."""
    with Connection(mcp_server.url, mode="legacy") as connected:
        yield connected
