"""
The peer: the same fold of the same topic with Quix Streams, exactly-once. Runs in an environment of its own, where only
`quixstreams` is installed: python quix_fold.py BROKER TOPIC OUTPUT STATE_DIR EVENTS; prints how many advanced and events a
second.
"""

import sys
import time

from quixstreams import Application

N_IN_A_ROW = 3


def fold(event, state):
    """Fold one event into the streak of its (learner, competency); return an advancement when it is first reached."""
    clock["last"] = time.perf_counter()
    clock["first"] = clock["first"] or clock["last"]
    if event["type"] != "attain.evidence.recorded.v1":
        return None
    data = event["data"]
    advanced = None
    for competency in data["competencies"]:
        run, count, mastered = state.get(competency, (0, 0, False))
        score = data["score"]
        run = run + 1 if score["raw"] >= score["max"] else 0
        if run >= N_IN_A_ROW and not mastered:
            mastered = True
            clock["advanced"] += 1
            advanced = {"learner": data["learner"], "competency": competency, "cause": data["evidence_id"]}
        state.set(competency, (run, count + 1, mastered))
    return advanced


clock = {"first": 0.0, "last": 0.0, "advanced": 0}


def main():
    broker, topic, output, state_dir, events = sys.argv[1:]
    app = Application(
        broker_address=broker, consumer_group=output, processing_guarantee="exactly-once",
        auto_offset_reset="earliest", state_dir=state_dir, commit_interval=1.0, loglevel="WARNING",
    )  # fmt: skip
    advancements = app.topic(output, value_serializer="json")
    frame = app.dataframe(app.topic(topic, value_deserializer="json", key_deserializer="str"))
    frame = frame.apply(fold, stateful=True)
    frame = frame[frame.apply(lambda advanced: advanced is not None)]
    frame.to_topic(advancements)
    # Ends when nothing comes any more; the last commit, of a second at most, is given to the peer.
    app.run(timeout=5, collect=False)
    print(clock["advanced"], int(events) / (clock["last"] - clock["first"]))


main()
