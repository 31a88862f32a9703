// Quick capture by tap or key: a mark is sent at once, and the next learner is in focus. Without this, each tap loads the page.

const grid = document.querySelector("[data-grid]");
const said = document.getElementById("said");
const made = new Map(); // Of each form what it has sent, the latest last.
const sending = new Map(); // The forms that wait for an answer.
const order = []; // The forms in the order in which they were marked, for undo by key.

const marksOf = (form) => [...form.querySelectorAll(".point")];

function press(form) {
  const last = made.get(form)?.at(-1);
  for (const button of marksOf(form)) button.setAttribute("aria-pressed", String(button.value === last?.mark));
  const undo = form.querySelector(".undo");
  undo.hidden = !last;
  undo.value = last?.evidence_id ?? "";
  form.elements.replaces.value = last?.id ?? "";
}

function send(form, url, name, value) {
  if (sending.has(form)) return Promise.resolve(null);
  sending.set(form, transmit(form, url, name, value).finally(() => sending.delete(form)));
  return sending.get(form);
}

async function transmit(form, url, name, value) {
  const body = new URLSearchParams(new FormData(form));
  body.set(name, value);
  try {
    const answer = await fetch(url, { method: "POST", headers: { Accept: "application/json" }, body });
    if (!answer.ok) throw new Error(String(answer.status));
    form.classList.remove("unsaved");
    return await answer.json();
  } catch {
    form.classList.add("unsaved");
    said.textContent = form.querySelector(".now").textContent = grid.dataset.failed;
    return null;
  }
}

async function mark(form, button) {
  order.push(form);
  const answer = await send(form, form.action, "mark", button.value);
  if (!answer) {
    order.splice(order.lastIndexOf(form), 1);
    return;
  }
  made.set(form, [...(made.get(form) ?? []), { ...answer, mark: button.value }]);
  form.elements.id.value = answer.next;
  press(form);
  const text = button.lastChild.textContent.trim();
  form.querySelector(".now").textContent = grid.dataset.written;
  said.textContent = `${form.querySelector("[role=group]").getAttribute("aria-label")}: ${text}`;
}

async function undo(form) {
  await sending.get(form);
  const last = made.get(form)?.at(-1);
  if (!last || !(await send(form, form.querySelector(".undo").formAction, "evidence_id", last.evidence_id))) return;
  made.get(form).pop();
  order.splice(order.lastIndexOf(form), 1);
  form.elements.id.value = last.next;
  const inside = form.contains(document.activeElement);
  press(form);
  said.textContent = form.querySelector(".now").textContent = grid.dataset.undone;
  if (inside) marksOf(form)[0].focus();
}

function beside(form, rows, columns) {
  const cell = form.closest("td");
  const row = [...grid.tBodies[0].rows][cell.parentElement.sectionRowIndex + rows];
  return row?.cells[cell.cellIndex + columns]?.querySelector("form") ?? null;
}

grid?.addEventListener("submit", (event) => {
  event.preventDefault();
  const { target: form, submitter } = event;
  if (submitter?.classList.contains("undo")) undo(form);
  else if (submitter) mark(form, submitter);
});

grid?.addEventListener("keydown", (event) => {
  const form = event.target.closest("form");
  if (!form || event.ctrlKey || event.metaKey || event.altKey) return;
  const buttons = marksOf(form);
  const at = Math.max(buttons.indexOf(event.target), 0);
  const chosen = buttons[Number(event.key) - 1];
  const moves = {
    ArrowDown: () => marksOf(beside(form, 1, 0) ?? form)[at],
    ArrowUp: () => marksOf(beside(form, -1, 0) ?? form)[at],
    ArrowRight: () => buttons[at + 1] ?? marksOf(beside(form, 0, 1) ?? form)[at],
    ArrowLeft: () => buttons[at - 1] ?? marksOf(beside(form, 0, -1) ?? form).at(0),
  };
  if (chosen) {
    mark(form, chosen);
    marksOf(beside(form, 1, 0) ?? form)[0].focus();
  } else if (event.key in moves) moves[event.key]()?.focus();
  else if (event.key.toLowerCase() === "u") undo(order.at(-1) ?? form);
  else return;
  event.preventDefault();
});
