// Observations wait in this browser until the service has them: while there is no connection, and while one is being sent.
// Each keeps its id and its time, so to send it again is to write it once. Nothing is kept but opaque ids and what was
// observed, of each person apart: what is somebody else's is neither sent nor shown.

const WAITING_MAX = 500;
const FORGOTTEN_MS = 30 * 24 * 3600 * 1000; // Of people who did not come back: what is so old is refused anyway.
const PAUSE_MS = { first: 1000, longest: 60_000 };
const TRY_AGAIN = [408, 425, 429];
const ROOT = "attain-waiting/";
const note = document.getElementById("waiting");
const said = document.getElementById("said");
const people = (document.body.dataset.person ?? "").split(" ").filter(Boolean); // One, by several names while keys change.
const behind = Date.parse(document.body.dataset.now) - Date.now(); // A clock that is wrong here dates nothing.
const written = new Map(); // By what it was kept as, the evidence that an observation became.
let sending = null;
let timer = 0;
let pause = PAUSE_MS.first;
let last = 0;
let stopped = null; // Why what waits is not being sent: "away", or "signed out".
let arrived = false; // Something that had waited was written.

/** Tells that something waits, was written or was refused. */
export const changes = new EventTarget();

/** All that waits or was refused of who has signed in, in the order in which it was observed. */
export function entries() {
  const names = Object.keys(localStorage).filter((name) => name.startsWith(ROOT) && people.includes(name.split("/")[1]));
  return names.map(read).sort((one, other) => (one.at < other.at ? -1 : 1));
}

/** Let an observation wait and be sent; null where no more is kept. */
export function add(observation) {
  last = Math.max(Date.now() + behind, last + 1);
  const entry = { ...observation, id: newId(), at: new Date(last).toISOString() };
  entry.name = `${ROOT}${people[0]}/${entry.at}/${entry.id}`;
  if (!people.length || entries().length >= WAITING_MAX || !keep(entry)) return null;
  send();
  return entry;
}

/** Take an observation back: one that was never sent is gone; of another the service may have it, and then is told. */
export function takeBack(entry) {
  const kept = read(entry.name);
  if (kept && !kept.tried) localStorage.removeItem(entry.name);
  else keep({ ...entry, evidence_id: written.get(entry.name), tried: true, undone: true });
  changed();
  send();
}

/** Where an observation is: "sending", "waits", "refused" or "written". */
export function stateOf(entry) {
  const kept = read(entry.name);
  if (!kept) return "written";
  if (kept.refused) return "refused";
  return stopped ? "waits" : "sending";
}

function read(name) {
  const text = localStorage.getItem(name);
  return text && { ...JSON.parse(text), name };
}

function keep({ name, ...rest }) {
  try {
    localStorage.setItem(name, JSON.stringify(rest));
    return true;
  } catch {
    return false; // The browser has no room, or keeps nothing.
  }
}

function newId() {
  // crypto.randomUUID is there on secure pages only.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

function send() {
  sending ??= sendAll().finally(() => {
    sending = null;
  });
}

async function sendAll() {
  clearTimeout(timer);
  for (;;) {
    const entry = entries().find((each) => !each.refused);
    if (!entry) {
      if (arrived) said.textContent = note.dataset.sent;
      stopped = null;
      arrived = false;
      break;
    }
    const why = navigator.onLine ? await sendOne(entry) : "away";
    if (why) {
      const isNew = why !== stopped;
      stopped = why;
      if (why === "away") timer = setTimeout(send, pause);
      pause = Math.min(2 * pause, PAUSE_MS.longest);
      if (isNew) {
        show();
        said.textContent = note.firstElementChild.textContent;
      }
      break;
    }
    pause = PAUSE_MS.first;
    changed();
  }
  changed();
}

/** Send the first that waits; return why it stays, if it does. */
async function sendOne(entry) {
  keep({ ...entry, tried: true });
  const path = `/classes/${encodeURIComponent(entry.class)}/capture`;
  let { evidence_id } = entry;
  if (!evidence_id) {
    const { learner, competency, mark, id, replaces, at } = entry;
    const answer = await post(path, { learner, competency, mark, id, replaces, at });
    if (!answer.told) return settle(entry, answer);
    evidence_id = answer.told.evidence_id;
  }
  if (read(entry.name)?.undone) {
    const answer = await post(`${path}/undo`, { evidence_id });
    if (!answer.told) return settle(entry, answer);
  }
  arrived ||= stopped !== null;
  written.set(entry.name, evidence_id);
  localStorage.removeItem(entry.name);
  return null;
}

function settle(entry, { refused, stays }) {
  if (refused) {
    const kept = { ...(read(entry.name) ?? entry), refused };
    keep(kept);
    said.textContent = inWords(kept);
  }
  return stays ?? null;
}

/** Return what the service `told`, as which status it `refused` for good, or why what was sent `stays`. */
async function post(path, fields) {
  const body = new URLSearchParams({ form: document.querySelector("input[name=form]").value, ...fields });
  let answer;
  let told;
  try {
    answer = await fetch(path, { method: "POST", headers: { Accept: "application/json" }, body });
    told = await answer.json();
  } catch {
    return { stays: "away" }; // Or something between here and the service has answered.
  }
  if (answer.ok) return { told };
  if (answer.status === 401 || told.reason === "other_session") return { stays: "signed out" };
  if (answer.status >= 500 || TRY_AGAIN.includes(answer.status) || told.status !== answer.status) return { stays: "away" };
  return { refused: answer.status };
}

function changed() {
  show();
  changes.dispatchEvent(new Event("change"));
}

function show() {
  const all = entries();
  const refused = all.filter((each) => each.refused);
  const waiting = stopped ? all.filter((each) => !each.refused && !each.undone).length : 0;
  const { one, many, signedOut } = note.dataset;
  const [line, list] = note.children;
  note.hidden = !waiting && !refused.length;
  line.textContent = [
    waiting ? (waiting === 1 ? one : many.replace("#", waiting)) : "",
    waiting && stopped === "signed out" ? signedOut : "",
  ].join(" ");
  list.replaceChildren(...refused.map(refusal));
}

/** What became of an observation that was refused for good, and why. */
function inWords(entry) {
  const { refused, kept, whyOther } = note.dataset;
  const day = new Date(entry.at).toLocaleDateString(document.documentElement.lang, { dateStyle: "medium" });
  return (entry.undone ? kept : refused).replace("#day", day).replace("#why", note.dataset[`why-${entry.refused}`] ?? whyOther);
}

function refusal(entry) {
  const { open, dismiss } = note.dataset;
  const item = document.createElement("li");
  const link = Object.assign(document.createElement("a"), {
    href: `/classes/${encodeURIComponent(entry.class)}/capture?competency=${encodeURIComponent(entry.competency)}`,
    textContent: open,
  });
  const button = Object.assign(document.createElement("button"), { type: "button", className: "quiet", textContent: dismiss });
  button.addEventListener("click", () => {
    localStorage.removeItem(entry.name);
    changed();
    (note.querySelector("button") ?? document.getElementById("main")).focus();
  });
  item.append(`${inWords(entry)} `, link, " ", button);
  return item;
}

for (const name of Object.keys(localStorage)) {
  if (name.startsWith(ROOT) && Date.parse(name.split("/")[2]) < Date.now() + behind - FORGOTTEN_MS) localStorage.removeItem(name);
}
addEventListener("online", send);
addEventListener("storage", ({ key }) => {
  if (key?.startsWith(ROOT)) changed();
});
send();
