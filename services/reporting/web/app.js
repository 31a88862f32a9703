// The page of Attain. All data becomes text nodes, never markup, so nothing that was recorded can act here.

const WORDS = {
  no_evidence: ["none", "not enough evidence yet"],
  insufficient_evidence: ["none", "not enough evidence yet"],
  not_yet: ["open", "not yet shown"],
  provisional: ["shown", "shown, to be confirmed"],
  mastered: ["shown", "shown"],
  credited: ["shown", "credited"],
  presumed: ["open", "taken as known to start"],
  reverify_due: ["check", "needs a re-check"],
  overridden: ["open", "decided by a person"],
};
const MARKS = { shown: "●", check: "◐", open: "○", none: "·", ready: "→" };
const names = new Map();
const main = document.getElementById("main");

// ---- elements ------------------------------------------------------------------------------------------------------

function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined).map(asNode));
  return node;
}

function asNode(child) {
  return child instanceof Node ? child : document.createTextNode(String(child));
}

function bar(part, whole) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("class", "bar");
  svg.setAttribute("viewBox", "0 0 100 1");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  const rect = document.createElementNS(space, "rect");
  rect.setAttribute("height", "1");
  rect.setAttribute("width", whole ? (100 * part) / whole : 0);
  svg.append(rect);
  return svg;
}

function words(status) {
  return WORDS[status] ?? ["open", status.replaceAll("_", " ")];
}

function chip(status) {
  const [kind, text] = words(status);
  return el("span", { class: `chip ${kind}` }, el("span", { "aria-hidden": "true" }, MARKS[kind]), text);
}

function day(instant) {
  if (!instant) return "";
  const options = { year: "numeric", month: "short", day: "numeric", timeZone: "UTC" };
  return el("time", { datetime: instant, class: "when" }, new Date(instant).toLocaleDateString(undefined, options));
}

function count(number, one, many) {
  return `${number} ${number === 1 ? one : many}`;
}

function called(learner) {
  return names.get(learner) ?? (learner.length > 14 ? `Learner ${learner.slice(0, 8)}…` : `Learner ${learner}`);
}

function learnerPath(learner) {
  return `#/learners/${encodeURIComponent(learner)}`;
}

function show(title, ...content) {
  document.title = title === "Attain" ? title : `${title} · Attain`;
  main.replaceChildren(...content.flat().filter(Boolean));
  document.getElementById("said").textContent = title;
  window.scrollTo(0, 0);
  main.focus({ preventScroll: true });
}

function note(text) {
  return el("p", { class: "note" }, text);
}

// ---- token ---------------------------------------------------------------------------------------------------------

// `#token=…` signs in, `#token=…&view=learners/<id>` goes on to a view; neither stays in the address.
function takeTokenFromAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  if (!given.get("token")) return;
  sessionStorage.setItem("token", given.get("token"));
  history.replaceState(null, "", `${location.pathname}#/${given.get("view") ?? ""}`);
}

function claims() {
  try {
    const body = sessionStorage.getItem("token").split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(body), (c) => c.charCodeAt(0))));
  } catch {
    return {};
  }
}

function hasScope(...wanted) {
  const scopes = (claims().scope ?? "").split(" ");
  return wanted.some((scope) => scopes.includes(scope));
}

function askForToken(reason) {
  sessionStorage.removeItem("token");
  names.clear();
  const field = el("input", { id: "token", type: "password", autocomplete: "off", required: true, spellcheck: "false" });
  const form = el("form", {}, field, el("button", { type: "submit" }, "Open"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    sessionStorage.setItem("token", field.value.trim());
    route();
  });
  show("Attain", el("section", { class: "card sign-in" },
    el("h1", {}, "Learner records"),
    el("p", { class: "sub" }, "What each learner has shown, what is next, and what needs a re-check."),
    reason ? note(reason) : null,
    el("label", { for: "token" }, "Access token"), form,
    el("p", { class: "small" }, "It is kept in this tab only and forgotten when you close it.")));
  field.focus();
}

// ---- requests ------------------------------------------------------------------------------------------------------

class Problem extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

async function get(path) {
  const headers = { Authorization: `Bearer ${sessionStorage.getItem("token")}` };
  const answer = await fetch(path, { headers });
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Problem(answer.status, body.detail ?? answer.statusText);
  return body;
}

