"""The sample district before the reader's eyes: its school years, month by month, and what is worth looking at then."""

import datetime
import functools
import itertools
import math
import os
import shlex
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor, wait
from pathlib import Path

from deploy.local.client import counting
from deploy.local.client.asking import ask
from deploy.local.client.counting import ADVANCED, MASTERED, READY, WITHDRAWN, Advancements, Event
from deploy.local.client.identities import references
from deploy.local.client.loaded import Loaded, check_taken, refused_only, result_of
from deploy.local.client.progress import EVERY_S, Progress, bar
from deploy.local.client.sending import send
from deploy.local.commands.demo_findings import Worth, agreement_line, choose, compare, mistake_line
from deploy.local.commands.drain import wait_until_drained
from deploy.local.commands.framework import publish
from deploy.local.commands.policy import put_into_force
from deploy.local.commands.roster import send_roster
from deploy.local.errors import StackError
from deploy.local.options import DEFAULT_TENANT, Context, command_name
from deploy.local.sample import district as sample
from deploy.local.sample.district import District, Mistake, Month
from deploy.local.sample.people import DISTRICT, SMALL, WHOLE, Class, Size, make_classes, make_roster

SHOWN_BY_MONTH = (MASTERED, READY, ADVANCED, WITHDRAWN)
HEADING = f"{'':<16}{'evidence':>10}{'mastered':>10}{'ready for':>11}{'levels':>10}{'withdrawn':>11}"
UNDER = f"{'':<16}{'sent':>10}{'':>10}{'something':>11}{'advanced':>10}{'':>11}"
PARTS = 10
"""Into how many parts the months are cut that are sent and folded at once: what waits for the end of each costs seconds."""


class Coming:
    """The sample district while it is made up, in a thread: the stack starts meanwhile. Left early, it ends."""

    def __init__(self, size: Size) -> None:
        self._lived, self._left = (0, 0), threading.Event()
        self._threads = ThreadPoolExecutor(1)
        self._making = self._threads.submit(sample.make_district, size=size, lived=self._note)

    def __enter__(self) -> "Coming":
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()
        self._threads.shutdown()

    def district(self) -> District:
        """Return it once it is made, and show meanwhile how far that is."""
        progress = Progress(only_terminal=True)
        while wait([self._making], timeout=EVERY_S).not_done:
            lived, of = self._lived
            progress.show(f"{bar(lived / max(of, 1))} {lived:,} of {of:,} learners have lived their school years")
        progress.clear()
        return self._making.result()

    def _note(self, lived: int, of: int) -> None:
        if self._left.is_set():
            raise CancelledError
        self._lived = lived, of


def show_district(context: Context, district: District, policy: bytes) -> None:
    """Load a sample district and show what it lived; the same again changes nothing and shows the same."""
    classes = len({person.home for person in district.people})
    context.say(f"{_span(district)} in the {DISTRICT[1]}: {len(district.people):,} learners in {classes} classes.")
    _refuse_another(context, district)
    publish(context, sample.FRAMEWORK, sample.TITLE, sample.read_nodes(), sample.read_edges())
    put_into_force(context, policy)
    send_roster(context, sample.SOURCE, make_roster(district.people))
    loaded, events = _fold_months(context, district)
    check_taken(loaded)
    found = list(counting.states(context))
    result = result_of(context, loaded, counting.counted(found, Counter(event.type for event in events)))
    if context.json:
        context.emit(result)
        return
    named = references(context, sample.SOURCE, {state.learner for state in found})
    states = {(named[state.learner][0], state.competency): state for state in found if state.learner in named}
    lines = [
        f"{result['evidence']:,} pieces of evidence folded in {loaded.seconds:.1f} s: {result['mastered_pairs']:,} of "
        f"{result['pairs']:,} learner–competency pairs are on the record, {result['advancements']:,} levels advanced.",
        mistake_line(district, result["withdrawn_events"]),
        agreement_line(compare(district, states)),
        "",
        *_worth_lines(context, choose(district, states)),
        *_next_lines(context, district.people[0].home),
    ]
    context.emit(result, "\n".join(lines))


def _refuse_another(context: Context, district: District) -> None:
    """
    Refuse a tenant that has the other sample district: learners of both have the same ids, so one would become the other's.

    Raises:
        StackError: it has classes of the other one.
    """
    own = {person.home.id for person in district.people}
    others = {each.id for size in (SMALL, WHOLE) for each in make_classes(size)} - own
    held = {each["class"] for each in ask(context, "evidence", "GET", "/v1/roster/classes", scope="admin")["items"]}
    if held & others:
        raise StackError(
            f"tenant {context.tenant} has the other sample district already, and the two would be mixed;"
            " give another tenant with --tenant"
        )


