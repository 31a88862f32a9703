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

// Live: the server says when what is shown has changed, and the page fetches itself anew without losing its place.
const live = document.querySelector("main[data-live]")?.dataset.live;
if (live && "EventSource" in window) {
  const source = new EventSource(live);
  let busy = false;
  const isTyping = () => [...document.querySelectorAll("main textarea, main input")].some((field) => field.value !== field.defaultValue);
  source.addEventListener("changed", async () => {
    // What somebody is writing is not taken away.
    if (busy || isTyping() || document.querySelector("dialog[open]")) return;
    busy = true;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (!answer.ok) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
      const open = [...document.querySelectorAll("details[id][open]")].map((node) => node.id);
      const focus = document.activeElement?.id;
      document.querySelector("main").replaceChildren(...fresh.childNodes);
      for (const id of open) document.getElementById(id)?.setAttribute("open", "");
      if (focus) document.getElementById(focus)?.focus({ preventScroll: true });
      document.getElementById("said").textContent = document.body.dataset.updated;
    } finally {
      busy = false;
    }
  });
}

for (const button of document.querySelectorAll("[data-print]")) button.addEventListener("click", () => window.print());
