// The objective against each parameter: results, failures, and the middle half of what lay in each part.
drawing("effects", function () {
  const told = data("data-parameters"), place = document.getElementById("chart-effects");
  if (!told || !place) return;
  if (!told.limits.length || !told.axes.length) { make("p", { class: "quiet" }, place, "No result yet."); return; }
  const isPositive = told.value.every((value) => value === null || value > 0) && told.limits[0] > 0;
  const sum = told.value.filter((value) => value !== null);
  const controls = make("div", { class: "controls" }, place);
  const keys = make("p", {}, place);
  const hasModel = told.dependence.some((points) => points.length);
  let byModel = hasModel;
  const grid = make("div", { class: "small" }, place);
  let log = false;
  function draw() {
    empty(grid);
    empty(keys);
    key(keys, ["path", { class: "dots", d: "M9,6h0" }], "an evaluation");
    key(keys, ["path", { class: "best", d: "M1,6h16" }], byModel ? "partial dependence: the forest's mean, all else alike" : "median of the results there");
    key(keys, ["rect", { class: "band", x: 1, y: 1, width: 16, height: 10 }], byModel ? "one deviation of the forest" : "the middle half");
    if (told.value.includes(null)) key(keys, ["path", { class: "crosses", d: "M6,3l6,6m0,-6l-6,6" }], "failed");
    told.axes.forEach((axis, index) => {
      const figure = make("figure", {}, grid);
      const svg = make("svg", { viewBox: "0 0 340 230", role: "img", "aria-label": "Objective against " + axis.name }, figure);
      const low = log ? Math.min(...sum) : told.limits[0], high = log ? Math.max(...sum) : told.limits[1];
      const pad = log ? 0 : (high - low) * 0.04 || Math.abs(high) * 0.05 || 0.5;
      const y = scale(log ? low / 1.1 : low - pad, log ? high * 1.1 : high + pad, 180, 24, log);
      const x = scale(axis.low, axis.high, 52, 330, axis.log);
      const clamp = (value) => (log && value <= 0 ? y.from : Math.max(y.to, Math.min(y.from, y(value))));
      parameterAxes(svg, x, y, axis);
      let dots = "", crosses = "", beyond = "";
      told.columns[index].forEach((at, row) => {
        if (at === null) return;
        // Choices are drawn beside each other, each time in the same place.
        const px = x(axis.choices ? at + (((told.id[row] * 37) % 101) / 101 - 0.5) * 0.6 : at), value = told.value[row];
        if (value === null) crosses += `M${(px - 2.5).toFixed(1)},187l5,5m0,-5l-5,5`;
        else if (y(value) < y.to - 0.5) beyond += `M${(px - 3).toFixed(1)},${y.to + 6}l3,-5l3,5z`;
        else if (y(value) > y.from + 0.5) beyond += `M${(px - 3).toFixed(1)},${y.from - 6}l3,5l3,-5z`;
        else dots += `M${px.toFixed(1)},${y(value).toFixed(1)}h0`;
      });
      make("path", { class: "dots fine", d: dots }, svg);
      make("path", { class: "beyond", d: beyond }, svg);
      make("path", { class: "crosses", d: crosses }, svg);
      const parts = (byModel ? told.dependence : told.effects)[index];
      if (axis.choices) {
        for (const [at, lower, median, upper] of parts) {
          const from = x(at - 0.38), width = x(at + 0.38) - from;
          const ends = [clamp(lower), clamp(upper)];
          make("rect", { class: "band", x: from, width: width, y: Math.min(...ends), height: Math.abs(ends[0] - ends[1]) }, svg);
          make("path", { class: "best", d: `M${from},${clamp(median)}h${width}` }, svg);
        }
      } else if (parts.length) {
        const line = (column) => parts.map((part) => `${x(part[0]).toFixed(1)},${clamp(part[column]).toFixed(1)}`);
        make("path", { class: "band", d: "M" + line(1).concat(line(3).reverse()).join("L") + "z" }, svg);
        make("path", { class: "best", d: "M" + line(2).join("L") }, svg);
      }
    });
  }
  const made = buttons(controls, "Objective:", ["linear", "log"], 0, (index) => { log = index === 1; draw(); });
  const lines = buttons(controls, "Line:", ["partial dependence", "median of results"], hasModel ? 0 : 1, (index) => { byModel = index === 0; draw(); });
  if (!hasModel) { lines[0].disabled = true; lines[0].title = "too few results for a forest"; }
  if (!isPositive) made[1].disabled = true;
  const note = told.of > told.id.length ? `${told.id.length} of ${told.of} evaluations are drawn, the best among them; medians are of all, the forest learned from up to 3000.` : "";
  make("p", { class: "quiet" }, place, note + " Where a search has looked more often it knows more: parts with few points say little.");
  draw();

  function parameterAxes(svg, x, y, axis) {
    if (!axis.choices) { axes(svg, x, y, axis.name, "", 14); return; }
    const none = scale(0, 1, x.from, x.to, false);
    for (const tick of ticks(y, 4)) {
      make("line", { class: "grid", x1: x.from, x2: x.to, y1: y(tick), y2: y(tick) }, svg);
      make("text", { x: x.from - 6, y: y(tick) + 4, "text-anchor": "end" }, svg, number(tick));
    }
    make("rect", { class: "frame", x: none.from, y: y.to, width: none.to - none.from, height: y.from - y.to }, svg);
    const room = (x.to - x.from) / axis.choices.length / 6.5;
    axis.choices.forEach((choice, index) => {
      if (room < 1 && index % Math.ceil(1 / room)) return;
      const text = choice.length > room ? choice.slice(0, Math.max(1, Math.floor(room) - 1)) + "…" : choice;
      make("text", { x: x(index), y: y.from + 30, "text-anchor": "middle" }, svg, text);
    });
    make("text", { class: "name", x: (x.from + x.to) / 2, y: y.from + 46, "text-anchor": "middle" }, svg, axis.name);
  }
});
