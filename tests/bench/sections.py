"""The sections of `docs/performance.md`, each made of figures alone."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from deploy.local import capacity
from tests.bench import growth, plots, sampled, soak
from tests.bench.figures import Figure
from tests.bench.plots import Point

SERVICES = ("evidence", "progression", "reporting")
PARTS = (*SERVICES, "postgres", "kafka")
TIERS = {"district": 10_000, "state": 1_000_000, "nation": 50_000_000}
"""Learners."""
GROWTH = {
    "pieces": "evidence a key",
    "learners": "learners known before",
    "competencies": "competencies in turn",
    "shards": "partitions",
    "replicas": "replicas of progression",
}
GROWTH_NOTE = (
    "Progression from a filled topic, in time order; the µs are CPU an event. Evidence a key: the state is folded, never"
    " recomputed, so the cost of one more piece is not to grow with the history. Learners: each has a piece before, and the"
    " load is spread over them at random, so with many of them few keys are cached and each piece touches a row of its own."
    " Competencies: 1,000 learners go through them in turn, so with 1,000 nearly every piece is the first of its key."
)
ANCHORS = (
    ("mean of the largest known learning app", "11,600/s (1 billion exercises a day)", "Duolingo, IEEE Spectrum 2023", "mean"),
    ("busiest recorded Open edX Aspects site", "81/s mean (7 million inserts a day)",
     "Open edX wiki, Aspects large instances, 2026-02", "mean"),
    ("busiest week of a nation's courses", "4.1/s mean (3.2 million completions in 9 days)",
     "iGOT Karmayogi, Press Information Bureau of India, release 2130180", "mean"),
    ("telemetry extractor of a nation, no scoring", "19,000/s a task manager",
     "Sunbird, datapipeline-benchmarking.md", "fold"),
    ("learner-state update of a nation", "3,420 requests/s, p99 132 ms, on 128 cores: 27/s a core",
     "Sunbird performance tests, 2022-07", "core"),
    ("credentials of a nation", "242/s created (p95 1.8 s); 556/s by a job",
     "Sunbird performance tests, rc-certificate-create; wiki, Load-Test-Certificate-Generator", "signing"),
    ("migration of enrolment rows, copy only", "412 million in 3.5 h on 16 cores: 32,700/s",
     "Sunbird migration guide 3.1.0", "refold"),
    ("learners with a national number", "263 million (APAAR); 28 million (Learning Records Service)",
     "Press Information Bureau of India, 2026-06; UK Information Commissioner, 2022-11", "learners"),
    ("what a state, a nation brings", "427/s, 21,400/s mean (1, 50 million learners, 10 pieces in 6.5 h)",
     "computed, see Capacity", "tier"),
    ("freshness of a district's export", "4 h", "Instructure DAP documentation", "latency"),
    ("freshness of a grade book's data", "up to 5 minutes", "D2L Brightspace documentation", "latency"),
)  # fmt: skip
AIMS = {
    "end-to-end-kafka": "18,000 events/s",
    "end-to-end-http": "15,000 events/s",
    "xapi-batches-of-100": "6,000 statements/s",
    "rebuild-mastery": "40,000 events/s",
    "rebuild-all": "40,000 events/s",
    "latency-p99": "150 ms",
    "refold": "60,000 pieces/s",
    "refold-live": "50,000 pieces/s",
    "read-learner-record-p99": "25 ms",
    "read-class-p99": "60 ms",
    "read-district-p99": "250 ms",
}
READ = {
    "read-learner-record-p99": "record of a learner with 60 standards",
    "read-class-p99": "class of 30 learners by 60 standards",
    "read-district-p99": "district of 100,000 learners",
}
PEERS = {
    "quix-hosting": ("Quix Streams 3.28 around Attain's fold, exactly-once", "1.2 x"),
    "quix-exactly-once": ("Quix Streams 3.28, exactly-once", "1.2 x"),
    "kafka-streams-exactly-once-v2": ("Kafka Streams 4.1, exactly_once_v2, one thread, warmed", ""),
}


NAMES = {
    "kafka": ("end-to-end-kafka",),
    "http": ("end-to-end-http",),
    "xapi": ("xapi-batches-of-100", "xapi-single-p99"),
    "latency": ("latency-p50", "latency-p90", "latency-p99"),
    "load": ("latency-p99-at-10%", "latency-p99-at-50%", "latency-p99-at-80%"),
    "reads": tuple(READ),
    "fold": ("progression-fold",),
    "profile": ("progression-profile",),
    "signing": ("signing",),
    "refold": ("refold",),
    "refold-live": ("refold-live", "refold-live-p99"),
    "rebuild": ("rebuild-mastery", "rebuild-all"),
    "policy": ("policy-classroom",),
    "explain": ("explain",),
    "reconciliation": ("reconciliation-share",),
    "soak": tuple(f"soak-{service}" for service in SERVICES),
    **{prefix: tuple(f"fold-{name}" for name in growth.names(prefix)) for prefix in GROWTH},
}
"""The figures of the page by the section of the benchmark that measures them."""


DOMAIN = "services.progression.domain"
PARTS_DO = {
    DOMAIN: "folds: states, transitions, explanations, what is told of them",
    "services.progression.handlers": "decodes batches, keeps what is in memory, writes envelopes",
    "services.progression.tables": "rows of journal and states",
    "shared.consumer": "the order of positions, batches",
    "shared.folding": "the transaction and its compare-and-set",
    "shared.event_log": "rows of the logs that are told",
    "shared.events": "reading and writing envelopes",
    "shared.relay": "sending to topics",
    "shared.handed_over": "handing rows to the relay",
    "shared.transport": "records from and to Kafka",
    "shared.database": "pool and statements",
    "shared.shards": "shards and repeatable ids",
    "asyncpg": "the driver of PostgreSQL",
    "aiokafka": "the client of Kafka",
    "event loop": "waiting and waking",
}
BUSY_CORES = 0.5
"""More of other work, and figures are marked."""
SHARE_MIN = 0.01
"""Parts that take less are one row."""


class Lacking(Exception):
    """Figures that the page tells of are not there; the text says which, and how they are measured."""


class Sections:
    """
    The sections of the page.

    Raises:
        Lacking: a figure was not measured.
    """

    def __init__(self, figures: Mapping[str, Figure], cores: str) -> None:
        lacking = {section: [name for name in names if name not in figures] for section, names in NAMES.items()}
        if any(lacking.values()):
            told = "; ".join(f"{section}: {', '.join(names)}" for section, names in lacking.items() if names)
            sections = " ".join(section for section, names in lacking.items() if names)
            raise Lacking(f"no figures of {told}. Measure them: python -m tests.bench --only {sections}")
        self.figures = figures
        self.cores = cores
        self.plots: dict[str, str] = {}

    def all(self) -> Iterator[list[str]]:
        """Yield the lines of each section, and add its plots."""
        yield self._end_to_end()
        yield self._xapi()
        yield self._peers()
        yield self._profile()
        yield self._latency()
        yield self._reads()
        yield self._anew()
        yield self._growth()
        yield self._policies()
        yield self._memory()
        yield self._reconciliation()
        yield self._capacity()
        yield self._anchors()

    def _end_to_end(self) -> list[str]:
        found = self._named("end-to-end-kafka", "end-to-end-http")
        rows = [
            (one.name.removeprefix("end-to-end-"), _rate(one), AIMS.get(one.name, ""), _runs(one.detail["runs"]),
             f"{one.detail['events']:,}",
             *(f"{one.detail[f'{part}_us']:.1f}" for part in PARTS), _load(one))
            for one in found
        ]  # fmt: skip
        head = ("by", "events/s", "aim", "runs", "events a run", *(f"{part} µs" for part in PARTS), "other load")
        note = (
            "From the edge to committed in reporting: 4,000 learners, ten pieces a (learner, competency), native evidence of"
            " 300 bytes, policy streak-3. The µs are CPU an event."
        )
        return ["## End to end", "", note, "", *table(head, rows)]

    def _xapi(self) -> list[str]:
        batches, single = self._named(*NAMES["xapi"])
        parts = ", ".join(f"{part} {batches.detail[f'{part}_us']:.1f}" for part in PARTS)
        note = (
            f"By HTTP in batches of 100, each answered once it is durable: {_rate(batches)} statements/s (aim"
            f" {AIMS[batches.name]}), {batches.versus['native intake']:.2f} times native intake in the same run; CPU µs a"
            f" statement: {parts}. One by one at {single.detail['offered_per_s']}/s, once warm, a statement is answered in"
            f" {single.detail['p50_ms']:.0f} ms (p50) and {single.value:.0f} ms (p99, aim 20 ms)."
        )
        return ["## xAPI", "", note]

    def _peers(self) -> list[str]:
        one = self.figures["progression-fold"]
        rows = [("Attain progression", _rate(one), "", "", _runs(one.detail["runs"]))]
        middle = {"Attain": one.value}
        for name, ratio in one.versus.items():
            title, aim = PEERS[name]
            runs = one.detail[f"{name}-runs"]
            middle[title.partition(",")[0]] = sorted(runs)[(len(runs) - 1) // 2]
            rows.append((title, f"{middle[title.partition(',')[0]]:,.0f}", f"{ratio:.2f} x", aim, _runs(runs)))
        self.plots["peers.svg"] = plots.bars("The same fold of the same topic", "events/s", middle)
        note = (
            f"One process each, on the same topic filled with {one.detail['events']:,} events, in turn. All keep a streak a"
            " (learner, competency) and tell the first time that three in a row are right, exactly once. Attain besides"
            " journals each piece, keeps the state in PostgreSQL, and publishes each state with an explanation, and public"
            " events with deterministic ids. So does Quix Streams where it calls Attain's fold and keeps what Attain keeps in"
            " its own store, message by message; its other program and that of Kafka Streams count the streak and no more."
            f" It spends {one.detail['progression_us']:.1f} µs an event in its process, {one.detail['postgres_us']:.1f} in"
            f" PostgreSQL and {one.detail['kafka_us']:.1f} in Kafka. The ratio is the median of the rounds' ratios."
        )
        skipped = one.detail.get("kafka-streams-skipped")
        notes = [note] if skipped is None else [note, "", f"Kafka Streams was left out: {skipped}."]
        head = ("", "events/s", "Attain is", "aim", "runs")
        return ["## Beside its peers", "", *notes, "", *table(head, rows), "", "![peers](performance/peers.svg)"]

    def _profile(self) -> list[str]:
        one, fold = self.figures["progression-profile"], self.figures["progression-fold"]
        # The share holds whatever else the machine does; the microseconds are those of the fold that was timed.
        scale = fold.detail["progression_us"] / one.value
        parts = {name: us * scale for name, us in one.detail["parts"].items()}
        shown = {name: us for name, us in parts.items() if us >= SHARE_MIN * sum(parts.values())}
        streams = fold.value / fold.versus["kafka-streams-exactly-once-v2"]
        note = (
            f"A sampling profile of that fold, a sample each {sampled.EVERY_S * 1000:.0f} ms of the process's CPU:"
            f" {one.detail['samples']:,} over {one.detail['events']:,} events, told as shares of the"
            f" {fold.detail['progression_us']:.1f} µs above. What C code takes counts for the part that called it. Kafka Streams"
            f" takes {1e6 / streams:.1f} µs an event by the clock, all in all. Attain's domain takes {parts[DOMAIN]:.1f} alone,"
            " because it makes of each piece a state that explains itself and what is told of it, where the peer counts a number"
            " up; the rest journals the piece, stores the state in a database and tells it, where the peer writes to a store of"
            " its own. `python -m tests.bench --only profile` takes it again."
        )
        rows = [(f"`{name}`", PARTS_DO.get(name, ""), f"{us:.1f}") for name, us in shown.items()]
        rows.append(("others", "", f"{sum(parts.values()) - sum(shown.values()):.1f}"))
        functions = [
            (f"`{name}`", f"{us * scale:.2f}", f"{us / one.value:.1%}") for name, us in one.detail["functions"].items()
        ]
        return [
            "## Where the time of progression goes", "", note, "", *table(("part", "what it does", "µs"), rows), "",
            *table(("function", "µs in itself", "share"), functions),
        ]  # fmt: skip

    def _latency(self) -> list[str]:
        set_rate = self._named("latency-p50", "latency-p90", "latency-p99")
        shares = self._starting("latency-p99-at-")
        rate = set_rate[0].detail["offered_per_s"]
        rows = [(f"{rate}, each a new learner who advances", *(f"{one.value:.0f}" for one in set_rate), "150")]
        for one in shares:
            offered, capacity_ = one.detail["offered_per_s"], one.detail["capacity_per_s"]
            title = f"{offered:,} ({one.name.removeprefix('latency-p99-at-')} of {capacity_:,})"
            rows.append((title, *(f"{one.detail[f'{point}_ms']:.0f}" for point in ("p50", "p90", "p99")), ""))
        lines = [
            "## Latency",
            "",
            "From producing a piece of evidence to its advancement on the public topic, in ms.",
            "",
        ]
        lines += table(("offered events/s", "p50", "p90", "p99", "aim p99"), rows)
        series = {
            point: [
                Point(number, one.detail[f"{point}_ms"], one.name.removeprefix("latency-p99-at-"))
                for number, one in enumerate(shares)
            ]
            for point in ("p50", "p90", "p99")
        }
        self.plots["latency.svg"] = plots.lines("Evidence to advancement by share of capacity", "ms", series)
        lines += ["", "![latency](performance/latency.svg)"]
        return lines

    def _reads(self) -> list[str]:
        found = self._named(*READ)
        rows = [
            (
                READ[one.name],
                *(f"{one.detail[point]:.0f}" for point in ("p50", "p90", "p99")),
                AIMS[one.name],
                _load(one),
            )
            for one in found
        ]
        note = (
            f"{found[0].detail['requests_per_s']} requests a second, each counted from when it was due, beside"
            f" {found[0].detail['intake_per_s']:,} events a second of intake; ms."
        )
        head = ("", "p50", "p90", "p99", "aim p99", "other load")
        return ["## Reading beside intake", "", note, "", *table(head, rows)]

    def _anew(self) -> list[str]:
        titles = {
            "refold": "states under a new policy, from the journal, while nothing else comes",
            "refold-live": "the same under the classroom template while evidence arrives",
            "rebuild-mastery": "read model of mastery from the feed, compared and switched while it is read",
            "rebuild-all": "all four read models at once, likewise",
        }
        rows = [
            (titles[one.name], _rate(one), AIMS.get(one.name, ""), _events(one), _load(one))
            for one in self._named(*titles)
        ]
        beside = self.figures["refold-live-p99"]
        note = (
            f"Evidence at {beside.detail['live_per_s']} a second beside that refold reaches the public topic in"
            f" {beside.value:.0f} ms (p99), {beside.versus['quiet']:.1f} times the {beside.detail['quiet_p99_ms']:.0f} ms"
            " without it; aim 2 times."
        )
        return ["## Made anew", "", *table(("", "a second", "aim", "measured over", "other load"), rows), "", note]

    def _growth(self) -> list[str]:
        lines = []
        for prefix, title in GROWTH.items():
            found = sorted(self._starting(f"fold-{prefix}-"), key=lambda one: int(one.name.rpartition("-")[2]))
            names = [f"{int(one.name.rpartition('-')[2]):,}" for one in found]
            head = (title, "events/s", "progression µs", "PostgreSQL µs", "other load")
            lines += ["", *table(head, [
                (name, _rate(one), f"{one.detail['progression_us']:.1f}", f"{one.detail['postgres_us']:.1f}", _load(one))
                for name, one in zip(names, found, strict=True)
            ])]  # fmt: skip
            busiest = max(one.detail["other_load"] for one in found)
            if busiest > BUSY_CORES:
                note = (
                    f"Measured while up to {busiest:.1f} of the cores were busy with other work, which changes rates and µs"
                    " alike: orders of size, not to be held against the other tables."
                )
                lines += ["", note]
            self.plots[f"{prefix}.svg"] = plots.lines(f"CPU an event by {title}", "µs", {
                part: [Point(number, one.detail[f"{part}_us"], name)
                       for number, (name, one) in enumerate(zip(names, found, strict=True))]
                for part in ("progression", "postgres")
            })  # fmt: skip
            lines += ["", f"![{title}](performance/{prefix}.svg)"]
        return ["## How the cost grows", "", GROWTH_NOTE, *lines]

    def _policies(self) -> list[str]:
        classroom, explained = self.figures["policy-classroom"], self.figures["explain"]
        note = (
            f"Under the classroom template progression folds {classroom.value:,.0f} events/s,"
            f" {classroom.versus['streak-3']:.2f} times what it does under streak-3 in the same run."
            f" A status of {explained.detail['pieces']:.0f} pieces among {explained.detail['standards']} competencies is"
            f" explained in {explained.detail['p50_ms']:.1f} ms (p50) and {explained.value:.1f} ms (p99)."
        )
        return ["## Policies", "", note]

    def _memory(self) -> list[str]:
        found = self._starting("soak-")
        detail = found[0].detail
        rows = [
            (one.name.removeprefix("soak-"), f"{one.value:.0f}", f"{one.detail['growth_mb']:+.1f}") for one in found
        ]
        series = {}
        for one in found:
            values = one.detail["series"]["mb"]
            step = detail["minutes"] / max(1, len(values) - 1)
            series[one.name.removeprefix("soak-")] = [
                Point(number * step, value, f"{number * step:.1f} min" if number in (0, len(values) - 1) else "")
                for number, value in enumerate(values)
            ]
        self.plots["memory.svg"] = plots.lines("Resident memory", "MB", series)
        rate = detail["events"] / (detail["minutes"] * 60)
        note = (
            f"{detail['minutes']} minutes, {detail['events']:,} events of {soak.LEARNERS:,} learners: {rate:,.0f} a second"
            f" were taken in of {soak.RATE:,} a second offered."
        )
        head = ("service", "MB at the end", "MB between the third and the fourth quarter")
        return ["## Memory", "", note, "", *table(head, rows), "", "![memory](performance/memory.svg)"]

    def _reconciliation(self) -> list[str]:
        one = self.figures["reconciliation-share"]
        parts = ", ".join(f"{part} {one.detail[f'{part}_ms']:.1f}" for part in (*SERVICES, "postgres"))
        return [
            "## Standing reconciliation", "",
            f"Every {one.detail['every_s']:.0f} s all stages are held against each other and 20 learners are refolded: CPU ms"
            f" a run over {one.detail['events']:,} events: {parts}. That is {one.value:.2f} % of the machine.",
        ]  # fmt: skip

    def measured(self) -> capacity.Cost:
        """Return what a piece of evidence costs, for the product to plan by."""
        one, known = (
            self.figures["end-to-end-kafka"].detail,
            self.figures[f"fold-learners-{growth.LEARNERS[-1]}"].detail,
        )
        return capacity.Cost(
            us={part: one[f"{part}_us"] for part in PARTS},
            postgres_bytes=one["postgres_bytes"],
            kafka_bytes=one["kafka_bytes"],
            state_bytes=(known["state_bytes"] + known["index_bytes"]) / growth.LEARNERS[-1],
        )

    def _capacity(self) -> list[str]:
        measured = self.measured()
        cost = sum(measured.us.values())
        loads = {name: capacity.Load(learners) for name, learners in TIERS.items()}
        rows = [
            (name, f"{load.learners:,}", f"{load.mean_per_s:,.0f}", f"{load.burst_per_s:,.0f}",
             f"{load.cores(cost):,.2f}", f"{load.evidence_a_year * measured.postgres_bytes / 1e9:,.0f} GB")
            for name, load in loads.items()
        ]  # fmt: skip
        note = (
            f"Computed, not measured, from {cost:.0f} µs of CPU an event end to end, servers included:"
            f" {capacity.EVIDENCE_A_DAY} pieces a learner over a school day of {capacity.SCHOOL_DAY_H} h, bursts of"
            f" {capacity.BURST} times the mean, cores {capacity.BUSY:.0%} busy in the burst, {capacity.SCHOOL_DAYS} school"
            f" days a year of {measured.postgres_bytes:,} bytes a piece in PostgreSQL (logs, journal and states; its"
            f" write-ahead log, replicas and Kafka's {measured.kafka_bytes:,} bytes a piece for seven days are not in it)."
            " It supposes that cost stays the same over more cores, which the partitions allow and this machine cannot show."
            " `attain plan --learners N` says what an installation of any size needs by it."
        )
        head = ("tier", "learners", "mean events/s", "burst events/s", "cores at the burst", "stored a year")
        return ["## Capacity", "", note, "", *table(head, rows)]

    def _anchors(self) -> list[str]:
        found, latency = self.figures["end-to-end-kafka"], self.figures["latency-p99"]
        refold, known = self.figures["refold"], self.figures[f"fold-learners-{growth.LEARNERS[-1]}"]
        cost = sum(self.measured().us.values())
        carried = capacity.learners(int(self.cores), cost)
        replayed = 412e6 / refold.value / 3600
        stored = known.detail["state_bytes"] / 1e6, known.detail["index_bytes"] / 1e6
        ours = {
            "mean": f"{found.value:,.0f}/s end to end on {self.cores} cores with servers",
            "fold": f"{self.figures['progression-fold'].value:,.0f}/s in one process, with scoring",
            "core": f"{1e6 / cost:,.0f}/s a core, servers included",
            "signing": f"{self.figures['signing'].value:,.0f} badges/s signed on one core, with a place in a status list",
            "refold": f"{refold.value:,.0f} pieces/s replayed on two cores: {replayed:.1f} h for 412 million, extrapolated",
            "learners": f"{growth.LEARNERS[-1]:,} learners, a state each: {stored[0]:,.0f} MB and {stored[1]:,.0f} MB of index",
            "tier": f"{self.cores} cores carry the tenfold burst of {carried / 1e6:.1f} million learners, computed",
            "latency": f"p99 {latency.value:.0f} ms to the public topic at {latency.detail['offered_per_s']}/s",
        }
        rows = [(what, number, source, ours[key]) for what, number, source, key in ANCHORS]
        note = "What others have published does other work on other machines; it shows the order of size."
        return ["## Beside published figures", "", note, "", *table(("what", "published", "source", "Attain"), rows)]

    def _named(self, *names: str) -> list[Figure]:
        return [self.figures[name] for name in names]

    def _starting(self, prefix: str) -> list[Figure]:
        return [figure for name, figure in self.figures.items() if name.startswith(prefix)]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table."""
    lines = ["| " + " | ".join(cells) + " |" for cells in rows]
    return ["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *lines]


def _rate(figure: Figure) -> str:
    return f"{figure.value:,.0f}"


def _runs(runs: Sequence[float]) -> str:
    return ", ".join(f"{run:,.0f}" for run in runs)


def _events(figure: Figure) -> str:
    return f"{figure.detail['events']:,}"


def _load(figure: Figure) -> str:
    return f"{figure.detail['other_load']:.1f}"
