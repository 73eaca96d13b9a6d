"use strict";
(() => {
  const form = document.getElementById("filter");
  const body = document.getElementById("claims").tBodies[0];
  const rows = [...body.rows];
  const count = document.getElementById("count");
  const fields = ["text", "verdict", "tier", "sort"];
  const words = new Map(rows.map((row) => [row, (row.textContent + " " + row.dataset.words).toLowerCase()]));
  const number = (row, key) => {
    const value = parseFloat(row.dataset[key]);
    return Number.isNaN(value) ? Infinity : value;
  };
  const orders = {
    theory: (a, b) => number(a, "place") - number(b, "place"),
    name: (a, b) => (a.dataset.name < b.dataset.name ? -1 : 1),
    verdict: (a, b) => number(a, "rank") - number(b, "rank"),
    margin: (a, b) => number(a, "margin") - number(b, "margin"),
    difference: (a, b) => number(b, "off") - number(a, "off"),
    runs: (a, b) => number(b, "runs") - number(a, "runs"),
  };
  const show = () => {
    const wanted = form.elements.text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const fits = wanted.every((word) => words.get(row).includes(word)) &&
        ["verdict", "tier"].every((name) => !form.elements[name].value || row.dataset[name] === form.elements[name].value);
      row.hidden = !fits;
      document.getElementById("about-" + row.dataset.name).hidden = !fits;
      shown += fits;
    }
    const order = orders[form.elements.sort.value] || orders.theory;
    body.append(...rows.slice().sort((a, b) => order(a, b) || orders.theory(a, b)));
    count.textContent = `${shown} of ${rows.length} claims`;
  };
  const read = () => {
    const asked = new URLSearchParams(location.hash.slice(1));
    for (const name of fields) {
      if (asked.has(name)) form.elements[name].value = asked.get(name);
    }
    if (!fields.some((name) => asked.has(name))) {
      const there = document.getElementById(decodeURIComponent(location.hash.slice(1)));
      if (there && there.tagName === "DETAILS") there.open = true;
    }
    show();
  };
  form.addEventListener("input", show);
  form.addEventListener("submit", (event) => event.preventDefault());
  addEventListener("hashchange", read);
  form.hidden = false;
  read();
})();
