// What the pages need beyond HTML: signing in by a link, and live updates. Pages work without it, but for these.

const token = new URLSearchParams(location.hash.slice(1)).get("token");
if (token) {
  // `#token=…&view=learners/<id>` signs in and goes on; the token does not stay in the address.
  const view = new URLSearchParams(location.hash.slice(1)).get("view") ?? "";
  history.replaceState(null, "", location.pathname);
  const body = new URLSearchParams({ token, to: `/${view}` });
  // The answer sends on where the token is good; what is there may be anything, so it is not asked for twice.
  fetch("/sign-in", { method: "POST", body, redirect: "manual" }).then((answer) => {
    // Behind one slash more a view would name another site.
    const to = new URL(`/${view}`, location.origin);
    if (answer.type === "opaqueredirect") location.replace(to.origin === location.origin ? to : "/");
    else document.getElementById("refused")?.removeAttribute("hidden");
  });
}

// Live: the server says when what is shown has changed, and the page fetches itself anew without losing its place; until
// who reads it pauses that, in this browser.
const PAUSED = "attain-paused";
const main = document.querySelector("main");
const { live } = main.dataset;
const pause = document.getElementById("pause");
let source = null;
let busy = false;

const isTyping = () => [...main.querySelectorAll("textarea, input")].some((field) => field.value !== field.defaultValue);
const frames = () => [...main.querySelectorAll(".scroll")];

/** What is like a part of the page, in the page as it is by then: of the same kind, within the same, and leading to the same. */
function alike(node) {
  const told = (each) => [each.closest("[id]").id, ...["href", "name", "value"].map((name) => each.getAttribute(name))].join("\n");
  const own = told(node);
  return () => [...main.querySelectorAll(node.localName)].filter((each) => told(each) === own);
}

async function refresh() {
  // What somebody is writing is not taken away.
  if (busy || isTyping() || document.querySelector("dialog[open]")) return;
  busy = true;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
    const open = [...document.querySelectorAll("details[id][open]")].map((node) => node.id);
    const places = frames().map((frame) => [frame.scrollLeft, frame.scrollTop]);
    const focused = main.contains(document.activeElement) && document.activeElement !== main ? document.activeElement : null;
    const like = focused && alike(focused);
    const which = like?.().indexOf(focused);
    main.replaceChildren(...fresh.childNodes);
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    frames().forEach((frame, at) => frame.scrollTo(...(places[at] ?? [0, 0])));
    const found = like?.() ?? [];
    (found[which] ?? found[0])?.focus({ preventScroll: true });
    document.getElementById("said").textContent = document.body.dataset.updated;
  } finally {
    busy = false;
  }
}

function follow() {
  const isPaused = localStorage.getItem(PAUSED) !== null;
  pause.setAttribute("aria-pressed", String(isPaused));
  source?.close();
  source = isPaused ? null : new EventSource(live);
  source?.addEventListener("changed", refresh);
}

if (live && pause && "EventSource" in window) {
  pause.hidden = false;
  pause.addEventListener("click", () => {
    if (source) localStorage.setItem(PAUSED, "");
    else localStorage.removeItem(PAUSED);
    follow();
    if (source) refresh();
  });
  follow();
}

// The page may have been fetched anew since, so no button is listened to by itself.
document.addEventListener("click", ({ target }) => {
  if (target.closest("[data-print]")) window.print();
});