function people(body) {
  const found = Array.isArray(body) ? body : (body.items ?? body.learners ?? (body.learner ? [body] : []));
  return found.map((person) => (typeof person === "string" ? { learner: person } : person));
}

function nameOf(person) {
  return person.name ?? ([person.given_name, person.family_name].filter(Boolean).join(" ") || null);
}

// ---- views ---------------------------------------------------------------------------------------------------------

async function home() {
  if (!hasScope("records:read", "records:read:classes") && claims().learner) {
    location.replace(learnerPath(claims().learner));
    return;
  }
  const classes = (await get("/v1/classes")).items;
  const districts = hasScope("records:read") ? (await get("/v1/districts")).items : [];
  show("Classes", el("h1", {}, "Classes"),
    el("p", { class: "sub" }, classes.length
      ? count(classes.length, "class", "classes")
      : "No classes are listed for you yet. You can still find a learner above."),
    el("ul", { class: "tiles" }, classes.map((one) => el("li", {},
      el("a", { class: "tile", href: `#/classes/${encodeURIComponent(one.class)}` },
        el("strong", {}, one.title),
        el("span", { class: "small" },
          [one.subject, one.school_title ?? one.school, count(one.learners, "learner", "learners")]
            .filter(Boolean).join(" · ")))))),
    districts.length ? [el("h2", { class: "later" }, "Districts"), el("ul", { class: "tiles" }, districts.map((one) =>
      el("li", {}, el("a", { class: "tile", href: `#/districts/${encodeURIComponent(one.district)}` },
        el("strong", {}, one.title), el("span", { class: "small" }, count(one.schools, "school", "schools"))))))] : null);
}

async function find(q) {
  let found = [];
  try {
    found = people(await get(`/v1/people?q=${encodeURIComponent(q)}`));
  } catch (problem) {
    if (problem.status === 401) throw problem;
  }
  for (const person of found) if (nameOf(person)) names.set(person.learner, nameOf(person));
  if (!found.length) {
    // Perhaps it is an opaque id: the record knows.
    try {
      return showRecord(await get(`/v1/learners/${encodeURIComponent(q)}/record`));
    } catch (problem) {
      if (problem.status === 401) throw problem;
    }
  }
  if (found.length === 1) {
    location.hash = learnerPath(found[0].learner);
    return null;
  }
  return show(`Search: ${q}`, el("p", { class: "crumb" }, el("a", { href: "#/" }, "Classes")), el("h1", {}, "Learners"),
    el("p", { class: "sub" }, found.length
      ? `${count(found.length, "learner", "learners")} for “${q}”`
      : `Nobody was found for “${q}”. Try a full name, or the id of the learning system.`),
    el("ul", { class: "tiles" }, found.map((person) => el("li", {},
      el("a", { class: "tile", href: learnerPath(person.learner) }, el("strong", {}, called(person.learner)),
        el("span", { class: "small" }, [person.source_id, person.source].filter(Boolean).join(" · ")))))));
}

async function record(learner) {
  const [body] = await Promise.all([get(`/v1/learners/${encodeURIComponent(learner)}/record`), learnNames([learner])]);
  showRecord(body);
}

async function learnNames(learners) {
  // Names are asked for one by one, and only for people on the screen; who may not see them sees ids.
  if (!hasScope("records:read")) return;
  const unknown = learners.filter((learner) => !names.has(learner)).slice(0, 60);
  await Promise.all(unknown.map(async (learner) => {
    try {
      const name = nameOf(await get(`/v1/people/${encodeURIComponent(learner)}`));
      if (name) names.set(learner, name);
    } catch {
      // A record is readable without a name.
    }
  }));
}

function showRecord(body) {
  const ready = new Set(body.next.map((step) => step.competency));
  const placed = new Set();
  const subjects = body.subjects.map((subject) => {
    const items = body.items.filter((i) => i.framework === subject.framework && i.subject === subject.subject && i.title);
    items.forEach((item) => placed.add(item.competency));
    return subjectCard(subject, items, ready);
  });
  const rest = body.items.filter((item) => !placed.has(item.competency));
  show(called(body.learner),
    hasScope("records:read", "records:read:classes")
      ? el("p", { class: "crumb" }, el("a", { href: "#/" }, "Classes")) : null,
    el("h1", {}, called(body.learner)),
    el("p", { class: "sub" }, names.has(body.learner) ? `Id ${body.learner}` : "Learner record"),
    body.stale ? note("Something about this learner is still being read; this page may not be complete.") : null,
    subjects.length || rest.length ? null : note("There is no evidence yet. Nothing is missing: this is the start."),
    subjects,
    rest.length ? el("section", { class: "card" }, el("h2", {}, "Outside the current frameworks"), table(rest, ready)) : null);
}

