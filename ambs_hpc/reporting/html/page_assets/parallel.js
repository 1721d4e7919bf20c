// Parallel coordinates: a line for each evaluation; a part of an axis chooses those that pass through it.
drawing("parallel", function (kept) {
  const told = data("data-parameters"), place = document.getElementById("chart-parallel");
  if (!told || !place) return;
  const rows = told.value.map((value, index) => index).filter((index) => told.value[index] !== null);
  if (!rows.length || !told.axes.length) { make("p", { class: "quiet" }, place, "No result yet."); return; }
  const MOST = 20, CLASSES = 6, TOP = 44, BOTTOM = 330, NONE = 352;
  const shownAxes = told.axes.slice(0, MOST);
  const columns = [...told.columns.slice(0, MOST), told.value];
  const drawn = [...shownAxes, { name: "objective", choices: null, low: told.limits[0], high: told.limits[1], log: false, isLast: true }];
  const width = Math.max(1040, 110 * drawn.length), step = (width - 130) / Math.max(1, drawn.length - 1);
  const at = (index) => 60 + index * step;
  const ys = drawn.map((axis) => scale(axis.low, axis.high, BOTTOM, TOP, axis.log));
  const positionOf = (column, row) => {
    const value = columns[column][row];
    return value === null ? NONE : Math.max(TOP, Math.min(BOTTOM, ys[column](value)));
  };
  // Classes of equal size, the best first.
  const sign = told.direction === "minimize" ? 1 : -1;
  const order = rows.slice().sort((a, b) => sign * (told.value[a] - told.value[b]));
  const classOf = {};
  order.forEach((row, place) => { classOf[row] = Math.min(CLASSES - 1, Math.floor((place / order.length) * CLASSES)); });
  const lines = {};
  for (const row of rows) lines[row] = "M" + drawn.map((axis, column) => `${at(column).toFixed(0)},${positionOf(column, row).toFixed(1)}`).join("L");

  const keys = make("p", {}, place);
  for (let one = 0; one < CLASSES; one++) {
    const words = one === 0 ? "the best sixth" : one === CLASSES - 1 ? "the worst sixth" : "";
    key(keys, ["path", { class: `chosen class${one}`, d: "M1,6h16", "stroke-width": 4 }], words);
  }
  const controls = make("div", { class: "controls" }, place);
  const clear = make("button", { type: "button" }, controls, "choose all");
  make("span", { class: "quiet" }, controls, "Drag along an axis to choose; with keys: arrows move, Shift and arrows resize, Escape clears.");
  const frame = make("div", { class: "wide" }, make("figure", {}, place));
  const svg = make("svg", { viewBox: `0 0 ${width} 385`, id: "svg-parallel", role: "group", "aria-label": "Parallel coordinates" }, frame);
  if (width > 1040) svg.style.width = width + "px";
  const back = make("path", { class: "unchosen" }, svg);
  const fronts = [];
  for (let one = CLASSES - 1; one >= 0; one--) fronts[one] = make("path", { class: `chosen class${one}` }, svg);
  const readout = make("p", { class: "readout", "aria-live": "polite", id: "chosen-parallel" }, place);
  const table = make("div", { class: "wide" }, place);
  const brushes = drawn.map(() => null), shapes = [];
  if (drawn.length - 1 < told.axes.length) make("p", { class: "quiet" }, place, `The first ${MOST} of ${told.axes.length} parameters have an axis.`);
  if (told.columns.slice(0, MOST).some((column) => rows.some((row) => column[row] === null)))
    make("text", { x: 4, y: NONE + 18 }, svg, "below an axis: not active");

  drawn.forEach((axis, column) => {
    const group = make("g", { class: "axis", tabindex: 0, role: "group" }, svg), x = at(column);
    make("line", { x1: x, x2: x, y1: TOP, y2: BOTTOM }, group);
    const name = axis.name.length > 15 ? axis.name.slice(0, 14) + "…" : axis.name;
    make("text", { class: "name", x: x, y: column % 2 ? 30 : 16, "text-anchor": "middle" }, group, name);
    const marks = axis.choices ? axis.choices.map((choice, index) => [index, choice]) : ticks(ys[column], 5).map((tick) => [tick, number(tick)]);
    const every = Math.ceil(marks.length / 16);
    marks.forEach(([value, words], index) => {
      if (index % every) return;
      make("text", { x: x + 6, y: ys[column](value) + 4 }, group, words.length > 12 ? words.slice(0, 11) + "…" : words);
    });
    const brush = make("rect", { class: "brush", x: x - 8, width: 16, y: TOP, height: 0, visibility: "hidden" }, group);
    const hit = make("rect", { class: "hit", x: x - 16, width: 32, y: TOP - 6, height: BOTTOM - TOP + 12 }, group);
    shapes.push({ group: group, brush: brush });
    drag(hit, column);
    group.addEventListener("keydown", (event) => keyed(event, column));
  });

  function pixel(event) {
    const box = svg.getBoundingClientRect();
    return Math.max(TOP, Math.min(BOTTOM, ((event.clientY - box.top) / box.height) * 385));
  }
  function drag(hit, column) {
    let from = null;
    hit.addEventListener("pointerdown", (event) => { from = pixel(event); hit.setPointerCapture(event.pointerId); event.preventDefault(); shapes[column].group.focus({ preventScroll: true }); });
    hit.addEventListener("pointermove", (event) => { if (from !== null) set(column, from, pixel(event)); });
    hit.addEventListener("pointerup", (event) => { if (from !== null && Math.abs(from - pixel(event)) < 3) set(column, null); from = null; });
    hit.addEventListener("pointercancel", () => { from = null; });
  }
  function keyed(event, column) {
    const size = (BOTTOM - TOP) / 20, now = brushes[column];
    const move = { ArrowUp: -size, ArrowDown: size }[event.key];
    if (event.key === "Escape") set(column, null);
    else if (move === undefined) return;
    // The first press chooses the half of the axis that the arrow points to.
    else if (!now) set(column, move < 0 ? TOP : (TOP + BOTTOM) / 2, move < 0 ? (TOP + BOTTOM) / 2 : BOTTOM);
    else if (event.shiftKey) set(column, Math.max(TOP, Math.min(now[1] - 1, now[0] + move)), now[1]);
    else {
      const by = Math.max(TOP - now[0], Math.min(BOTTOM - now[1], move));
      set(column, now[0] + by, now[1] + by);
    }
    event.preventDefault();
  }
  function set(column, a, b) {
    brushes[column] = a === null ? null : [Math.min(a, b), Math.max(a, b)];
    update();
  }
  function isChosen(row) {
    return brushes.every((brush, column) => {
      if (!brush) return true;
      const y = positionOf(column, row);
      return y >= brush[0] && y <= brush[1];
    });
  }
  function ends(column) {
    const [top, bottom] = brushes[column], axis = drawn[column];
    if (axis.choices) {
      const inside = axis.choices.filter((choice, index) => ys[column](index) >= top && ys[column](index) <= bottom);
      return inside.length ? inside.join(", ") : "nothing";
    }
    return `${number(ys[column].invert(bottom))} to ${number(ys[column].invert(top))}`;
  }
  function update() {
    const isBrushed = brushes.some((brush) => brush), chosen = rows.filter(isChosen);
    back.setAttribute("d", isBrushed ? rows.filter((row) => !isChosen(row)).map((row) => lines[row]).join("") : "");
    fronts.forEach((front, one) => front.setAttribute("d", chosen.filter((row) => classOf[row] === one).map((row) => lines[row]).join("")));
    drawn.forEach((axis, column) => {
      const { group, brush } = shapes[column], part = brushes[column];
      brush.setAttribute("visibility", part ? "visible" : "hidden");
      if (part) { brush.setAttribute("y", part[0]); brush.setAttribute("height", part[1] - part[0]); }
      group.setAttribute("aria-label", `${axis.name}: ${part ? ends(column) + " chosen" : "all chosen"}`);
    });
    const values = chosen.map((row) => told.value[row]);
    const best = values.reduce((a, b) => (sign * a <= sign * b ? a : b), values.length ? values[0] : null);
    const parts = brushes.map((brush, column) => (brush ? `${drawn[column].name} ${ends(column)}` : "")).filter((part) => part);
    const sample = told.of > told.id.length ? " (of the sample drawn here)" : "";
    readout.textContent = `${chosen.length} of ${rows.length} results${sample}` + (parts.length ? ` with ${parts.join("; ")}` : "") + (values.length ? `; best ${number(best)}` : "");
    list(chosen.sort((a, b) => sign * (told.value[a] - told.value[b])).slice(0, 5));
  }
  function list(few) {
    empty(table);
    const inside = make("table", {}, table);
    make("caption", {}, inside, "The best of those chosen");
    const head = make("tr", {}, make("thead", {}, inside));
    for (const name of ["evaluation", "objective", ...shownAxes.map((axis) => axis.name)]) make("th", { scope: "col" }, head, name);
    const body = make("tbody", {}, inside);
    for (const row of few) {
      const line = make("tr", {}, body);
      make("td", { class: "number" }, line, String(told.id[row]));
      make("td", { class: "number" }, line, number(told.value[row]));
      shownAxes.forEach((axis, column) => {
        const value = columns[column][row];
        make("td", {}, line, value === null ? "" : axis.choices ? axis.choices[value] : number(value));
      });
    }
  }
  clear.addEventListener("click", () => { brushes.fill(null); update(); });
  // What was chosen before the data changed, as values: axes may be longer now.
  drawn.forEach((axis, column) => {
    const part = kept && kept[axis.name];
    if (part) brushes[column] = part.map((value) => Math.max(TOP, Math.min(BOTTOM, ys[column](value)))).sort((a, b) => a - b);
  });
  update();
  return () => Object.fromEntries(brushes.flatMap((brush, column) => (brush ? [[drawn[column].name, brush.map(ys[column].invert)]] : [])));
});
