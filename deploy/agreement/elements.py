"""The elements of data that are held, in the categories in which US district agreements ask for them."""

from typing import NamedTuple

EXHIBIT_B = {
    "Application Technology Metadata": ("IP addresses of users, use of cookies, etc.", "Other application technology metadata"),
    "Application Use Statistics": ("Meta data on user interaction with application",),
    "Assessment": ("Standardized test scores", "Observation data", "Voice recordings", "Other assessment data"),
    "Attendance": ("Student school (daily) attendance data", "Student class attendance data"),
    "Communications": ("Online communications captured (emails, blog entries)",),
    "Conduct": ("Conduct or behavioral data",),
    "Demographics": (
        "Date of birth", "Place of birth", "Gender", "Ethnicity or race",
        "Language information (native, or primary language spoken by student)", "Other demographic information",
    ),
    "Enrollment": (
        "Student school enrollment", "Student grade level", "Homeroom", "Guidance counselor",
        "Specific curriculum programs", "Year of graduation", "Other enrollment information",
    ),
    "Parent/Guardian Contact Information": ("Address", "Email", "Phone"),
    "Parent/Guardian ID": ("Parent ID number (created to link parents to students)",),
    "Parent/Guardian Name": ("First and/or last",),
    "Schedule": ("Student scheduled courses", "Teacher names"),
    "Special Indicator": (
        "English language learner information", "Low income status", "Medical alerts/health data",
        "Student disability information", "Specialized education services (IEP or 504)",
        "Living situations (homeless/foster care)", "Other indicator information",
    ),
    "Student Contact Information": ("Address", "Email", "Phone"),
    "Student Identifiers": (
        "Local (school district) ID number", "State ID number", "Provider/App assigned student ID number",
        "Student app username", "Student app passwords",
    ),
    "Student Name": ("First and/or last",),
    "Student In App Performance": ("Program/application performance",),
    "Student Program Membership": ("Academic or extracurricular activities a student may belong to or participate in",),
    "Student Survey Responses": ("Student responses to surveys or questionnaires",),
    "Student work": ("Student generated content; writing, pictures, etc.", "Other student work data"),
    "Transcript": (
        "Student course grades", "Student course data", "Student course grades/performance scores", "Other transcript data",
    ),
    "Transportation": (
        "Student bus assignment", "Student pick up and/or drop off location", "Student bus card ID number",
        "Other transportation data",
    ),
    "Other": ("Other data collected",),
}  # fmt: skip
"""Exhibit B, "Schedule of Data", of the National Data Privacy Agreement of A4L, version 1: category, and its elements."""


class Element(NamedTuple):
    """One kind of data: what it is, why it is held, and where it stands in `EXHIBIT_B`."""

    what: str
    purpose: str
    exhibit_b: tuple[tuple[str, str], ...]
    always: bool = True
    """Whether every installation has it; else only those that send it."""

    @property
    def label(self) -> str:
        """What it is, without its parts."""
        return self.what.partition(":")[0]


PERFORMANCE = ("Student In App Performance", "Program/application performance")
NO_PERSON = "-"
"""The key of what says nothing of a person: rules, counts, places in logs."""
ELEMENTS = {
    "opaque": Element(
        "random id of a learner", "says whose a row is without saying who that is; the only id in events and topics",
        (("Student Identifiers", "Provider/App assigned student ID number"),),
    ),
    "source id": Element(
        "id by which a learning or information system knows a learner", "finds whose evidence arrives, and whom to answer about",
        (("Student Identifiers", "Local (school district) ID number"), ("Student Identifiers", "Student app username")),
    ),
    "name": Element(
        "name of a learner", "shown to who may see the learner; in no event, log or topic",
        (("Student Name", "First and/or last"),), always=False,
    ),
    "evidence": Element(
        "a piece of evidence: activity, score or level, when, attempt, depth, who or what assessed",
        "from it follows what is mastered, and it explains why",
        (("Assessment", "Observation data"), ("Assessment", "Other assessment data"),
         ("Assessment", "Standardized test scores"), PERFORMANCE),
    ),
    "accommodations": Element(
        "accommodations that a piece was done with, and whether it was assisted",
        "so that accommodated work counts in full; in no public event",
        (("Special Indicator", "Specialized education services (IEP or 504)"),), always=False,
    ),
    "free text": Element(
        "what a source adds to a piece or states beside it, which may name people: name of the activity, extensions, statements",
        "lets the district look up what was sent; in no event",
        (("Student work", "Other student work data"),), always=False,
    ),
    "standing": Element(
        "status, score and dates of each competency and level, with what is missing and what was told of it",
        "the record itself: what a learner has shown and may begin",
        (PERFORMANCE, ("Transcript", "Student course grades/performance scores"), ("Transcript", "Other transcript data")),
    ),
    "decision": Element(
        "what people decided of a learner: sign-offs, overrides, credits, placements, goals, with role and reason",
        "keeps who decided what and why, beside what the evidence says",
        (("Assessment", "Other assessment data"), ("Enrollment", "Other enrollment information")),
    ),
    "class": Element(
        "classes that a learner is in, and the school through them",
        "says whose teacher may see the record, and to which school's numbers it counts",
        (("Enrollment", "Student school enrollment"), ("Schedule", "Student scheduled courses")),
    ),
    "group": Element(
        "values of groups that the district imports for reports on equity: programs, grades, English learners, what it chooses",
        "reports without small numbers; never in a decision, an event or on a page of one learner",
        (("Demographics", "Gender"), ("Demographics", "Ethnicity or race"), ("Demographics", "Other demographic information"),
         ("Enrollment", "Student grade level"), ("Special Indicator", "English language learner information"),
         ("Special Indicator", "Low income status"), ("Special Indicator", "Student disability information"),
         ("Special Indicator", "Specialized education services (IEP or 504)"),
         ("Special Indicator", "Other indicator information"),
         ("Student Program Membership", "Academic or extracurricular activities a student may belong to or participate in")),
        always=False,
    ),
    "family": Element(
        "id of a guardian or adviser of a learner", "says who may see a record because of the learner",
        (("Parent/Guardian ID", "Parent ID number (created to link parents to students)"), ("Enrollment", "Guidance counselor")),
        always=False,
    ),
    "request": Element(
        "what a learner or guardian asks to be looked at again, what was done, and what they state where it was refused",
        "challenges of accuracy, answered by the school; a statement is told wherever the record is",
        (("Communications", "Online communications captured (emails, blog entries)"),), always=False,
    ),
    "support": Element(
        "that an adult was asked to help, why and until when", "so that nobody waits unseen; for few roles, never in an export",
        (("Other", "Other data collected"),), always=False,
    ),
    "looks": Element(
        "who looked at, sent, exported or erased what of whom, and when", "accounts for access to records, also to the learner",
        (("Application Use Statistics", "Meta data on user interaction with application"),),
    ),
    "disclosure": Element(
        "which system was told what of a learner, on which day and for what purpose", "the record of disclosures (34 CFR 99.32)",
        (("Other", "Other data collected"),), always=False,
    ),
    "staff": Element(
        "id, role and name of staff, and what they did", "rights to see and to decide; who is to be asked",
        (("Schedule", "Teacher names"),),
    ),
}  # fmt: skip
COOKIES = ("Application Technology Metadata", "IP addresses of users, use of cookies, etc.")
"""Held by the browser alone: no table has it."""
