"""
Forms of the pages: read within the limits, and only from pages of this site.

A form is believed where the browser says that a page of this site sends it, and where it carries the key of the session,
which no other site can read.
"""

import hashlib
import hmac
from urllib.parse import parse_qs, quote, urlsplit

from fastapi import Request

from services.reporting.entrypoints.asking import COOKIE, SESSION
from shared.auth import Identity
from shared.errors import Forbidden, TooLarge

FIELDS_MAX = 5000
OTHER_SESSION = "other_session"
FORM_BYTES_MAX = 1 << 19
"""
A thousand signatures are 200 KB. To read a form that is all percent signs takes 80 times its memory and, for each MB, half a
second in which nobody else is served. Nor is one unzipped: no browser zips it.
"""
ANYBODYS_BYTES_MAX = 1 << 16
"""Of a form that anybody may send, which is to sign in or out: a token, or what a platform says of a launch, is some KB."""


class Form:
    """The fields of a form; what is missing is empty."""

    def __init__(self, fields: dict[str, list[str]]) -> None:
        self._fields = fields

    def one(self, name: str) -> str:
        """Return a field, without the space around it."""
        return self._fields.get(name, [""])[0].strip()

    @property
    def first(self) -> dict[str, str]:
        """The fields, each by its first value, with the space around it."""
        return {name: values[0] for name, values in self._fields.items()}

    def all(self, name: str) -> list[str]:
        """Return every field of a name."""
        return self._fields.get(name, [])


def form_key(request: Request) -> str:
    """Return the key that forms of this session carry."""
    session = request.cookies.get(SESSION) or request.cookies.get(COOKIE, "")
    return hashlib.blake2b(session.encode(), digest_size=16, person=b"attain-forms").hexdigest()


async def read_form(request: Request, caller: Identity | None) -> Form:
    """
    Return the fields of a form of this site; none where nobody has signed in, of whom nothing is read.

    Raises:
        Forbidden: a page of another site sends it, or it lacks the key of the session (`OTHER_SESSION`).
        TooLarge: it is over the limits of a form.
    """
    check_same_origin(request)
    return Form({}) if caller is None else _of_session(request, await posted(request, FORM_BYTES_MAX))


async def read_anybodys_form(request: Request, *, of_session: bool) -> Form:
    """Return the fields of a small form of this site, whoever sends it; raises as `read_form`."""
    check_same_origin(request)
    form = await posted(request)
    return _of_session(request, form) if of_session else form


def _of_session(request: Request, form: Form) -> Form:
    if not hmac.compare_digest(form.one("form").encode(), form_key(request).encode()):
        raise Forbidden("this form is of another session; load the page again", reason=OTHER_SESSION)
    return form


async def posted(request: Request, bytes_max: int = ANYBODYS_BYTES_MAX) -> Form:
    """Return the fields of a form of whichever site: what it says has to vouch for itself; raises as `read_form`."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > bytes_max:
            raise TooLarge(f"this form is over {bytes_max} bytes")
    try:
        return Form(parse_qs(body.decode("utf-8", "replace"), max_num_fields=FIELDS_MAX))
    except ValueError as error:
        raise Forbidden("this form has too many fields") from error


def check_same_origin(request: Request) -> None:
    """Refuse what the browser says a page of another site sends; raises `Forbidden`."""
    fetched, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if fetched not in (None, "same-origin", "none"):
        raise Forbidden("this form is of another site")
    if fetched is None and origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise Forbidden("this form is of another site")


def own_path(link: str, own: str) -> str | None:
    """Return the path of a page of this site, which is at `own`, that a whole address leads to; None where it leads elsewhere."""
    try:
        parts, here = urlsplit(link), urlsplit(own)
    except ValueError:
        return None
    if (parts.scheme, parts.netloc.lower()) != (here.scheme, here.netloc.lower()):
        return None
    return within(parts.path or "/")


def within(to: str) -> str:
    """Return a path of this site: what leads elsewhere leads to the start."""
    path = urlsplit(to)
    inside = not path.scheme and not path.netloc and path.path.startswith("/") and not path.path.startswith("//")
    return quote(path.path, safe="/%:") if inside and "\\" not in to else "/"
