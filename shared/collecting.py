"""How often the garbage collector of a process that folds events runs."""

import gc

YOUNG, MIDDLE, OLD = 200_000, 20, 50


def collect_rarely() -> None:
    """
    Let the collector run seldom in this process.

    Batches make many short-lived tuples beside large caches: with the default thresholds it walks the caches again and again
    (measured: a third of the time of a service, a tenth of a refold's).
    """
    gc.set_threshold(YOUNG, MIDDLE, OLD)
