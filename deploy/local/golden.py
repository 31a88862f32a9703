"""
Golden cases: the names that they use, and which function of the product answers each.

A case is an object with `id`, `method`, `params`, `input`, `expect` and `tol`. Nothing is computed here: an answer puts a case's
parameters into the product's words, calls it, and puts what it says into the case's words.
"""

import dataclasses
import functools

import msgspec

from deploy.local.golden_methods import METHODS, Answer, Json, of_method
from services.progression.domain.analysis.bounds import jeffreys_lower, wilson_lower
from services.progression.domain.analysis.chance import p_run_by_chance
from services.progression.domain.analysis.classification import livingston_lewis
from services.progression.domain.analysis.item_bias import mantel_haenszel
from services.progression.domain.analysis.practice import over_testing_index, wheel_spin
from services.progression.domain.analysis.summary import aggregate
from services.progression.domain.compat import canvas, moodle
from services.progression.domain.fringe import fringe
from services.progression.domain.levels import Shown, deciding, level_status, unmet_of
from services.progression.domain.mastery import KeyState, piece_of, replay
from services.progression.domain.methods import NAMES
from services.progression.domain.policy import policy_from
from services.progression.domain.policy.requirements import Require
from services.progression.domain.rounding import round_half_up_repr
from services.progression.domain.standing import status_of
from services.progression.domain.sufficiency import lacks
from services.reporting.domain.small_numbers import suppress
from shared.contracts.internal_events import EvidenceRecorded, Score

LATER: frozenset[str] = frozenset()
"""Names that nothing answers yet."""
QUIZ = "Quizzes::Quiz"


def answer(method: str, params: Json, given: Json) -> Json:
    """
    Return what the product says of a case, as plain data.

    Raises:
        LookupError: nothing is known by the name.
        Exception: what the product raises for parameters that it does not take.
    """
    found = ANSWERS.get(method)
    if found is None and method in NAMES:
        found = functools.partial(of_method, method)
    if found is None:
        raise LookupError(f"no method is called {method}")
    result: Json = msgspec.json.decode(msgspec.json.encode(found(params, given)))
    return result


def _canvas(name: str, params: Json, given: Json) -> Json:
    if params.get("precision", canvas.PRECISION) != canvas.PRECISION:
        raise ValueError(f"Canvas rounds to {canvas.PRECISION} decimals")
    rows = [
        canvas.Result(row.get("score"), row.get("t"), row.get("percent"), row.get("possible"),
                      (QUIZ, str(row["a"])) if row.get("quiz") else None)
        for row in given["results"]
    ]  # fmt: skip
    scale = {"points_possible": params["points_possible"], "mastery_points": params["mastery_points"]}
    return {"score": canvas.rollup(name, params.get("calculation_int"), rows, **scale)}


def _rule_points(params: Json, given: Json) -> Json:
    children = [moodle.Child(child["id"], child["points"], child["required"]) for child in params["competencies"]]
    return {"matches": moodle.rule_points(params["points_required"], children, given["proficient"])}


def _fringe(params: Json, given: Json) -> Json:
    found = fringe(params["prereq"], given["state"])
    return {**found._asdict(), "feasible": not found.missing}


def _mastery_policy(params: Json, given: Json) -> Json:
    rest = {key: value for key, value in params.items() if key not in ("method", "sufficiency", "scale", "decision")}
    need = {("dok" if key == "min_dok" else key): value for key, value in params.get("sufficiency", {}).items()}
    if "dok" in need:
        need["dok"] = [need["dok"]]
    policy = policy_from(
        {
            "id": "case",
            "scale": params.get("scale", {"max": 4, "mastery": 3}),
            "method": {"type": params["method"]} | rest,
            "sufficiency": need,
            "decision": params.get("decision", {}),
        }
    )
    pieces = [piece_of(_evidence(number, row)) for number, row in enumerate(given["evidence"])]
    rule = policy.rule
    track = rule.tracks[0]
    state = replay(KeyState(), pieces, rule, policy.hash)
    return {
        "status": status_of(state, rule),
        "missing": ["min_dok" if lack.code == "dok" else lack.code for lack in lacks(state, track)],
        "score_rule_met": bool(state.count) and track.passes(state.methods[0]),
    }


