"""The pages: what each role sees."""

import functools
from typing import Annotated

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse

from services.reporting.entrypoints.asking import part, token_of
from services.reporting.entrypoints.page_answers import PAGE_HEADERS, In, Who, shown
from services.reporting.handlers.digests import DigestReader
from services.reporting.handlers.learner_pages import LearnerPages
from services.reporting.handlers.pages import Pages
from services.reporting.handlers.place_pages import PlacePages
from services.reporting.web.rendering import STATIC

SCRIPTS = ("page.js", "waiting.js", "capture.js")
FILES = {**dict.fromkeys(SCRIPTS, "text/javascript"), "style.css": "text/css"}
router = APIRouter(include_in_schema=False)
Shows = Annotated[Pages, part("pages")]
OfLearner = Annotated[LearnerPages, part("learner_pages")]
Digests = Annotated[DigestReader, part("digests")]
OfPlaces = Annotated[PlacePages, part("place_pages")]


@router.get("/")
async def home(request: Request, caller: Who, words: In, shows: Shows) -> Response:
    """The start: classes, districts and what waits, or the learner's own page."""
    return await shown(request, caller, words, "home.html", shows.home)


@router.get("/learners/{learner}")
async def learner(request: Request, caller: Who, words: In, shows: OfLearner, learner: str) -> Response:
    """A learner's page: for staff with evidence and reasons, for learner and family in plain words."""
    as_family = request.query_params.get("as") == "family"
    make = functools.partial(shows.learner, learner=learner, as_family=as_family, language=words.language)
    return await shown(request, caller, words, "learner.html", make)


@router.get("/learners/{learner}/why/{competency:path}")
async def why(request: Request, caller: Who, words: In, shows: OfLearner, learner: str, competency: str) -> Response:
    """Why a competency stands where it does: evidence, rules, the smallest change."""
    make = functools.partial(shows.why, learner=learner, competency=competency, language=words.language)
    return await shown(request, caller, words, "why.html", make)


@router.get("/classes/{class_id:path}")
async def class_page(request: Request, caller: Who, words: In, shows: Shows, class_id: str) -> Response:
    """A class: what needs attention, where everyone stands, who is ready for what."""
    return await shown(request, caller, words, "class.html", functools.partial(shows.class_, class_id=class_id))


@router.get("/terms/{term}/learners/{learner}")
async def term_of_learner(
    request: Request, caller: Who, words: In, shows: OfLearner, term: str, learner: str
) -> Response:
    """What a closed term ended with for a learner, with what amends it; to be printed."""
    make = functools.partial(shows.term_of_learner, term=term, learner=learner)
    return await shown(request, caller, words, "term_learner.html", make)


@router.get("/terms/{term}/classes/{class_id:path}")
async def term_of_class(request: Request, caller: Who, words: In, shows: Shows, term: str, class_id: str) -> Response:
    """What a closed term ended with for a class, with what amends it; to be printed."""
    make = functools.partial(shows.term_of_class, term=term, class_id=class_id)
    return await shown(request, caller, words, "term_class.html", make)


@router.get("/terms/{term}/districts/{district:path}")
async def term_of_district(
    request: Request, caller: Who, words: In, shows: OfPlaces, term: str, district: str
) -> Response:
    """What a closed term ended with in a district, in numbers; to be printed."""
    make = functools.partial(shows.term_of_district, term=term, district=district)
    return await shown(request, caller, words, "term_places.html", make)


@router.get("/terms/{term}/schools/{school:path}")
async def term_of_school(request: Request, caller: Who, words: In, shows: OfPlaces, term: str, school: str) -> Response:
    """What a closed term ended with in a school, in numbers; to be printed."""
    make = functools.partial(shows.term_of_school, term=term, school=school)
    return await shown(request, caller, words, "term_places.html", make)


@router.get("/districts/{district:path}")
async def district(
    request: Request, caller: Who, words: In, shows: OfPlaces, district: str, group: str | None = None
) -> Response:
    """A district for its leaders: levels, what waits, testing, schools, groups."""
    make = functools.partial(shows.district, district=district, group=group)
    return await shown(request, caller, words, "district.html", make)


@router.get("/schools/{school:path}/growth")
async def growth_of_school(
    request: Request, caller: Who, words: In, shows: OfPlaces, school: str, after: str = ""
) -> Response:
    """The learners behind a school's growth, for those whom the roster lists there as leaders."""
    make = functools.partial(shows.growth_of_school, school=school, after=after[:512])
    return await shown(request, caller, words, "school_growth.html", make)


@router.get("/schools/{school:path}")
async def school(request: Request, caller: Who, words: In, shows: OfPlaces, school: str) -> Response:
    """A school for its leaders: levels, and what waits."""
    return await shown(request, caller, words, "school.html", functools.partial(shows.school, school=school))


@router.get("/digest")
async def digest(request: Request, caller: Who, words: In, shows: Digests) -> Response:
    """What to look through once a week or a month; to be printed."""
    return await shown(request, caller, words, "digest.html", shows.page)


@router.get("/policies")
async def policies(request: Request, caller: Who, words: In, shows: Shows) -> Response:
    """The policies in force, each in six sentences."""
    return await shown(
        request, caller, words, "policies.html", functools.partial(shows.policies, language=words.language)
    )


@router.get("/find")
async def find(request: Request, caller: Who, words: In, shows: Shows, q: str = "") -> Response:
    """Learners by name or source id."""
    make = functools.partial(shows.find, q=q[:200], token=token_of(request))
    return await shown(request, caller, words, "find.html", make)


@router.get("/favicon.ico")
async def icon() -> Response:
    """No icon: the mark is drawn by the style."""
    return Response(status_code=204, headers={"Cache-Control": "public, max-age=86400"})


@router.get("/web/{name}")
async def web_file(name: str) -> Response:
    """The scripts and the style of the pages."""
    if name not in FILES:
        return Response(status_code=404)
    headers = PAGE_HEADERS | {"Cache-Control": "no-cache"}
    return FileResponse(STATIC / name, media_type=FILES[name], headers=headers)
