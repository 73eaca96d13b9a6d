"use strict";
const grid = JSON.parse(document.getElementById("grid").textContent);
const CHOSEN = ["network", "channel", "loss", "path"];
const at = id => document.getElementById(id);
const told = value => value === null ? "no law" : String(Number(value.toPrecision(3)));
const svg = (tag, about, text = "") => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(about)) made.setAttribute(name, value);
  made.textContent = text;
  return made;
};

// Of each select, what there is among the walks that the selects before it leave; what was chosen stays where it can.
const options = () => {
  let left = grid.walks;
  for (const name of CHOSEN) {
    const select = at(name), before = select.value, names = [...new Set(left.map(walk => walk[name]))];
    select.replaceChildren(...names.map(one => new Option(one, one)));
    select.value = names.includes(before) ? before : names[0];
    left = left.filter(walk => walk[name] === select.value);
  }
  return left[0];
};

const ticks = (low, high) => {
  const rough = (high - low) / 4, ten = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map(k => k * ten).find(one => one >= rough);
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) found.push(Number((k * step).toPrecision(6)));
  return found;
};

// One chart: places are even, because amounts and ε are; `pick` moves the slider to the place that is pointed at.
const LEFT = 44, RIGHT = 330, TOP = 10, BOTTOM = 182;
const draw = (place, places, label, columns, here, ends, pick) => {
  const { measured, predicted, low, high } = columns, every = [...ends];
  for (const list of [measured, predicted, low, high]) if (list) every.push(...list.filter(v => v !== null));
  const least = Math.min(...every), most = Math.max(...every), room = 0.06 * (most - least || 1);
  const x = i => LEFT + (i + 0.5) * (RIGHT - LEFT) / places.length;
  const y = v => BOTTOM - (v - least + room) / (most - least + 2 * room) * (BOTTOM - TOP);
  const parts = [];
  for (const tick of ticks(least - room, most + room)) {
    parts.push(svg("line", { class: "grid", x1: LEFT, x2: RIGHT, y1: y(tick), y2: y(tick) }));
    parts.push(svg("text", { x: LEFT - 6, y: y(tick) + 4, "text-anchor": "end" }, String(tick)));
  }
  parts.push(svg("line", { class: "here", x1: x(here), x2: x(here), y1: TOP, y2: BOTTOM }));
  places.forEach((one, i) => parts.push(svg("text", { x: x(i), y: BOTTOM + 17, "text-anchor": "middle" }, String(one))));
  parts.push(svg("text", { x: (LEFT + RIGHT) / 2, y: BOTTOM + 35, "text-anchor": "middle" }, label));
  if (low) places.forEach((_, i) => parts.push(svg("line", { class: "band", x1: x(i), x2: x(i), y1: y(low[i]), y2: y(high[i]) })));
  const known = places.map((_, i) => i).filter(i => predicted[i] !== null);
  parts.push(svg("polyline", { class: "predicted", points: known.map(i => `${x(i)},${y(predicted[i])}`).join(" ") }));
  places.forEach((_, i) => parts.push(svg("circle", { class: i === here ? "measured at" : "measured", cx: x(i), cy: y(measured[i]), r: i === here ? 5 : 4 })));
  place.replaceChildren(...parts);
  place.setAttribute("aria-label", `${label}: ` + places.map((one, i) => `${one}: ${told(measured[i])}, predicted ${told(predicted[i])}`).join("; "));
  place.onclick = event => {
    const box = place.getBoundingClientRect(), across = (event.clientX - box.left) / box.width * 340;
    pick(Math.max(0, Math.min(places.length - 1, Math.floor((across - LEFT) / (RIGHT - LEFT) * places.length))));
  };
};

const show = () => {
  const walk = options(), eps = at("eps"), amount = at("amount");
  amount.max = walk.amounts.length - 1;
  const k = Number(eps.value), a = Number(amount.value);
  at("eps-told").textContent = grid.eps[k];
  at("amount-told").textContent = walk.amounts[a];
  eps.setAttribute("aria-valuetext", grid.eps[k]);
  amount.setAttribute("aria-valuetext", walk.amounts[a]);
  at("says").textContent = `${walk.path}: ${grid.says[walk.path]}`;
  at("walk").textContent = CHOSEN.map(name => walk[name]).join(", ");
  const move = (slider, i) => { slider.value = i; show(); };
  const alongEps = name => walk[name] && walk[name][a], alongAmount = name => walk[name] && walk[name].map(row => row[k]);
  const charts = {
    alignment: [grid.eps, "ε", alongEps, k, [0, 1], i => move(eps, i)],
    positive: [walk.amounts, "amount", alongAmount, a, [0, 1], i => move(amount, i)],
    trait: [walk.amounts, "amount", alongAmount, a, [0, 1], i => move(amount, i)],
  };
  for (const [name, [places, label, column, here, ends, pick]] of Object.entries(charts)) {
    const figure = at(`of-${name}`);
    const columns = { measured: column(name), predicted: column(`${name}_predicted`), low: column(`${name}_low`), high: column(`${name}_high`) };
    draw(figure.querySelector("svg"), places, label, columns, here, ends, pick);
    figure.querySelector(".was").textContent = told(walk[name][a][k]);
    figure.querySelector(".said").textContent = told(walk[`${name}_predicted`][a][k]);
    const raw = figure.querySelector(".raw");
    if (raw) raw.textContent = told(walk[`${name}_raw`][a][k]);
  }
  const names = ["alignment", "alignment_predicted", "positive", "positive_predicted", "trait", "trait_predicted"];
  at("cells").querySelector("tbody").replaceChildren(...walk.amounts.flatMap((far, i) => grid.eps.map((size, j) => {
    const row = document.createElement("tr");
    row.className = i === a && j === k ? "at" : "";
    row.append(...[far, size, ...names.map(name => walk[name][i][j])].map(value => {
      const cell = document.createElement("td");
      cell.textContent = value === null ? "–" : value;
      return cell;
    }));
    return row;
  })));
};

at("controls").hidden = false;
document.querySelector(".charts").hidden = false;
at("cells").open = false;
at("controls").addEventListener("input", show);
at("controls").addEventListener("submit", event => event.preventDefault());
show();
