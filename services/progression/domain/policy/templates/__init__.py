"""Policies to start from, written out in full; each is a file that a district changes to its own."""

from importlib.resources import files

NAMES = ("k2", "classroom", "credit", "performance", "practice", "canvas-compat")


def template(name: str) -> bytes:
    """Return the text of a template; raises `KeyError` for a name that is none of `NAMES`."""
    if name not in NAMES:
        raise KeyError(name)
    return files(__name__).joinpath(f"{name}.yaml").read_bytes()