def _span(district: District) -> str:
    first, last = district.months[0].end, district.months[-1].end
    return (
        "A school year" if last - first < datetime.timedelta(days=365) else f"School years {first.year} to {last.year}"
    )


def _fold_months(context: Context, district: District) -> tuple[Loaded, list[Event]]:
    """Send what happened and fold it some months at a time, a line of the table for each."""
    tally, progress, advancements = refused_only(), Progress(only_terminal=True), Advancements(context)
    events: list[Event] = []
    shown: Counter[str] = Counter()
    context.say("")
    context.say(HEADING)
    context.say(UNDER)
    started = time.monotonic()
    total, before = sum(len(month.items) for month in district.months), 0
    at_once = math.ceil(len(district.months) / PARTS)
    for start in range(0, len(district.months), at_once):
        months = district.months[start : start + at_once]
        show = functools.partial(_show, progress, f"sending {months[-1].name}", before, total)
        send(context, itertools.chain.from_iterable(month.items for month in months), tally, sent=show)
        before += sum(len(month.items) for month in months)
        progress.show(f"{bar(before / total)} {before:,} of {total:,}  folding {months[-1].name}", now=True)
        wait_until_drained(context)
        events += advancements.new()
        progress.clear()
        for month in months:
            so_far = _until(events, month, district.mistake)
            context.say(_row(month.name, len(month.items), so_far - shown))
            shown = so_far
    seconds = time.monotonic() - started
    context.say(_row("all of it", total, Counter(event.type for event in events)))
    context.say("")
    return Loaded(tally, seconds), events


def _show(progress: Progress, doing: str, before: int, total: int, sent: int) -> None:
    progress.show(f"{bar((before + sent) / total)} {before + sent:,} of {total:,}  {doing}")


def _until(events: Sequence[Event], month: Month, mistake: Mistake) -> Counter[str]:
    """
    Count events that were effective by the end of a month, so that a second run shows what the first did.

    A withdrawal has no date in the year that was lived, but there is only one reason for any.
    """
    found = mistake.found_on < month.end.date()
    return Counter(
        event.type
        for event in events
        if (found if event.type == WITHDRAWN else event.data.effective_at and event.data.effective_at < month.end)
    )


def _row(name: str, sent: int, counts: Counter[str]) -> str:
    mastered, ready, advanced, withdrawn = (counts[kind] for kind in SHOWN_BY_MONTH)
    return f"{name:<16}{sent:>10,}{mastered:>10,}{ready:>11,}{advanced:>10,}{withdrawn or '':>11}"


def _options(context: Context) -> str:
    """Return the options with which a command finds what this one made."""
    is_found = context.remote or context.home == Path(".attain").absolute() or "ATTAIN_HOME" in os.environ
    home = "" if is_found else f" --home {shlex.quote(str(context.home))}"
    return home + ("" if context.tenant == DEFAULT_TENANT else f" --tenant {context.tenant}")


def _worth_lines(context: Context, chosen: Sequence[Worth]) -> list[str]:
    lines = ["Three learners worth looking at:"] if len(chosen) == 3 else ["Learners worth looking at:"]
    for each in chosen:
        lines += [
            f"  {each.person.name}, {each.person.home.title}: {each.heading}",
            f"    {each.why}",
            f"    {command_name()} learner {sample.SOURCE} {each.person.id}{_options(context)}",
        ]
    return [*lines, ""]


def _next_lines(context: Context, first: Class) -> list[str]:
    options = _options(context)
    token = context.token("records:read")
    return [
        "The same in the browser, valid for 12 hours:",
        f"  {context.pages_url}/#token={token}",
        "",
        "And as a teacher sees it: sign in there with the token of",
        f"  {command_name()} token --sub {first.teacher} --scope records:read:classes{options}",
        "",
        "What to try next:",
        f"  {command_name()} policy compare FILE{options}     another rule of mastery: what would change, for whom",
        f"  {command_name()} class {first.id}{options}     a class by competency, and who needs what",
        f"  {command_name()} ingest FILE --format native{options}     evidence of your own",
        f"  {command_name()} status{options}     what runs, and how far each stage is",
        *([] if context.remote else [f"  {command_name()} down{options}     stop; the data stays"]),
    ]
