"""
The terms of Caliper 1.1 and 1.2: types, profiles, actions, and what goes where, as far as intake holds messages to them.

Source: Caliper Analytics 1.1 and 1.2, properties of events and entities, and the profiles.
"""

import re

CONTEXT = re.compile(r"http://purl\.imsglobal\.org/ctx/caliper/v1p[12](?:/[A-Za-z]+Profile-extension)?")
PROFILES = frozenset(
    f"{name}Profile"
    for name in (
        "Annotation", "Assessment", "Assignable", "Feedback", "Forum", "General", "Grading", "Media", "Reading",
        "ResourceManagement", "Search", "Session", "Survey", "ToolLaunch", "ToolUse", "BasicTool",
    )
)  # fmt: skip
RESOURCES = frozenset((
    "DigitalResource", "AssignableDigitalResource", "Assessment", "AssessmentItem", "AudioObject", "Chapter", "Document",
    "Forum", "Frame", "ImageObject", "LtiLink", "MediaLocation", "MediaObject", "Message", "Page", "Question",
    "DateTimeQuestion", "MultiselectQuestion", "OpenEndedQuestion", "RatingScaleQuestion", "Questionnaire",
    "QuestionnaireItem", "Reading", "Survey", "SurveyInvitation", "Thread", "VideoObject", "WebPage", "Collection",
    "DigitalResourceCollection", "Link", "epubChapter", "epubPart", "epubSubChapter", "epubVolume",
))  # fmt: skip
RESPONSES = frozenset((
    "Response", "DateTimeResponse", "FillinBlankResponse", "MultipleChoiceResponse", "MultipleResponseResponse",
    "MultiselectResponse", "OpenEndedResponse", "RatingScaleResponse", "SelectTextResponse", "TrueFalseResponse",
))  # fmt: skip
AGENTS = frozenset((
    "Agent", "Person", "SoftwareApplication", "Organization", "CourseOffering", "CourseSection", "Group",
))  # fmt: skip
TYPES = (
    RESOURCES
    | RESPONSES
    | AGENTS
    | frozenset((
        "Entity", "AggregateMeasure", "AggregateMeasureCollection", "Annotation", "BookmarkAnnotation",
        "HighlightAnnotation", "SharedAnnotation", "TagAnnotation", "Attempt", "Comment", "LearningObjective",
        "Membership", "Query", "Rating", "Result", "Scale", "LikertScale", "MultiselectScale", "NumericScale", "Score",
        "SearchResponse", "Session", "LtiSession", "SystemIdentifier", "TextPositionSelector", "Selector",
    ))
)  # fmt: skip
SELECTORS = frozenset(("Selector", "TextPositionSelector"))
OPAQUE = frozenset(("messageParameters", "launchParameters"))
"""Properties whose content is of another specification."""
SESSIONS = frozenset(("Session", "LtiSession"))
ASSIGNABLE = frozenset(("AssignableDigitalResource", "Assessment", "AssessmentItem", "Questionnaire", "Survey"))
OF_ENTITY: dict[str, frozenset[str]] = {
    "actor": AGENTS, "assignee": AGENTS, "scoredBy": AGENTS, "attempt": frozenset(("Attempt",)),
    "assignable": RESOURCES, "edApp": frozenset(("SoftwareApplication",)), "membership": frozenset(("Membership",)),
    "session": SESSIONS, "federatedSession": frozenset(("LtiSession",)), "user": AGENTS, "group": AGENTS,
    "member": AGENTS, "organization": AGENTS,
}  # fmt: skip
"""Types of an entity, or its IRI, by the name of the property."""
OF_PEOPLE = frozenset((
    "actor", "assignee", "scoredBy", "user", "member", "creator", "creators", "annotator", "withAgents", "commenter", "rater",
))  # fmt: skip
"""Properties that name a person, or several, by an IRI alone as well."""
OF_ENTITIES: dict[str, frozenset[str]] = {
    "otherIdentifiers": frozenset(("SystemIdentifier",)), "learningObjectives": frozenset(("LearningObjective",)),
}  # fmt: skip
NUMBERS = frozenset(
    ("maxScore", "scoreGiven", "maxResultScore", "resultScore", "normalScore", "totalScore", "penaltyScore")
)
INTEGERS = frozenset(("count", "maxAttempts", "maxSubmits"))
TEXTS = frozenset(("comment", "name", "description", "action", "sensor", "dataVersion"))
INSTANT = re.compile(r"date[A-Z]\w*|\w+AtTime|eventTime|sendTime")
ACTIONS: dict[str, frozenset[str]] = {
    "GradeEvent": frozenset(("Graded",)),
    "AssessmentEvent": frozenset(("Started", "Paused", "Resumed", "Restarted", "Reset", "Submitted")),
    "AssessmentItemEvent": frozenset(("Started", "Skipped", "Completed")),
    "AssignableEvent": frozenset(("Activated", "Deactivated", "Started", "Completed", "Submitted", "Reviewed")),
    "ViewEvent": frozenset(("Viewed",)),
}
ROLES: dict[tuple[str, str], frozenset[str]] = {
    ("GradeEvent", "object"): frozenset(("Attempt",)),
    ("GradeEvent", "generated"): frozenset(("Score", "Result")),
    ("AssessmentEvent", "object"): frozenset(("Assessment",)),
    ("AssessmentEvent", "generated"): frozenset(("Attempt",)),
    ("AssessmentItemEvent", "object"): frozenset(("AssessmentItem",)),
    ("AssessmentItemEvent", "generated"): RESPONSES | {"Attempt"},
    ("AssignableEvent", "object"): ASSIGNABLE,
    ("AssignableEvent", "generated"): frozenset(("Attempt",)),
    ("AssignableEvent", "target"): frozenset(("Frame",)),
}
ITEMS: dict[str, frozenset[str]] = {
    "Assessment": frozenset(("AssessmentItem",)), "Questionnaire": frozenset(("QuestionnaireItem",)),
}  # fmt: skip
