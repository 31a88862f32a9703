"""Golden cases of the methods of the policy language: the pieces of a case, folded by the method, in the case's words."""

import functools
from collections.abc import Callable, Iterable
from typing import Any

from services.progression.domain.methods import BayesianKnowledgeTracing, Method, State, Value, method_from
from services.progression.domain.methods.beta_binomial import BetaBinomial
from services.progression.domain.methods.growth_filter import GrowthFilter
from services.progression.domain.methods.item_response import GRID, ItemResponse
from services.progression.domain.methods.power_law import PowerLaw

Json = dict[str, Any]
Answer = Callable[[Json, Json], Json]


def of_method(name: str, params: Json, given: Json) -> Json:
    """Answer for any method of the policy language, by its own name and parameters; `mastery` is the scale's cut."""
    mastery = params.get("mastery", 1.0)
    method = method_from({"type": name} | {key: value for key, value in params.items() if key != "mastery"})
    states = _states(method, _pieces(given, mastery))
    score = method.score(states[-1]) if states else None
    passed = _passed(method, states, mastery)
    return {
        "value": score,
        "score": score,
        "passed": bool(passed) and passed[-1],
        "passed_at": _first_at(passed),
    }


def _n_ccr(params: Json, given: Json) -> Json:
    method = method_from({"type": "streak", "n": params["n"]})
    states = _states(method, _pieces(given))
    return {"mastered_at": _first_at(_passed(method, states)), "current_streak": states[-1][0] if states else 0}


def _bkt(params: Json, given: Json) -> Json:
    method = BayesianKnowledgeTracing.model_validate(
        {"type": "bkt"} | {key: params[key] for key in params if key != "threshold"}
    )
    pieces = _pieces(given)
    states = _states(method, pieces)
    before = [method.start(), *states[:-1]]
    known = [method.score(state) for state in states]
    return {
        "p_correct": [method.p_correct(state) for state in before[: len(pieces)]],
        "p_known_given_obs": [method.observed(state, piece) for state, piece in zip(before, pieces, strict=False)],
        "p_known_next": known,
        "p_known_next_final": known[-1] if known else method.p_l0,
        "mastered_at": _first_at(p >= params.get("threshold", 0.95) for p in known),
    }


def _cusum(params: Json, given: Json) -> Json:
    method = method_from({"type": "cusum", "p0": params["p0"], "p1": params["p1"], "bar": params["threshold"]})
    states = _states(method, _pieces(given))
    return {"s": [state[0] for state in states], "fires_at": _first_at(_passed(method, states))}


def _power_law(params: Json, given: Json) -> Json:
    if params.get("evaluate_at", "n") != "n":
        raise ValueError("the trend is taken at x = n")
    method = PowerLaw.model_validate(
        {"type": "power_law", "min_n": params.get("min_scores", 3), "clip": "scale_max" in params}
    )
    bounded = method.on_scale(0.0, params.get("scale_max", 0.0))
    state = bounded.replay(_pieces(given))
    fitted = bounded.fit(state)
    a, b = fitted or (None, None)
    return {"a": a, "b": b, "value": bounded.score(state), "fallback": fitted is None}


def _irt(params: Json, given: Json) -> Json:
    if params.get("prior", "N(0,1)") != "N(0,1)" or params.get("grid", [-6, 6, 121]) != [GRID[0], GRID[-1], len(GRID)]:
        raise ValueError("the prior is N(0,1) on a grid of 121 points from -6 to 6")
    items = {str(number): item for number, item in enumerate(given["items_ab"])}
    method = ItemResponse.model_validate({"type": "irt_eap", "items": items, "cut": params["cut"]})
    state = method.replay(Value(float(u), u == 1, item=str(number)) for number, u in enumerate(given["responses"]))
    mean, deviation = method.estimate(state)
    return {"eap": mean, "sd": deviation, "p_theta_ge_cut": method.score(state)}


def _beta_binomial(params: Json, given: Json) -> Json:
    method = BetaBinomial.model_validate({"type": "beta_binomial"} | params)
    right = given["correct"]
    marks = [1.0] * right + [0.0] * (given["n"] - right)
    state = method.replay(Value(mark, mark == 1) for mark in marks)
    return {"p_mastery": method.score(state), "mean": method.mean(state)}


def _growth_filter(params: Json, given: Json) -> Json:
    method = GrowthFilter.model_validate({"type": "growth_filter"} | params)
    return {"mu_var_pmastery": [(*state, method.score(state)) for state in _states(method, _pieces(given))]}


def _recent(name: str, params: Json, given: Json) -> Json:
    method = method_from({"type": name} | params)
    return {"value": method.score(method.replay(_pieces(given)))}


def _states(method: Method, pieces: Iterable[Value]) -> list[State]:
    """Return the states after each piece."""
    states = [method.start()]
    for piece in pieces:
        states.append(method.step(states[-1], piece))
    return states[1:]


def _passed(method: Method, states: Iterable[State], cut: float = 1.0) -> list[bool]:
    """Return of each state whether the method's own bar is met."""
    return [method.passed(state, method.score(state), cut) for state in states]


def _first_at(reached: Iterable[bool]) -> int | None:
    """Return the number of the first piece, from 1, at which something is so."""
    return next((number for number, so in enumerate(reached, start=1) if so), None)


def _pieces(given: Json, cut: float = 1.0) -> list[Value]:
    """Return the pieces of a case: of `scores` with `weights`, or of `correct`, both without those that `retract` names."""
    marks = given["scores"] if "scores" in given else given["correct"]
    weights = given.get("weights") or [1.0] * len(marks)
    pieces = [Value(float(mark), mark >= cut, weight) for mark, weight in zip(marks, weights, strict=True)]
    return [piece for index, piece in enumerate(pieces) if index not in given.get("retract", ())]


METHODS: dict[str, Answer] = {
    "beta_binomial": _beta_binomial,
    "bkt": _bkt,
    "cusum": _cusum,
    "growth_filter": _growth_filter,
    "irt_eap": _irt,
    "median_recent": functools.partial(_recent, "median"),
    "mode": functools.partial(_recent, "mode"),
    "n_ccr": _n_ccr,
    "power_law": _power_law,
}
"""The methods whose cases have parameters or answers of a shape of their own, by the name that cases use."""
