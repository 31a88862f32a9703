"""Keeps the latest standing of every learner and scope in SQLite; may be stopped, repeated and started again at any moment."""

import json
import os
import sqlite3
import time
import urllib.error
import urllib.request

URL, HEADERS = os.environ["ATTAIN_PROGRESSION_URL"], {"Authorization": f"Bearer {os.environ['ATTAIN_TOKEN']}"}
db = sqlite3.connect(os.environ.get("CONSUMER_DB", "consumer.db"))
db.execute("create table if not exists cursor (token text)")
db.execute("create table if not exists standing (learner, scope, seq, type, event, primary key (learner, scope))")
SAVE = """insert into standing values (?, ?, ?, ?, ?) on conflict do update
 set seq = excluded.seq, type = excluded.type, event = excluded.event where excluded.seq > standing.seq"""

while True:
    after = (db.execute("select token from cursor").fetchone() or [""])[0]
    with db:  # what was done and how far one has come are stored together, or not at all
        try:
            request = urllib.request.Request(f"{URL}/v1/advancements?limit=500&after={after}", headers=HEADERS)
            page = json.load(urllib.request.urlopen(request, timeout=30))
        except urllib.error.HTTPError as error:
            if error.code != 410:
                raise
            # Restored or re-sharded: what was told since may be void, so all is read again.
            page = {"items": [], "next": ""}
            db.execute("delete from standing")
        for event in page["items"]:
            data = event["data"]
            if event["type"] == "attain.learner.erased.v1":
                db.execute("delete from standing where learner = ?", (data["learner"]["id"],))
            elif "scope" in data and "session" not in data:  # of what stands now, and not of a term that ended
                place = data["learner"]["id"], data["scope"]["id"]
                db.execute(SAVE, (*place, data["seq"], event["type"], json.dumps(event)))
        db.execute("delete from cursor")
        db.execute("insert into cursor values (?)", (page["next"],))
    time.sleep(0 if page["items"] else 1)
