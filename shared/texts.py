"""What no text may hold that is kept: PostgreSQL has no NUL, neither in text nor in JSON, and half of a character is none."""

from collections.abc import Mapping

UNKEPT = "a text has a NUL or half a character"


def can_be_kept(value: object) -> bool:
    """Tell whether plain data has only texts that PostgreSQL can hold, names of members among them."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            if "\0" in one or not _is_whole(one):
                return False
        elif isinstance(one, Mapping):
            waiting += [*one, *one.values()]
        elif isinstance(one, list | tuple):
            waiting += one
    return True


def _is_whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
