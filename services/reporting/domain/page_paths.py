"""Where the pages of learners, classes, schools and districts are."""

from urllib.parse import quote


def page_of(kind: str, id: str) -> str:
    """Return the path of the page of a `learner`, `class`, `school` or `district`; an id may have any sign in it."""
    return f"/{'classes' if kind == 'class' else f'{kind}s'}/{quote(id, safe='')}"
