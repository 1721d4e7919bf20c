// Objective and running best against evaluations or time.
drawing("progress", function () {
  const told = data("data-progress"), place = document.getElementById("chart-progress");
  if (!told || !place) return;
  const all = told.points, count = all.id.length;
  if (!told.last.number) { make("p", { class: "quiet" }, place, "No evaluation has ended yet."); return; }
  const sign = told.direction === "minimize" ? 1 : -1;
  const best = told.best.value.length ? told.best.value[told.best.value.length - 1] : null;
  const isPositive = all.value.every((value) => value > 0) && told.best.value.every((value) => value > 0);
  const regrets = all.value.map((value) => sign * (value - best));
  const least = regrets.filter((value) => value > 0).reduce((a, b) => Math.min(a, b), Infinity);
  const unit = timeUnit(told.last.at);
  const controls = make("div", { class: "controls" }, place);
  const figure = make("figure", {}, place);
  const svg = make("svg", { viewBox: "0 0 1040 400", tabindex: 0, role: "img", id: "svg-progress",
    "aria-label": "Objective against evaluations; arrow keys read out single evaluations" }, figure);
  const readout = make("p", { class: "readout", "aria-live": "polite" }, place);
  const keys = make("p", {}, place);
  key(keys, ["path", { class: "dots", d: "M9,6h0" }], "an evaluation");
  key(keys, ["path", { class: "best", d: "M1,9h8v-6h8" }], "best so far");
  if (told.failed.id.length) key(keys, ["path", { class: "crosses", d: "M6,3l6,6m0,-6l-6,6" }], "failed");
  if (told.imported !== null) key(keys, ["line", { class: "reference", x1: 0, x2: 18, y1: 6, y2: 6 }], "best of what was imported");
  const note = make("p", { class: "quiet", id: "note-progress" }, place);
  let mode = "linear", byTime = false, points = [];

  function yOf(value) {
    if (mode !== "regret") return value;
    const regret = sign * (value - best);
    return regret > 0 ? regret : least / 2;
  }
  function range() {
    if (!count) return [0, 1];
    if (mode === "linear") return told.limits;
    const shown = all.value.map(yOf);
    return [shown.reduce((a, b) => Math.min(a, b)), shown.reduce((a, b) => Math.max(a, b))];
  }
  function draw() {
    empty(svg);
    points = [];
    const log = mode !== "linear", [low, high] = range();
    const pad = log ? 0 : (high - low) * 0.04 || Math.abs(high) * 0.05 || 0.5;
    const y = scale(log ? low / 1.1 : low - pad, log ? high * 1.1 : high + pad, 330, 30, log);
    const over = byTime ? "at" : "number", per = byTime ? unit.seconds : 1;
    const onAxis = scale(0, (told.last[over] || 1) / per, 70, 1020, false), x = (value) => onAxis(value / per);
    const names = { linear: "objective", log: "objective (log)", regret: "distance from the best (log)" };
    axes(svg, onAxis, y, byTime ? unit.name + " since the first start" : "evaluations ended", names[mode], 22);
    const clamp = (value) => Math.max(y.to, Math.min(y.from, y(value)));
    let dots = "", beyond = "";
    all.value.forEach((value, index) => {
      const px = x(all[over][index]), raw = y(yOf(value)), py = clamp(yOf(value));
      if (raw < y.to - 0.5) beyond += `M${px - 4},${y.to + 8}l4,-7l4,7z`;
      else if (raw > y.from + 0.5) beyond += `M${px - 4},${y.from - 8}l4,7l4,-7z`;
      else dots += `M${px.toFixed(1)},${py.toFixed(1)}h0`;
      points.push({ x: px, y: py, words: () => `evaluation ${all.id[index]}: ${number(value)}, number ${all.number[index]} to end, after ${seconds(all.at[index])}` });
    });
    make("path", { class: "dots", d: dots }, svg);
    make("path", { class: "beyond", d: beyond }, svg);
    let crosses = "";
    told.failed.id.forEach((id, index) => {
      const px = x(told.failed[over][index]), py = 341;
      crosses += `M${(px - 3).toFixed(1)},${py - 3}l6,6m0,-6l-6,6`;
      points.push({ x: px, y: py, words: () => `evaluation ${id} failed, number ${told.failed.number[index]} to end; ambs why ${id}` });
    });
    make("path", { class: "crosses", d: crosses }, svg);
    if (told.imported !== null && (mode !== "log" || told.imported > 0)) {
      const py = clamp(yOf(told.imported));
      make("line", { class: "reference", x1: onAxis.from, x2: onAxis.to, y1: py, y2: py }, svg);
    }
    if (told.best.value.length) {
      let line = "";
      told.best.value.forEach((value, index) => {
        const px = x(told.best[over][index]).toFixed(1), py = clamp(yOf(value)).toFixed(1);
        line += index ? `H${px}V${py}` : `M${px},${py}`;
      });
      make("path", { class: "best", d: line + `H${x(told.last[over]).toFixed(1)}` }, svg);
    }
    points.sort((a, b) => a.x - b.x);
    const left = mode === "linear" && told.beyond ? `${told.beyond} of ${told.of} results lie beyond this axis: triangles at its end. ` : "";
    note.textContent = left + (told.of > count ? `${count} of ${told.of} results are drawn, evenly chosen; the line has every improvement.` : "");
  }
  const modes = ["linear", "log", "regret"];
  const made = buttons(controls, "Objective:", ["linear", "log", "distance from the best"], 0, (index) => { mode = modes[index]; draw(); });
  if (!isPositive) { made[1].disabled = true; made[1].title = "not all results are above zero"; }
  if (!Number.isFinite(least)) { made[2].disabled = true; made[2].title = "all results are alike"; }
  buttons(controls, "Against:", ["evaluations", "time"], 0, (index) => { byTime = index === 1; draw(); });
  draw();
  readable(svg, readout, () => points);
});
