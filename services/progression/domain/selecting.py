"""Which pieces of evidence are to be taken back, scored anew or moved."""

import json
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from services.progression.domain.states import Piece
from shared.contracts.internal_events import Score
from shared.shards import stable_id


class Selection(NamedTuple):
    """
    Pieces of one source: of an activity, with an id of the source's own, that occurred from `since` until before `until`.

    With `scores` (by id) it is the pieces that are named there, and each is to have its new score instead of being taken back;
    with `to` they are another learner's.
    """

    source: str
    activity: str = ""
    item: str = ""
    since: str = ""
    until: str = ""
    scores: Mapping[str, Score] | None = None
    to: str = ""

    def has(self, piece: Piece) -> bool:
        """Tell whether a piece is among them; what is left empty asks nothing."""
        at, _, source, id = piece.order
        return (
            source == self.source
            and self.activity in ("", piece.activity)
            and self.item in ("", id)
            and (self.scores is None or id in self.scores)
            and self.since <= at
            and (not self.until or at < self.until)
        )

    @property
    def texts(self) -> list[bytes]:
        """
        What stands in the event of each of these pieces, as it is written; empty where nothing but the source is named.

        Only texts that JSON has but one way to write.
        """
        texts = [json.dumps(text) for text in (self.activity, self.item) if text and text.isascii()]
        return [text.encode() for text in texts if "\\" not in text]


def rescored_id(source: str, id: str, score: Score) -> str:
    """Return the source's id of what supersedes a piece: the same for the same new score."""
    return f"rescored-{stable_id(source, id, msgspec.json.encode(score).decode())}"
