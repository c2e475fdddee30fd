"use strict";
// Everything works without this file: tables are sorted by rank, and every ψ is shown side by side instead of the slider.
document.documentElement.classList.add("scripted");

document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("table[data-sortable]").forEach(makeSortable);
  document.querySelectorAll("form.filters").forEach(makeFilter);
  document.querySelectorAll("[data-strip]").forEach(makeStrip);
});

function makeSortable(table) {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => sortBy(table, head, column));
  });
}

// A second click reverses the order. Cells without a number come last in both.
function sortBy(table, head, column) {
  const descending = head.ariaSort === "ascending";
  for (const other of head.parentNode.cells) other.ariaSort = null;
  head.ariaSort = descending ? "descending" : "ascending";
  const rows = [...table.tBodies[0].rows].map((row) => [keyOf(row.cells[column]), row]);
  rows.sort(([a], [b]) => compare(a, b, descending));
  table.tBodies[0].replaceChildren(...rows.map(([, row]) => row));
}

function keyOf(cell) {
  if (cell.dataset.key !== undefined) return Number(cell.dataset.key);
  return cell.tagName === "TH" ? cell.textContent.trim() : null;
}

function compare(a, b, descending) {
  if (a === null || b === null) return (a === null) - (b === null);
  const order = typeof a === "string" ? a.localeCompare(b, "en") : a - b;
  return descending ? -order : order;
}

function makeFilter(form) {
  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => filter(form));
}

function filter(form) {
  const name = form.elements.name.value.trim().toLowerCase();
  const verdict = form.elements.verdict.value;
  const controls = form.elements.controls.checked;
  const shown = new Set();
  for (const row of document.querySelectorAll("table[data-sortable] tbody tr")) {
    const fits = row.dataset.name.toLowerCase().includes(name)
      && (!verdict || row.dataset.labels.split(" ").includes(verdict))
      && (controls || !row.classList.contains("control"));
    row.hidden = !fits;
    if (fits) shown.add(row.dataset.name);
  }
  form.querySelector("output").textContent = `${shown.size} shown`;
}

function makeStrip(strip) {
  const slider = strip.querySelector("input[type=range]");
  const psi = slider.dataset.psi.split(" ");
  strip.querySelector(".all-psi").open = false;
  const show = () => {
    strip.style.setProperty("--column", slider.value);
    slider.nextElementSibling.value = String(Number(psi[slider.value]));
    slider.setAttribute("aria-valuetext", `ψ = ${Number(psi[slider.value])}`);
  };
  slider.addEventListener("input", show);
  show();
}
