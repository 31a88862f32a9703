"""A policy on a card: six plain sentences for families and boards, and what it asks of a learner in a year."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from services.progression.domain.policy.effort import AT_THE_CUT, PIECES_MAX, STANDARDS, Effort, Pieces, effort_of
from services.progression.domain.policy.facts import said
from services.progression.domain.policy.language import Policy
from services.progression.domain.policy.members import Sufficiency
from services.progression.domain.policy.phrases import Language, Phrases, phrases
from services.progression.domain.policy.requirements import Group, Require
from services.progression.domain.policy.rule import Track
from services.progression.domain.policy.support import Support
from shared.contracts.internal_events import Kind

KINDS: tuple[Kind, ...] = ("summative", "formative", "performance", "observation", "practice", "self")


class Card(NamedTuple):
    """The sentences, in the order of a learner's way; what the policy asks; and that in words."""

    sentences: tuple[str, ...]
    effort: Effort
    asks: tuple[str, ...]


def card_of(policy: Policy, language: Language = "en", effort: Effort | None = None) -> Card:
    """Return the card of a policy in a language; an `effort` that is known spares 60 to 700 ms of folding work."""
    effort = effort if effort is not None else effort_of(policy.rule)
    writer = _Writer(policy, language)
    return Card(writer.sentences(), effort, tuple(writer.asks(effort)))


