"""The page and its files."""

from pathlib import Path

from fastapi import APIRouter, Response
from fastapi.responses import FileResponse

WEB = Path(__file__).parents[1] / "web"
FILES = {"app.js": "text/javascript", "style.css": "text/css"}
PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-cache",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

router = APIRouter(include_in_schema=False)


@router.get("/")
async def index() -> Response:
    """The page; it asks for a token and reads the routes above."""
    return FileResponse(WEB / "index.html", media_type="text/html; charset=utf-8", headers=PAGE_HEADERS)


@router.get("/web/{name}")
async def web_file(name: str) -> Response:
    """The script and the style of the page."""
    if name not in FILES:
        return Response(status_code=404)
    return FileResponse(WEB / name, media_type=FILES[name], headers=PAGE_HEADERS)