function subjectCard(subject, items, ready) {
  const place = subject.current_level === null ? null : `Working at ${levelName(subject.current_level)}`;
  return el("section", { class: "card" },
    el("div", { class: "head" },
      el("h2", {}, subject.subject ?? subject.framework),
      el("span", { class: "figure" }, el("b", {}, subject.mastered), ` of ${subject.total} shown`)),
    el("p", { class: "small" }, [place, subject.subject ? subject.framework : null].filter(Boolean).join(" · ")),
    el("ol", { class: "levels", "aria-label": "Levels" }, subject.levels.map((level) => levelBox(level, subject))),
    el("div", { class: "two" },
      el("div", {}, el("h3", {}, "What is next"), steps(subject.next.slice(0, 5), "ready", "ready",
        "Everything here is shown or waits for something else first.")),
      el("div", {}, el("h3", {}, "What needs a re-check"), steps(subject.review, "check", "needs a re-check",
        "Nothing needs a re-check."))),
    items.length ? el("details", { open: items.length <= 12 },
      el("summary", {}, `Every competency with evidence (${items.length})`), table(items, ready)) : null);
}

function levelName(level) {
  return /^\d/.test(level) ? `level ${level}` : level === "K" ? "kindergarten" : level;
}

function levelBox(level, subject) {
  const here = level.level === subject.current_level && level.level !== null;
  const name = level.level === null ? "All" : levelName(level.level);
  return el("li", { class: here ? "level here" : "level", "aria-current": here ? "step" : null },
    el("b", {}, el("span", {}, name[0].toUpperCase() + name.slice(1)), here ? el("span", { class: "tag" }, "here") : null),
    bar(level.mastered, level.total),
    el("span", { class: "small" }, `${level.mastered} of ${level.total} shown`));
}

function steps(list, kind, word, otherwise) {
  if (!list.length) return el("p", { class: "small" }, otherwise);
  return el("ul", { class: "steps" }, list.map((step) => el("li", {},
    el("span", { class: `chip ${kind}` }, el("span", { "aria-hidden": "true" }, MARKS[kind]), word),
    el("span", {}, step.title, " ", el("span", { class: "code" }, step.competency)))));
}

function table(items, ready) {
  const heads = ["Competency", "Where it stands", "Evidence", "Last evidence", "Shown on", "Why"];
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Competencies" },
    el("table", { class: "record" },
      el("thead", {}, el("tr", {}, heads.map((head) => el("th", { scope: "col" }, head)))),
      el("tbody", {}, items.map((item) => el("tr", {},
        el("td", {}, el("div", {}, item.title ?? item.competency),
          el("div", { class: "code" }, [item.competency, item.level && levelName(item.level)].filter(Boolean).join(" · "))),
        el("td", {}, chip(item.status), ready.has(item.competency)
          ? el("span", {}, " ", el("span", { class: "chip ready" }, el("span", { "aria-hidden": "true" }, MARKS.ready), "ready"))
          : null),
        el("td", { "data-name": "Evidence" }, count(item.evidence_count, "piece", "pieces")),
        el("td", { "data-name": "Last evidence" }, day(item.last_evidence_at)),
        el("td", { "data-name": "Shown on" }, item.mastered_at ? day(item.mastered_at) : "–"),
        el("td", { class: "why" }, why(item)))))));
}

function why(item) {
  const lines = [el("div", {}, item.why)];
  if (item.missing.length) lines.push(el("div", {}, `What would show it: ${item.missing.join("; ")}`));
  if (item.policy) lines.push(el("div", { class: "code" }, `policy ${item.policy.id} ${item.policy.version}`));
  return lines;
}

