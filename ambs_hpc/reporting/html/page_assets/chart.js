"use strict";
// What all charts share: elements, scales, axes, and a point that is read out under pointer and keys.
const SVG = "http://www.w3.org/2000/svg";

function data(id) {
  const element = document.getElementById(id);
  return element ? JSON.parse(element.textContent) : null;
}

// Charts by the part of the page that they fill. A draw function may give one that says what to keep of a
// person's choices when the chart is drawn again with other data, and gets that the next time.
const drawings = {};
function drawing(key, draw) { drawings[key] = { draw: draw, keep: draw(null) }; }

// An element of the page or of a drawing. Texts are set as text: nothing of the data becomes markup.
function make(name, attributes, parent, text) {
  const isDrawn = parent instanceof SVGElement || name === "svg";
  const made = isDrawn ? document.createElementNS(SVG, name) : document.createElement(name);
  for (const key in attributes) made.setAttribute(key, attributes[key]);
  if (text !== undefined) made.textContent = text;
  if (parent) parent.appendChild(made);
  return made;
}

function empty(element) { while (element.firstChild) element.removeChild(element.firstChild); }

function number(value) {
  if (value === null || value === undefined) return "";
  if (Number.isInteger(value) && Math.abs(value) < 1e7) return String(value);
  return String(Number(value.toPrecision(5)));
}

function seconds(value) {
  if (value < 120) return number(Math.round(value * 10) / 10) + " s";
  if (value < 7200) return number(Math.round(value / 6) / 10) + " min";
  return number(Math.round(value / 360) / 10) + " h";
}

// The unit in which a time as long as this is read.
function timeUnit(span) {
  if (span > 3 * 86400) return { name: "days", seconds: 86400 };
  if (span > 7200) return { name: "hours", seconds: 3600 };
  return span > 120 ? { name: "minutes", seconds: 60 } : { name: "seconds", seconds: 1 };
}

// From values to pixels; `log` in powers of ten.
function scale(low, high, from, to, log) {
  if (log) { low = Math.log10(low); high = Math.log10(high); }
  if (!(high > low)) { const pad = Math.abs(low) * 0.05 || 0.5; low -= pad; high += pad; }
  const at = (value) => from + (((log ? Math.log10(value) : value) - low) / (high - low)) * (to - from);
  at.invert = (pixel) => { const x = low + ((pixel - from) / (to - from)) * (high - low); return log ? 10 ** x : x; };
  at.low = low; at.high = high; at.log = log; at.from = from; at.to = to;
  return at;
}

function ticks(of, about) {
  const found = [];
  if (of.log && of.high - of.low >= 1) {
    const step = Math.max(1, Math.ceil((of.high - of.low) / about));
    for (let power = Math.ceil(of.low - 1e-9); power <= of.high + 1e-9; power += step) found.push(10 ** power);
    if (found.length > 1) return found;
  }
  if (of.log) {
    const low = 10 ** of.low, high = 10 ** of.high;
    return linear(low, high, about);
  }
  return linear(of.low, of.high, about);
}

function linear(low, high, about) {
  const raw = (high - low) / about, size = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].find((factor) => factor * size >= raw) * size, found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) found.push(Number((k * step).toPrecision(12)));
  return found;
}

// `strip`: pixels under the frame, above the names, for what has no value.
function axes(svg, x, y, xName, yName, strip = 0) {
  for (const tick of ticks(y, 5)) {
    make("line", { class: "grid", x1: x.from, x2: x.to, y1: y(tick), y2: y(tick) }, svg);
    make("text", { x: x.from - 6, y: y(tick) + 4, "text-anchor": "end" }, svg, number(tick));
  }
  for (const tick of ticks(x, (x.to - x.from) / (x.to - x.from > 500 ? 110 : 75))) {
    make("line", { class: "grid", x1: x(tick), x2: x(tick), y1: y.to, y2: y.from }, svg);
    make("text", { x: x(tick), y: y.from + strip + 16, "text-anchor": "middle" }, svg, number(tick));
  }
  make("rect", { class: "frame", x: x.from, y: y.to, width: x.to - x.from, height: y.from - y.to }, svg);
  make("text", { x: (x.from + x.to) / 2, y: y.from + strip + 32, "text-anchor": "middle" }, svg, xName);
  if (yName) make("text", { x: x.from, y: y.to - 7 }, svg, yName);
}

function buttons(parent, label, names, chosen, choose) {
  const group = make("span", { role: "group", "aria-label": label }, parent);
  make("span", { class: "quiet" }, group, label);
  const made = names.map((name, index) => {
    const one = make("button", { type: "button", "aria-pressed": String(index === chosen) }, group, name);
    one.addEventListener("click", () => {
      made.forEach((other) => other.setAttribute("aria-pressed", String(other === one)));
      choose(index);
    });
    return one;
  });
  return made;
}

// The nearest of `points` ({x, y, words}) under the pointer; arrow keys walk through them.
// `hit` says which one is meant where the nearest centre is not.
function readable(svg, readout, points, hit) {
  const mark = make("circle", { class: "mark", r: 6, visibility: "hidden" }, svg);
  let chosen = -1;
  function show(index) {
    if (index < 0 || index >= points().length) return;
    chosen = index;
    const point = points()[index];
    mark.setAttribute("cx", point.x); mark.setAttribute("cy", point.y); mark.setAttribute("visibility", "visible");
    svg.appendChild(mark);
    readout.textContent = point.words();
  }
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect(), view = svg.viewBox.baseVal;
    const x = ((event.clientX - box.left) / box.width) * view.width;
    const y = ((event.clientY - box.top) / box.height) * view.height;
    if (hit) { show(hit(x, y)); return; }
    let nearest = -1, least = 400;
    points().forEach((point, index) => {
      const distance = (point.x - x) ** 2 + (point.y - y) ** 2;
      if (distance < least) { least = distance; nearest = index; }
    });
    show(nearest);
  });
  svg.addEventListener("keydown", (event) => {
    const last = points().length - 1;
    const to = { ArrowRight: Math.min(last, chosen + 1), ArrowLeft: Math.max(0, chosen - 1), Home: 0, End: last }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    show(to);
  });
}

function key(parent, shape, words) {
  const one = make("span", { class: "key" }, parent);
  const svg = make("svg", { viewBox: "0 0 18 12", "aria-hidden": "true" }, one);
  make(shape[0], shape[1], svg);
  make("span", {}, one, words);
}