def _evidence(number: int, row: Json) -> EvidenceRecorded:
    """Return a case's row as evidence; rows of one occasion are in the order of the case."""
    id = f"{number:06}"
    return EvidenceRecorded(
        evidence_id=id, source="case", id=id, learner="case", competencies=("case:case",),
        occurred_at=f"{row['occasion']}T12:00:00.000000Z", score=Score(level=float(row["score"])), kind=row.get("kind"),
        activity=row.get("activity"), dok=row.get("dok"), assessor=row.get("assessor"),
    )  # fmt: skip


def _advancement_rule(params: Json, given: Json) -> Json:
    choices = ("k_of", "electives")
    require = Require.model_validate_json(
        msgspec.json.encode(
            {
                name: [part] if name in choices and isinstance(part, dict) else part
                for name, part in params["require"].items()
            }
        )
    )
    advanced = given.get("already_advanced", False)
    unmet = unmet_of(require, "", (), (), Shown(given["mastered"]))
    signed = given.get("sign_off") is not None
    status = level_status(unmet, params.get("sign_off") or "", signed=signed, advanced=advanced)
    lost = sorted({*deciding(require, "", ())}.intersection(given.get("lost", ())))
    return {"status": "advanced" if status == "complete" else status, "unmet": unmet,
            "actions": [f"reverify:{code}" for code in lost] if advanced else [],
            "demoted": advanced and status != "advanced"}  # fmt: skip


def _aggregate(params: Json, given: Json) -> Json:
    found = aggregate(given["scores"])
    return found._asdict() if found is not None else {"mean": None, "median": None}


def _livingston_lewis(params: Json, given: Json) -> Json:
    found = livingston_lewis(**given, cut=params["cut"], low=params["min"], high=params["max"])
    return found._asdict()


def _mantel_haenszel(_: Json, given: Json) -> Json:
    found = mantel_haenszel([tuple(stratum) for stratum in given["strata"]])
    return found._asdict() if found is not None else {"alpha": None}


def _over_testing(_: Json, given: Json) -> Json:
    return dataclasses.asdict(over_testing_index(given["evidence_at_confirmation"], given["evidence_total"]))


def _wheel_spin(params: Json, given: Json) -> Json:
    return {"status": [wheel_spin(answers, params["n"], params["limit"]) for answers in given["sequences"]]}


def _suppress(params: Json, given: Json) -> Json:
    if sum(given["cells"].values()) != given["total"]:
        raise ValueError("the cells do not sum to the total")
    return {"published": suppress(given["cells"], params["n_min"], guard_sum=False), "total": given["total"]}


ANSWERS: dict[str, Answer] = {
    **METHODS,
    "advancement_rule": _advancement_rule,
    "aggregate": _aggregate,
    **{f"canvas.{name}": functools.partial(_canvas, name) for name in (*canvas.FORMULAS, *canvas.ALIASES)},
    "canvas.percent": lambda params, given: {"percent": canvas.percent(given["score"], given["possible"], **params)},
    "jeffreys_lower": lambda params, given: {"lower": jeffreys_lower(given["correct"], given["n"], params["alpha"])},
    "kst.fringe": _fringe,
    "livingston_lewis_2p": _livingston_lewis,
    "mantel_haenszel": _mantel_haenszel,
    "mastery_policy": _mastery_policy,
    "moodle.rule_all": lambda params, given: {"matches": moodle.rule_all(params["children"], given["proficient"])},
    "moodle.rule_points": _rule_points,
    "over_testing_index": _over_testing,
    "p_run_by_chance": lambda params, _: {"prob": p_run_by_chance(params["n"], params["trials"], params["p"])},
    "round_half_up_repr": lambda params, given: {"y": [round_half_up_repr(x, params["ndigits"]) for x in given["x"]]},
    "suppress": _suppress,
    "wheel_spin": _wheel_spin,
    "wilson_lower": lambda params, given: {"lower": wilson_lower(given["correct"], given["n"], params["z"])},
}
"""What answers a name; every method of the policy language is answered besides, by its name there."""
