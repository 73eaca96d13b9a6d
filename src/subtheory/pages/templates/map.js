"use strict";
// Each drawing: what a box rests on, and what rests on it, while it is pointed at, focused, or held by a click.
for (const graph of document.querySelectorAll("svg.graph")) {
  const lines = [...graph.querySelectorAll("path")];
  const boxes = new Map([...graph.querySelectorAll("a")].map(box => [box.dataset.k, box]));
  const ahead = new Map(), behind = new Map();
  for (const line of lines) {
    for (const [from, to, way] of [[line.dataset.a, line.dataset.b, ahead], [line.dataset.b, line.dataset.a, behind]]) {
      if (!way.has(from)) way.set(from, []);
      way.get(from).push([to, line]);
    }
  }
  let held = null;
  const show = key => {
    graph.classList.toggle("on", key !== null);
    for (const each of [...lines, ...boxes.values()]) each.classList.remove("near", "held");
    if (key === null) return;
    boxes.get(key).classList.add("near", "held");
    for (const way of [ahead, behind]) {
      const seen = new Set([key]), todo = [key];
      while (todo.length) {
        for (const [to, line] of way.get(todo.pop()) || []) {
          line.classList.add("near");
          boxes.get(to).classList.add("near");
          if (!seen.has(to)) { seen.add(to); todo.push(to); }
        }
      }
    }
  };
  for (const [key, box] of boxes) {
    box.addEventListener("pointerenter", () => show(key));
    box.addEventListener("pointerleave", () => show(held));
    box.addEventListener("focus", () => show(key));
    box.addEventListener("blur", () => show(held));
    // The first click holds, the second follows the link; so does Enter, for which focus has shown all.
    box.addEventListener("click", event => {
      if (event.detail && held !== key) { event.preventDefault(); held = key; show(key); }
    });
  }
  graph.addEventListener("click", event => { if (!event.target.closest("a")) { held = null; show(null); } });
  graph.addEventListener("keydown", event => { if (event.key === "Escape") { held = null; show(null); } });
}

const find = document.getElementById("find"), only = document.getElementById("only"), told = document.getElementById("told");
const rows = [...document.querySelectorAll("tbody.part tr.claim")];
const filter = () => {
  const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
  let left = 0;
  for (const row of rows) {
    const text = row.textContent.toLowerCase();
    const fits = words.every(word => text.includes(word)) && (!only.value || row.dataset.lacks.split(" ").includes(only.value));
    row.hidden = !fits;
    left += fits;
  }
  for (const part of document.querySelectorAll("tbody.part")) part.hidden = !part.querySelector("tr.claim:not([hidden])");
  told.textContent = `${left} of ${rows.length} claims`;
};
document.getElementById("filter").hidden = false;
find.addEventListener("input", filter);
only.addEventListener("input", filter);
filter();

// A link to a claim or a node opens what is folded there.
const open = () => {
  const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
  target.scrollIntoView();
};
addEventListener("hashchange", open);
open();
