"""The set-up of logging, put back after a test that changes it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


def named_loggers() -> list[logging.Logger]:
    """Return every logger that any module has asked for."""
    return [each for each in logging.root.manager.loggerDict.values() if isinstance(each, logging.Logger)]


@contextmanager
def logging_as_it_was() -> Iterator[None]:
    """Put handlers of the root and all levels back."""
    root, handlers = logging.getLogger(), logging.getLogger().handlers[:]
    levels = [(each, each.level) for each in (root, *named_loggers())]
    yield
    root.handlers[:] = handlers
    for logger, level in levels:
        logger.setLevel(level)
