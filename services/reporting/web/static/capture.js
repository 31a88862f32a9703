// Quick capture by tap or key: a mark is sent at once, or waits, and the next learner is in focus. Without this, each tap
// loads the page.

import { add, changes, entries, stateOf, takeBack } from "./waiting.js";

const grid = document.querySelector("[data-grid]");
const said = document.getElementById("said");
const made = new Map(); // Of each form what was marked in it, the latest last.
const order = []; // The forms in the order in which they were marked, for undo by key.

const marksOf = (form) => [...form.querySelectorAll(".point")];
const labelOf = (form) => form.querySelector("[role=group]").getAttribute("aria-label");

function tell(form, text) {
  form.querySelector(".now").textContent = text;
}

function note(form, entry) {
  made.set(form, [...(made.get(form) ?? []), entry]);
  order.push(form);
}

function forget(form, entry) {
  made.set(form, made.get(form).filter((each) => each !== entry));
  order.splice(order.lastIndexOf(form), 1);
}

/** Show of a form what stands, and where that is. */
function show(form) {
  for (const entry of made.get(form).filter((each) => stateOf(each) === "refused")) {
    forget(form, entry);
    form.classList.add("unsaved");
    tell(form, grid.dataset.refused);
  }
  const last = made.get(form).at(-1);
  for (const button of marksOf(form)) button.setAttribute("aria-pressed", String(button.value === last?.mark));
  form.querySelector(".undo").hidden = !last;
  form.dataset.state = last ? stateOf(last) : "";
  // Where a mark could not be kept that is what it says until the next one, also above another that stands.
  const isSaved = !form.classList.contains("unsaved");
  if (isSaved && form.dataset.state in grid.dataset) tell(form, grid.dataset[form.dataset.state]);
}

function mark(form, button) {
  const { learner, competency } = form.elements;
  const entry = add({
    class: grid.dataset.class, learner: learner.value, competency: competency.value, mark: button.value,
    replaces: made.get(form)?.at(-1)?.id ?? "",
  });
  form.classList.toggle("unsaved", !entry);
  if (!entry) {
    tell(form, grid.dataset.failed);
    said.textContent = grid.dataset.failed;
    return;
  }
  note(form, entry);
  show(form);
  const waits = stateOf(entry) === "waits" ? `, ${grid.dataset.waits}` : "";
  said.textContent = `${labelOf(form)}: ${button.lastChild.textContent.trim()}${waits}`;
}

function undo(form) {
  const last = made.get(form)?.at(-1);
  if (!last) return;
  const inside = form.contains(document.activeElement);
  forget(form, last);
  takeBack(last);
  form.classList.remove("unsaved");
  show(form);
  tell(form, grid.dataset.undone);
  said.textContent = grid.dataset.undone;
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

if (grid) {
  const forms = new Map();
  for (const form of grid.querySelectorAll("form")) {
    forms.set(`${form.elements.learner.value} ${form.elements.competency.value}`, form);
  }
  for (const entry of entries()) {
    const form = forms.get(`${entry.learner} ${entry.competency}`);
    if (form && entry.class === grid.dataset.class && !entry.undone) note(form, entry);
  }
  const showAll = () => [...made.keys()].forEach(show);
  showAll();
  changes.addEventListener("change", showAll);
}
