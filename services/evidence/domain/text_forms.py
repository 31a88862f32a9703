"""The forms that texts from outside have to have, as the patterns that types are given, and in words for whoever sent another."""

COMPETENCY = r"^[A-Za-z0-9._-]+:."
NO_CONTROLS = r"^[^\x00-\x1f\x7f]+\Z"
NO_NUL = r"^[^\x00]*\Z"
DAY = r"^\d{4}-\d{2}-\d{2}\Z"
IN_WORDS = {
    COMPETENCY: "expected a framework and a code, such as math:add",
    NO_CONTROLS: "expected text without line breaks or other control characters",
    NO_NUL: "expected text without NUL characters",
    DAY: "expected a day, such as 2026-03-04",
}
