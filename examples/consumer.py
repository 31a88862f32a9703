"""Keeps the latest standing of every learner and scope in SQLite; may be stopped, repeated and started again at any moment."""

import json
import os
import sqlite3
import time
import urllib.error
import urllib.request

URL, TOKEN = os.environ["ATTAIN_PROGRESSION_URL"], os.environ["ATTAIN_TOKEN"]
db = sqlite3.connect(os.environ.get("CONSUMER_DB", "consumer.db"), isolation_level=None)
db.execute("create table if not exists cursor (token text)")
db.execute("create table if not exists standing (learner, scope, seq, type, event, primary key (learner, scope))")

while True:
    row = db.execute("select token from cursor").fetchone()
    request = urllib.request.Request(f"{URL}/v1/advancements?limit=500&after={row[0] if row else ''}")
    request.add_header("Authorization", f"Bearer {TOKEN}")
    page = {"items": [], "next": ""}
    db.execute("begin")  # what was done and how far one has come are stored together, or not at all
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            page = json.load(answer)
    except urllib.error.HTTPError as error:
        if error.code != 410:
            raise
        # Restored or re-sharded: what was told since may be void, so all is read again.
        db.execute("delete from standing")
    for event in page["items"]:
        data = event["data"]
        if event["type"] == "attain.learner.erased.v1":
            db.execute("delete from standing where learner = ?", (data["learner"]["id"],))
        elif "scope" in data and "session" not in data:  # of what stands now, and not of a term that ended
            db.execute(
                "insert into standing values (?, ?, ?, ?, ?) on conflict do update set seq = excluded.seq,"
                " type = excluded.type, event = excluded.event where excluded.seq > standing.seq",  # repeats change nothing
                (data["learner"]["id"], data["scope"]["id"], data["seq"], event["type"], json.dumps(event)),
            )
    db.execute("delete from cursor")
    db.execute("insert into cursor values (?)", (page["next"],))
    db.execute("commit")
    if not page["items"]:
        time.sleep(1)