async function classGrid(id) {
  const body = await get(`/v1/classes/${encodeURIComponent(id)}/mastery`);
  await learnNames(body.learners);
  const heads = body.competencies.map((c) => el("th", { scope: "col", title: body.titles[c] ?? c },
    el("span", {}, body.titles[c] ?? c), el("span", { class: "code" }, c)));
  const rows = body.rows.map((row) => el("tr", {},
    el("th", { scope: "row" }, el("a", { href: learnerPath(row.learner) }, called(row.learner))),
    body.competencies.map((c) => {
      const [kind, text] = words(row.statuses[c] ?? "no_evidence");
      return el("td", { class: kind }, el("span", { "aria-hidden": "true" }, `${MARKS[kind]} `), text);
    })));
  const sums = body.competencies.map((c) => el("td", {}, counts(body.counts[c])));
  show(body.title,
    el("p", { class: "crumb" }, el("a", { href: "#/" }, "Classes")), el("h1", {}, body.title),
    el("p", { class: "sub" }, `${count(body.learners.length, "learner", "learners")} · ` +
      count(body.competencies.length, "competency with evidence", "competencies with evidence")),
    body.competencies.length
      ? el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Learners by competencies" },
        el("table", { class: "grid" },
          el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Learner"), heads)),
          el("tbody", {}, el("tr", { class: "sums" }, el("th", { scope: "row" }, "In this class"), sums), rows)))
      : note("There is no evidence for this class yet."));
}

function counts(byStatus) {
  const sums = new Map();
  for (const [status, number] of Object.entries(byStatus)) {
    const text = words(status)[1];
    const before = sums.has(text) ? sums.get(text) : 0;
    sums.set(text, before === null || number === null ? null : before + number);
  }
  const lines = [...sums].filter(([, number]) => number !== 0);
  return el("ul", { class: "counts" }, lines.map(([text, number]) => el("li", {}, el("span", {}, text),
    number === null ? el("b", { class: "untold" }, "not told") : el("b", {}, number))));
}

async function district(id) {
  const body = await get(`/v1/districts/${encodeURIComponent(id)}/mastery`);
  const told = (number) => (number === null ? "not told" : count(number, "learner", "learners"));
  show(body.title,
    el("p", { class: "crumb" }, el("a", { href: "#/" }, "Classes")), el("h1", {}, body.title),
    el("p", { class: "sub" }, `${told(body.learners)} · numbers below ${body.suppressed_below}, and those that would ` +
      "give them away, are not told"),
    el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Counts by school" },
      el("table", { class: "grid" },
        el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Competency"), el("th", { scope: "col" }, "District"),
          body.schools.map((s) => el("th", { scope: "col" }, el("span", {}, s.title), el("span", { class: "code" }, told(s.learners)))))),
        el("tbody", {}, body.competencies.map((c) => el("tr", {},
          el("th", { scope: "row" }, el("div", {}, c.title ?? c.competency), el("div", { class: "code" }, c.competency)),
          el("td", {}, counts(c.counts)),
          body.schools.map((s) => el("td", {}, counts(c.schools[s.school])))))))));
}

// ---- routing -------------------------------------------------------------------------------------------------------

const ROUTES = [
  [/^#\/learners\/(.+)$/, record],
  [/^#\/classes\/(.+)$/, classGrid],
  [/^#\/districts\/(.+)$/, district],
  [/^#\/find\/(.+)$/, find],
];

async function route() {
  takeTokenFromAddress();
  const known = Boolean(sessionStorage.getItem("token"));
  document.getElementById("leave").hidden = !known;
  document.getElementById("find").hidden = !known || !hasScope("records:read", "records:read:classes");
  if (!known) {
    askForToken();
    return;
  }
  try {
    for (const [pattern, view] of ROUTES) {
      const match = pattern.exec(location.hash);
      if (match) {
        await view(decodeURIComponent(match[1]));
        return;
      }
    }
    await home();
  } catch (problem) {
    if (problem.status === 401) {
      askForToken("This token is not valid any more. Please give a new one.");
    } else {
      const text = { 403: "This is not shared with you.", 404: "There is no such record here." }[problem.status];
      show("Not here", el("p", { class: "crumb" }, el("a", { href: "#/" }, "Classes")),
        el("h1", {}, text ?? "Please try again in a moment"), note(problem.message));
    }
  }
  document.getElementById("leave").hidden = !sessionStorage.getItem("token");
}

document.getElementById("find").addEventListener("submit", (event) => {
  event.preventDefault();
  location.hash = `#/find/${encodeURIComponent(document.getElementById("q").value.trim())}`;
});
document.getElementById("leave").addEventListener("click", () => {
  sessionStorage.removeItem("token");
  location.hash = "#/";
  route();
});
window.addEventListener("hashchange", route);
route();
