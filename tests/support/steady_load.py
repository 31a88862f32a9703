"""Evidence of the sample district at a steady rate, sent as a careful sender does while an installation is disturbed."""

import threading
import time
from collections import Counter
from typing import Any

import httpx

RATE = 1000
BATCH = 200


class Load(threading.Thread):
    """
    Sends so many pieces a second in order, each batch again until it is answered; counts what became of each.

    Two loads on one installation need names of their own, else the second sends the pieces of the first.
    """

    def __init__(self, evidence_url: str, token: str, rate: int = RATE, name: str = "roll") -> None:
        super().__init__(daemon=True)
        self._rate, self._name = rate, name
        self._url = f"{evidence_url}/v1/evidence"
        self._token = token
        self._stopped = threading.Event()
        self._last: dict[str, str] = {}
        self.sent = 0
        self.refused: list[str] = []

    @property
    def statuses(self) -> Counter[str]:
        """The first answer to each piece; one that was taken in although its answer was lost is answered as duplicate."""
        return Counter("accepted" if status == "duplicate" else status for status in self._last.values())

    def run(self) -> None:
        """Send until stopped."""
        began = time.monotonic()
        with httpx.Client(headers={"Authorization": f"Bearer {self._token}"}, timeout=20) as client:
            while not self._stopped.is_set():
                self._send(client, [_piece(self._name, self.sent + n) for n in range(BATCH)])
                self.sent += BATCH
                time.sleep(max(0.0, began + self.sent / self._rate - time.monotonic()))

    def stop(self) -> None:
        """Stop after the batch on its way."""
        self._stopped.set()
        self.join(60)
        assert not self.is_alive()

    def _send(self, client: httpx.Client, pieces: list[dict[str, Any]]) -> None:
        while True:
            try:
                answer = client.post(self._url, json=pieces)
            except httpx.TransportError:
                time.sleep(0.1)
                continue
            if answer.status_code == 200:
                self._last |= {item["id"]: item["status"] for item in answer.json()["items"]}
                return
            if answer.status_code != 503:
                self.refused.append(answer.text)
                return
            time.sleep(0.1)


def _piece(name: str, number: int) -> dict[str, Any]:
    return {
        "id": f"{name}-{number}",
        "source": "urn:test:rolling",
        "learner": f"r-{number % 500}",
        "competencies": [f"river-valley:M1.{1 + number % 3}"],
        "score": {"raw": number % 3, "max": 2},
        "occurred_at": f"2026-03-{1 + number % 28:02}T10:{number % 60:02}:00Z",
    }
