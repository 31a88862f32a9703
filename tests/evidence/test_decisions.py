"""Given what is known, when items come, then this becomes of them."""

from services.evidence.domain.evidence import Park, State, evidence_id
from tests.evidence.builders import SOURCE, Store, statuses, submission

PARK = Park("unknown_competency", "/competencies/0", "math:1")


def known(*ids: str) -> set[str]:
    return {evidence_id("demo", SOURCE, id) for id in ids}


def given(*submissions: object) -> Store:
    store = Store()
    store.take(*submissions)  # type: ignore[arg-type]
    return store


def test_new_evidence_is_accepted_and_told_once() -> None:
    store = given(submission("a"))

    assert statuses(store.take(submission("a"))) == ["duplicate"]
    assert len(store.log) == 1


def test_the_same_id_with_other_content_is_a_conflict() -> None:
    decision = given(submission("a")).take(submission("a", dok=2))

    assert statuses(decision) == ["conflict"]
    assert decision.outcomes[0].pointer == "/id"


def test_a_duplicate_within_a_batch_has_the_position_of_the_first() -> None:
    decision = Store().take(submission("a"), submission("b"), submission("a"))

    assert statuses(decision) == ["accepted", "accepted", "duplicate"]
    assert [outcome.draft for outcome in decision.outcomes] == [0, 1, 0]


def test_a_superseding_item_of_the_same_learner_is_one_event() -> None:
    store = given(submission("a"))

    decision = store.take(submission("b", supersedes="a"))

    assert statuses(decision) == ["corrected"]
    assert store.log[-1][1]["invalidates"] == [{"evidence_id": min(known("a")), "competencies": ["math:1"]}]
    assert store.valid() == known("b")


def test_a_superseding_item_of_another_learner_is_told_in_both_logs() -> None:
    store = given(submission("a", "L1"))

    decision = store.take(submission("b", "L2", supersedes="a"))

    assert [draft.subject for draft in decision.drafts] == ["L2", "L1"]
    assert store.log[-1][1]["relation"] == "supersedes"
    assert store.valid() == known("b")


def test_a_retraction_that_comes_first_waits_for_its_target() -> None:
    store = Store()

    first = store.take(submission("r", retracts="a"))
    then = store.take(submission("a"))

    assert (statuses(first), first.drafts) == (["corrected"], [])
    assert statuses(then) == ["accepted"]
    assert store.log[-1][1]["valid"] is False
    assert store.valid() == set()


def test_retracting_a_correction_brings_the_corrected_piece_back() -> None:
    store = given(submission("a"), submission("b", supersedes="a"))

    store.take(submission("r", retracts="b"))

    assert store.valid() == known("a")
    assert [one["evidence_id"] for one in store.log[-1][1]["revalidates"]] == list(known("a"))


def test_retracting_twice_is_told_but_flips_nothing() -> None:
    store = given(submission("a"), submission("r", retracts="a"))

    decision = store.take(submission("r2", retracts="a"))

    assert statuses(decision) == ["corrected"]
    assert "invalidates" not in store.log[-1][1]


def test_a_retraction_cannot_be_retracted_or_superseded() -> None:
    store = given(submission("a"), submission("r", retracts="a"))

    decision = store.take(submission("x", retracts="r"), submission("y", supersedes="r"))

    assert statuses(decision) == ["target_is_retraction"] * 2
    assert [outcome.pointer for outcome in decision.outcomes] == ["/retracts", "/supersedes"]


def test_a_retraction_that_was_retracted_before_it_came_still_counts() -> None:
    store = given(submission("a"), submission("x", retracts="r"))

    store.take(submission("r", retracts="a"))

    assert store.valid() == set()


def test_items_cannot_supersede_each_other_in_a_circle() -> None:
    store = given(submission("a", supersedes="c"), submission("b", supersedes="a"))

    assert statuses(store.take(submission("c", supersedes="b"))) == ["cycle"]
    assert statuses(Store().take(submission("a", supersedes="b"), submission("b", supersedes="a")))[1] == "cycle"


def test_a_chain_of_corrections_has_a_limit() -> None:
    store = given(*(submission(f"i{n}", supersedes=f"i{n - 1}") for n in range(1, 200)))

    assert statuses(store.take(submission("i200", supersedes="i199"))) == ["chain_too_long"]


def test_a_parked_piece_is_kept_and_not_told() -> None:
    store = Store()

    decision = store.take(submission("a", park=PARK))

    assert statuses(decision) == ["unknown_competency"]
    assert (decision.drafts, len(decision.parked)) == ([], 1)
    assert statuses(store.take(submission("a", park=PARK))) == ["unknown_competency"]
    assert statuses(store.take(submission("a", dok=2))) == ["conflict"]


def test_a_parked_piece_flows_once_it_is_aligned() -> None:
    store = given(submission("a", park=PARK))

    decision = store.take(submission("a"))

    assert statuses(decision) == ["accepted"]
    assert set(decision.released) == known("a")
    assert store.valid() == known("a")


def test_a_parked_correction_changes_nothing_until_it_flows() -> None:
    store = given(submission("a"), submission("b", supersedes="a", park=PARK))
    assert store.valid() == known("a")

    store.take(submission("b", supersedes="a"))

    assert store.valid() == known("b")


def test_an_erased_id_does_not_come_back() -> None:
    store = given(submission("a"))
    store.pieces[min(known("a"))].state = State.ERASED

    assert statuses(store.take(submission("a"))) == ["erased"]