class _Writer:
    """Writes the card of one policy: chooses what is to be said, in the phrases of a language."""

    def __init__(self, policy: Policy, language: Language) -> None:
        self._policy = policy
        self._language = language
        self._say: Phrases = phrases(language)

    def sentences(self) -> tuple[str, ...]:
        return self._counts(), self._joins(), self._opens(), self._records(), self._keeps(), self._advances()

    def _counts(self) -> str:
        say, scale, evidence = self._say, self._policy.scale, self._policy.evidence
        if scale is None:
            aim = say("aim.share")
        else:
            label = next((f' ("{name}")' for point, name in scale.labels.items() if float(point) == scale.mastery), "")
            aim = say("aim.scale", min=scale.min, max=scale.max, goal=scale.mastery, label=label)
        never = [say(f"kinds.{kind}") for kind in KINDS if evidence.kinds.get(kind) == 0]
        counted = [say(f"kinds.{kind}") for kind in KINDS if evidence.kinds.get(kind) != 0]
        kinds = say("kinds.some", counted=say.join(counted), never=say.join(never)) if never else say("kinds.all")
        return say("counts", aim=aim, kinds=kinds, assisted=say(f"assisted.{evidence.assisted}"))

    def _joins(self) -> str:
        say, evidence = self._say, self._policy.evidence
        told = [say(f"collapse.{evidence.collapse}"), say(f"again.{evidence.reassess}")]
        if evidence.min_items:
            told.append(say("small_quiz", n=evidence.min_items))
        if evidence.missing == "min":
            told.append(say("missing"))
        window = evidence.window
        if window is not None and window.last is not None:
            told.append(say("window.last", n=window.last))
        if window is not None and window.since is not None:
            told.append(say("window.since", day=window.since))
        return f"{'; '.join(told)}."

    def _opens(self) -> str:
        provisional = self._policy.provisional
        if provisional is None:
            return self._say("opens.never")
        need = provisional.sufficiency
        return self._say("opens", shows=self._shows(self._words(self._policy.rule.tracks[0]), need, need.kinds_all))

    def _words(self, track: Track) -> str:
        return said(track.asked, self._language)

    def _records(self) -> str:
        say, rule = self._say, self._policy.rule
        ways: dict[tuple[str, Sufficiency, str], list[Kind]] = {}
        told: list[str] = []
        for route in rule.routes:
            track = rule.tracks[route.track]
            if rule.provisional and route.track == 0:
                told.append(say("early.role", role=say.role(route.role)) if route.role else say("early.alone"))
                continue
            # Paths that differ in the one kind of work they ask for are one way, with a choice of kinds.
            one = track.need.kinds_all if len(track.need.kinds_all) == 1 else ()
            rest = track.need.model_copy(update={"kinds_all": ()}) if one else track.need
            ways.setdefault((self._words(track), rest, route.role), []).extend(one)
        told += [
            self._shows(words, need, kinds) + (say("signed.confirms", role=say.role(role)) if role else "")
            for (words, need, role), kinds in ways.items()
        ]
        confirmed = say.count(rule.confirm_on, "confirmed") if rule.confirm_on else ""
        return say("records", ways=say("ways").join(told), confirmed=confirmed)

    def _keeps(self) -> str:
        say, rule, upkeep = self._say, self._policy.rule, self._policy.upkeep
        asks = []
        if rule.follows:
            asks.append(say("keeps.follows"))
        if rule.below is not None:
            many = "one" if rule.below_last == 1 else "many"
            asks.append(say(f"keeps.below.{many}", n=say.number(rule.below_last), cut=rule.below))
        if rule.checked_by_use:
            asks.append(say("keeps.begun"))
        if rule.reverify_days:
            asks.append(say("keeps.age", n=rule.reverify_days))
        if not asks:
            return say("keeps.never", keeps=say("keeps"))
        by_use = say("keeps.by_use") if upkeep.by_use else ""
        limit = say.count(upkeep.max_per_week, "keeps.limit") if upkeep.max_per_week else ""
        return say("keeps.due", keeps=say("keeps"), asks=say.join(asks, "or"), by_use=by_use, limit=limit)

    def _advances(self) -> str:
        say, advancement = self._say, self._policy.advancement
        if advancement is None:
            return say("advances.default")
        by = advancement.sign_off.by if advancement.sign_off is not None else ""
        signed = say("signed.off", role=say.role(by)) if by else say("signed.nobody")
        return say("advances", required=say.join(self._required(advancement.require)), signed=signed)

    def _required(self, require: Require) -> Iterator[str]:
        say = self._say
        if require.power is not None:
            yield say("require.power", tier=say(f"tier.one.{require.power}"))
        if require.supporting is not None:
            tier = say(f"tier.many.{require.supporting.at}")
            yield say("require.supporting", share=require.supporting.share * 100, tier=tier)
        if require.all:
            yield say.count(len(require.all), "require.all")
        if require.any:
            yield say("require.any", standards=say.count(len(require.any), "standard"))
        for group in (*require.k_of, *require.electives):
            yield self._choice(group)

    def _choice(self, group: Group) -> str:
        say, many = self._say, "one" if group.k == 1 else "many"
        among = say("among.group", group=group.group) if group.group else say("among.named")
        return say(
            f"require.of.{many}", n=say.number(group.k), standards=say.count(len(set(group.of)), "standard"), among=among,
            tier=say(f"tier.{many}.{group.at}"),
        )  # fmt: skip

    def _shows(self, words: str, need: Sufficiency, kinds: Sequence[Kind]) -> str:
        """Say what a method asks for and on how much work; `kinds` must each be in it, or any one where `need` has none."""
        say, base = self._say, []
        if need.min_evidence > 1:
            base.append(say("at_least.count", count=say.count(need.min_evidence, "piece")))
        if need.min_activities > 1:
            base.append(say.count(need.min_activities, "activity"))
        if need.min_occasions > 1:
            base.append(say.count(need.min_occasions, "occasion" if need.occasion_gap_h else "school_day"))
        if need.min_assessors > 1:
            base.append(say.count(need.min_assessors, "assessor"))
        if need.min_items:
            base.append(say("at_least.count", count=say.count(need.min_items, "question")))
        if kinds:
            base.append(say.join([say(f"kind.{kind}") for kind in kinds], "and" if need.kinds_all else "or"))
        base += [say("deep.tagged" if depth.when_tagged else "deep") for depth in need.depths]
        if need.max_age_days:
            base.append(say("shows.age", n=need.max_age_days))
        return say("shows", words=words, base=say("shows.with", base=say.join(base)) if base else "")

    def asks(self, effort: Effort) -> Iterator[str]:
        say = self._say
        if effort.provisional is not None:
            yield say("asks.provisional", pieces=self._pieces(effort.provisional))
        signed = "".join(say("asks.signed", role=say.role(role)) for role in effort.signed)
        yield say("asks.mastered", pieces=self._pieces(effort.mastered), signed=signed)
        if self._policy.support is not None:
            yield self._helps(self._policy.support)
        year = effort.rechecks_a_year
        begun = say("asks.begun") if self._policy.rule.checked_by_use else ""
        known = {"year": year, "all": round(year * STANDARDS), "standards": STANDARDS, "begun": begun}
        yield say("asks.rechecks", **known) if year else say("asks.no_rechecks")
        yield say("asks.typical", share=AT_THE_CUT)

    def _helps(self, support: Support) -> str:
        """Say when an adult is asked for support."""
        say, when = self._say, []
        work, practice, waits = support.class_work, support.practice, support.waits
        if work is not None:
            when.append(say("helps.class_work", pieces=say.count(work.pieces, "piece"), below=say.number(work.below)))
        if practice is not None:
            when.append(say("helps.practice", items=practice.items, days=say.count(practice.days, "day")))
        if waits.sign_off is not None:
            when.append(say("helps.sign_off", days=say.count(waits.sign_off, "school_day")))
        if waits.placement is not None:
            when.append(say("helps.placement", days=say.count(waits.placement, "school_day")))
        if waits.ungraded is not None:
            when.append(say("helps.ungraded", days=say.count(waits.ungraded, "school_day")))
        return say("helps", when=say.join(when, "or")) if when else say("helps.never")

    def _pieces(self, pieces: Pieces) -> str:
        say, more = self._say, self._say("pieces.more", n=PIECES_MAX)
        fewest = say.count(pieces.fewest, "piece") if pieces.fewest else say("pieces.fewest_more", n=PIECES_MAX)
        most = say("pieces.most", n=pieces.nine_in_ten) if pieces.nine_in_ten else more
        return say("pieces", fewest=fewest, typical=pieces.typical or more, most=most)
