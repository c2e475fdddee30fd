"use strict";
// Everything works without this file: tables are sorted by rank, and every ψ is shown side by side instead of the slider.
document.documentElement.classList.add("scripted");

document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("table[data-sortable]").forEach(makeSortable);
  document.querySelectorAll("table[data-sortable]").forEach(makeColumns);
  document.querySelectorAll("form.filters:not(.compare-form)").forEach(makeFilter);
  document.querySelectorAll("[data-strip]").forEach(makeStrip);
  document.querySelectorAll("form.compare-form").forEach(makeComparison);
  openTarget();
});
window.addEventListener("hashchange", openTarget);
window.addEventListener("beforeprint", () => document.querySelectorAll("details.task").forEach((part) => { part.open = true; }));

// What is shown is part of the address, so that it can be sent to somebody.
function remember(name, value) {
  const query = new URLSearchParams(location.search);
  if (value) query.set(name, value); else query.delete(name);
  const text = query.toString();
  try { history.replaceState(null, "", (text ? `?${text}` : location.pathname) + location.hash); } catch { /* Not of a local file. */ }
}

function remembered(name) { return new URLSearchParams(location.search).get(name) || ""; }

function openTarget() {
  const part = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (part && part.matches("details")) { part.open = true; part.scrollIntoView(); }
}

function makeSortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      sortBy(table, head, column, head.ariaSort === "ascending");
      remember(`sort.${table.dataset.sortable}`, `${column}${head.ariaSort === "descending" ? "d" : ""}`);
    });
  });
  const [, column, descending] = remembered(`sort.${table.dataset.sortable}`).match(/^(\d+)(d?)$/) || [];
  if (column !== undefined && heads[column]) sortBy(table, heads[column], Number(column), descending === "d");
}

// A second click reverses the order. Cells without a number come last in both.
function sortBy(table, head, column, descending) {
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

function makeColumns(table) {
  const name = `hide.${table.dataset.sortable}`;
  const hidden = new Set(remembered(name).split(".").filter(Boolean).map(Number));
  const part = document.createElement("details");
  part.className = "small";
  part.innerHTML = "<summary>Columns</summary>";
  const form = part.appendChild(document.createElement("form"));
  form.className = "columns-form";
  const show = () => {
    for (const row of table.rows) [...row.cells].forEach((cell, column) => { cell.hidden = hidden.has(column); });
    remember(name, [...hidden].join("."));
  };
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    if (column < 2) return;
    const label = form.appendChild(document.createElement("label"));
    const box = label.appendChild(document.createElement("input"));
    box.type = "checkbox";
    box.checked = !hidden.has(column);
    label.append(` ${head.textContent}`);
    box.addEventListener("input", () => { hidden[box.checked ? "delete" : "add"](column); show(); });
  });
  table.closest(".scroll").before(part);
  if (hidden.size) show();
}

function makeFilter(form) {
  form.hidden = false;
  form.elements.q.value = remembered("q");
  form.elements.verdict.value = remembered("verdict");
  form.elements.controls.checked = remembered("controls") !== "no";
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => {
    remember("q", form.elements.q.value.trim());
    remember("verdict", form.elements.verdict.value);
    remember("controls", form.elements.controls.checked ? "" : "no");
    filter(form);
  });
  if (location.search) filter(form);
}

function filter(form) {
  const words = form.elements.q.value.trim().toLowerCase().split(/\s+/);
  const verdict = form.elements.verdict.value;
  const controls = form.elements.controls.checked;
  const shown = new Set();
  for (const row of document.querySelectorAll("table[data-sortable] tbody tr")) {
    const fits = words.every((word) => row.dataset.search.includes(word))
      && (!verdict || row.dataset.labels.split("|").includes(verdict))
      && (controls || !row.classList.contains("control"));
    row.hidden = !fits;
    if (fits) shown.add(row.dataset.name);
  }
  form.querySelector("output").textContent = `${shown.size} shown`;
}

// Two or three submissions on the same prompts and seeds; every image is a tile of a strip.
function makeComparison(form) {
  const tasks = JSON.parse(document.getElementById("strips").textContent);
  const target = document.querySelector(".compared"), fields = form.elements;
  const models = [fields.model1, fields.model2, fields.model3];
  const task = () => tasks.find((item) => item.task === fields.task.value);
  const fill = () => {
    const names = task().submissions.map(([name]) => name);
    models.forEach((select, index) => {
      const wanted = remembered(`m${index + 1}`);
      select.replaceChildren(...(index === 2 ? ["", ...names] : names).map((name) => new Option(name || "none", name)));
      select.value = names.includes(wanted) ? wanted : index === 2 ? "" : names[Math.min(index, names.length - 1)];
    });
    fields.psi.max = task().psi.length - 1;
    fields.unsafe.parentNode.hidden = !task().unsafe;
  };
  const show = () => {
    const item = task(), urls = new Map(item.submissions), column = Number(fields.psi.value), kind = Number(fields.arm.value);
    fields.psi.nextElementSibling.value = String(item.psi[column]);
    target.replaceChildren(...item.prompts.map((prompt, number) => {
      const figure = document.createElement("figure"), row = document.createElement("div");
      figure.innerHTML = "<figcaption></figcaption>";
      figure.firstChild.textContent = `“${prompt}” seed ${item.seeds[number]}`;
      row.className = "models";
      for (const name of models.map((select) => select.value).filter(Boolean)) {
        const model = row.appendChild(document.createElement("div")), tile = model.appendChild(document.createElement("div"));
        tile.className = item.unsafe && !fields.unsafe.checked ? "tile blurred" : "tile";
        tile.setAttribute("role", "img");
        tile.setAttribute("aria-label", `${name}, ψ = ${item.psi[column]}`);
        tile.style.cssText = `--columns:${item.psi.length};--rows:${item.rows};--row:${number * item.kinds + kind};--column:${column}`;
        tile.style.backgroundImage = `url("${urls.get(name)}")`;
        model.append(name);
        model.className = "model";
      }
      figure.append(row);
      return figure;
    }));
  };
  if (tasks.some((item) => item.task === remembered("task"))) fields.task.value = remembered("task");
  fill();
  form.addEventListener("input", (event) => {
    remember("task", fields.task.value);
    if (event.target === fields.task) fill();
    models.forEach((select, index) => remember(`m${index + 1}`, select.value));
    show();
  });
  show();
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
