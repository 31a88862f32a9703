"""Real answers of real learners, folded by the domain: counts and probabilities that others computed."""

import csv
import gzip
import itertools
import json
import random
from collections import defaultdict

import pytest

from services.progression.domain.mastery import KeyState, Piece, add, replay
from services.progression.domain.policy import Policy, read_policy
from services.progression.domain.standing import score_of
from shared.contracts.internal_events import Score
from tests.support.shared_data import expected_counts, responses, shared_file


def pieces_by_pair(name: str) -> dict[tuple[str, str], list[Piece]]:
    pairs: dict[tuple[str, str], list[Piece]] = defaultdict(list)
    for row in responses(name):
        id = f"{row['student']}-{row['seq']}"
        # A fixed width keeps the order of the numbers in the text.
        order = (f"{float(row.get('timestamp') or 0):015.3f}{int(row['seq']):09}", 1, name, id)
        score = Score(raw=float(row["correct"]), max=1.0)
        pairs[row["student"], row["skill"]].append(Piece(order, id, row.get("item") or id, score, False))
    return pairs


def policy(name: str) -> Policy:
    return read_policy(shared_file(f"golden/policies/{name}").read_bytes())


LOGS = (
    "assist09_builder_train", "statics_train", "algebra05_byuser", "assistments15_byuser",
    "assistments17_single_attempt_byuser", "spanish_byuser",
)  # fmt: skip


def test_every_log_that_was_counted_is_folded_here():
    assert set(json.loads(shared_file("data/responses/EXPECTED_COUNTS.json").read_text())) == set(LOGS)


@pytest.mark.parametrize("name", LOGS)
def test_pairs_with_three_in_a_row_are_those_that_were_counted(name: str):
    expected, streak = expected_counts(name), policy("streak-3.json")
    pairs = pieces_by_pair(name)
    mastered = sum(replay(KeyState(), p, streak.rule, "").crossed_at is not None for p in pairs.values())

    assert (len(pairs), mastered) == (expected["student_skill_pairs"], expected["pairs_3_consecutive_correct"])


def test_knowledge_tracing_equals_the_textbook_in_every_pair_to_nine_digits():
    tracing, pairs = policy("bkt-fixed.json"), pieces_by_pair("statics_train")
    with gzip.open(shared_file("data/responses/expected_statics_train_bkt_fixed.csv.gz"), "rt") as file:
        rows = list(csv.DictReader(file))
    wrong = []
    for row in rows:
        state, first = KeyState(), ""
        pieces = sorted(pairs[row["student"], row["skill"]], key=lambda piece: piece.order)
        for number, piece in enumerate(pieces, start=1):
            add(state, piece, tracing.rule)
            first = first or (str(number) if state.crossed_at is not None else "")
        known = score_of(state, tracing.rule) or 0.0
        if abs(known - float(row["final_pL"])) > 1e-9 or first != row["first_opportunity_pL_ge_0.95"]:
            wrong.append(row)

    assert len(rows) == 14_647
    assert wrong == []


def test_any_order_of_arrival_of_real_answers_ends_in_the_same_states():
    streak = policy("streak-3.json")
    some = itertools.islice(pieces_by_pair("assist09_builder_train").values(), 2_000)
    for pieces in some:
        shuffled = random.Random(len(pieces)).sample(pieces, len(pieces))
        assert replay(KeyState(), shuffled, streak.rule, "") == replay(KeyState(), pieces, streak.rule, "")
