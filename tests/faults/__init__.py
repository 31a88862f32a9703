"""
Faults on the whole product, with an oracle of its own: the journal of what was acknowledged to the load that sent it.

`python -m tests.faults run` breaks a stack at random, `check` judges the history of a run, `make faults` is the short
profile. Everything stays on this machine's loopback.
"""
