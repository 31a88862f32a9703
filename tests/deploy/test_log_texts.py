"""What is told of a log outside the installation: what stands in the code, and nothing that anybody wrote."""

import pytest

from deploy.local.log_texts import as_in_code, told

MARK = "Ada-Mark"


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("progression: shard 3 waits at 155: http://evidence:8100: ConnectError", "progression: shard 3 waits at 155: …"),
        ("progression claimed shards [0, 3, 5]", "progression claimed shards [0, 3, 5]"),
        ("relay starts over: KafkaConnectionError: no broker at kafka.ada.example", "relay starts over: KafkaConnectionError: …"),
        (f"learner {MARK} is set apart: KeyError: '{MARK}'", "learner … is set apart: …"),
        (f"{MARK} says hello", "…"),
        (MARK, "…"),
        ("evidence ready in 1.9 s on http://127.0.0.1:20000", "evidence ready in 1.9 s on …"),
    ],
)  # fmt: skip
def test_a_message_is_told_as_it_stands_in_the_code(message: str, said: str) -> None:
    assert as_in_code(message) == said


def test_entries_of_both_forms_and_tracebacks_are_told_without_what_was_filled_in() -> None:
    lines = [
        "2026-11-29 05:45:42,120 ERROR shared.folding progression cannot fold; it tries shard by shard",
        "Traceback (most recent call last):",
        '  File "/home/ada/attain/shared/folding.py", line 124, in _guarded',
        "    await work",
        f'  File "/home/ada/lib/{MARK}.py", line 3, in {MARK}',
        f"ValueError: {MARK} is no number",
        f"DETAIL:  Key (source_id)=({MARK}) already exists.",
        f'evidence-1  | {{"time": "2026-11-29T05:45:42.120+00:00", "level": "WARNING", "service": "evidence", "tenant": "{MARK}",'
        f' "logger": "services.evidence.entrypoints.kafka", "message": "intake waits: {MARK}", "shard": 3}}',
        f"2026-11-29 05:45:43,000 ERROR aiokafka Unable connect to {MARK}",
        f"2026-11-29 05:45:43,000 WARNING {MARK.replace('-', '.')} heartbeat of {MARK} failed",
        f'{{"time": "{MARK}", "level": "{MARK}", "logger": "{MARK}", "message": "{MARK}"}}',
        '{"no": "entry"}',
    ]

    assert list(told(lines)) == [
        "2026-11-29 05:45:42,120 ERROR shared.folding progression cannot fold; it tries shard by shard",
        "(1 more lines)",
        "  shared/folding.py:124 in _guarded",
        "(2 more lines)",
        "  ValueError: …",
        "(1 more lines)",
        "2026-11-29T05:45:42.120+00:00 WARNING services.evidence.entrypoints.kafka intake waits: … shard=3",
        "2026-11-29 05:45:43,000 ERROR aiokafka …",
        "2026-11-29 05:45:43,000 WARNING …",
        "(2 more lines)",
    ]
