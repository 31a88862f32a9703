"""What luck alone does to a rule."""


def p_run_by_chance(n: int, trials: int, p: float) -> float:
    """
    Return the probability of `n` right in a row within `trials` independent answers, each right with probability `p`.

    Source: the exact Markov recursion over the length of the run, with n absorbing; a guesser at 0.25 reaches three in a row
    within ten answers with 0.0961.
    """
    if n < 1 or trials < 0 or not 0 <= p <= 1:
        raise ValueError("n is 1 or more, trials 0 or more, and p a probability")
    runs = [1.0] + [0.0] * (n - 1)
    reached = 0.0
    for _ in range(trials):
        reached += runs[-1] * p
        runs = [sum(runs) * (1 - p), *(share * p for share in runs[:-1])]
    return reached
