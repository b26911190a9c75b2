"""The page at the root of the server: HTML, modules, a style and an icon, without a build step.

    GET /                          the page, checked for a newer version at each load
    GET /assets/VERSION/NAME       its parts, kept by browsers: another version has another address

The page is public. What it asks from `/v1` needs a key if the server has keys. All that it shows from models, files and
opened conversations becomes text nodes, and its security policy allows no inline scripts and no other host.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

ASSETS = Path(__file__).parent / "assets"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""The media types of the parts; other files of the folder are not served."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: blob:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
KEPT = "public, max-age=31536000, immutable"
"""Cache-Control of the parts."""
CHECKED = "no-cache"
"""Cache-Control of the page: a browser asks whether its copy is current."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """The files of the page in memory."""

    html: bytes
    """The page, with the addresses of its parts."""
    parts: Mapping[str, bytes]
    """Modules, style and icon by name."""
    version: str
    """A hash of all files."""


def read_page(folder: Path = ASSETS) -> Page:
    """Read the files of the page and put their addresses in the HTML."""
    files = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix in TYPES}
    version = hashlib.sha256(b"\0".join(name.encode() + b"\0" + text for name, text in files.items())).hexdigest()[:16]
    # Modules import each other by relative names, so all of them have the version in their address. With the list, the
    # browser does not have to read one module to find the next.
    preloads = "\n".join(
        f'<link rel="modulepreload" href="assets/{version}/{name}">' for name in files if name.endswith(".js")
    )
    html = files.pop("index.html").decode()
    html = html.replace("<!-- modules -->", preloads).replace("assets/VERSION/", f"assets/{version}/")
    return Page(html=html.encode(), parts=files, version=version)


def web_routes() -> list[Route]:
    """Return the routes of the page. Not a mount, which would answer wrong methods of other routes with 404."""
    page = read_page()
    tag = f'"{page.version}"'

    async def index(request: Request) -> Response:
        headers = {**HEADERS, "cache-control": CHECKED, "etag": tag}
        # A proxy that compresses makes the tag a weak one.
        if tag in request.headers.get("if-none-match", "").replace("W/", "").split(", "):
            return Response(status_code=304, headers=headers)
        return Response(page.html, media_type=TYPES[".html"], headers=headers)

    async def part(request: Request) -> Response:
        name = request.path_params["name"]
        if request.path_params["version"] != page.version or name not in page.parts:
            raise HTTPException(404, "not a part of this version of the page; reload the page")
        headers = {**HEADERS, "cache-control": KEPT, "etag": tag}
        return Response(page.parts[name], media_type=TYPES[Path(name).suffix], headers=headers)

    return [Route("/", index), Route("/assets/{version}/{name}", part)]
