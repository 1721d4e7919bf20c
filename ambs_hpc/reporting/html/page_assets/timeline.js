// Slots over time: a row for each slot of each node, under its launcher.
drawing("timeline", function () {
  const told = data("data-timeline"), place = document.getElementById("chart-timeline");
  if (!told || !place) return;
  if (!told.lanes.length) { make("p", { class: "quiet" }, place, "Nothing has run yet."); return; }
  const bars = told.bars, rows = [], unit = timeUnit(told.span);
  const height = Math.max(3, Math.min(14, 1100 / told.lanes.length)), left = 130, right = 1020;
  let y = 24;
  const heads = [];
  told.lanes.forEach((lane, index) => {
    if (!index || told.lanes[index - 1].launcher !== lane.launcher) {
      y += 20;
      heads.push({ y: y, first: index, launcher: told.launchers.find((one) => one.id === lane.launcher) });
    } else if (told.lanes[index - 1].node !== lane.node) y += 2;
    rows.push(y);
    y += height;
  });
  const keys = make("p", {}, place);
  const names = { done: "done", failed: "failed", interrupted: "interrupted (walltime, lost launcher)", running: "running", paused: "paused at a rung" };
  told.outcomes.forEach((name, index) => {
    if (bars.outcome.includes(index)) key(keys, ["rect", { class: name, x: 1, y: index === 1 ? 1 : 2.5, width: 16, height: index === 1 ? 10 : 7 }], names[name]);
  });
  key(keys, ["rect", { class: "alive", x: 1, y: 1, width: 16, height: 10 }], "launcher alive, slot idle");
  const figure = make("figure", {}, place);
  const svg = make("svg", { viewBox: `0 0 1040 ${Math.ceil(y + 44)}`, tabindex: 0, role: "img", id: "svg-timeline",
    "aria-label": "Slots over time; arrow keys read out what ran in them" }, figure);
  const readout = make("p", { class: "readout", "aria-live": "polite" }, place);
  const x = scale(0, told.span / unit.seconds, left, right, false);
  const px = (at) => x(at / unit.seconds);
  for (const tick of ticks(x, 8)) {
    make("line", { class: "grid", x1: x(tick), x2: x(tick), y1: 24, y2: y }, svg);
    make("text", { x: x(tick), y: y + 16, "text-anchor": "middle" }, svg, number(tick));
  }
  make("text", { x: (left + right) / 2, y: y + 34, "text-anchor": "middle" }, svg, unit.name + " since the first launcher");
  heads.forEach((head, index) => {
    if (!head.launcher) return;
    const end = index + 1 < heads.length ? heads[index + 1].y - 20 : y;
    const from = px(head.launcher.start), to = Math.max(from + 1, px(head.launcher.end));
    make("rect", { class: "alive", x: from, y: head.y, width: to - from, height: end - head.y }, svg);
    make("text", { class: "name", x: left, y: head.y - 5 }, svg, head.launcher.words);
  });
  let last = -100;
  told.lanes.forEach((lane, index) => {
    const isFirst = !index || told.lanes[index - 1].node !== lane.node || told.lanes[index - 1].launcher !== lane.launcher;
    if (!isFirst || rows[index] - last < 12) return;
    last = rows[index];
    const name = lane.node || "node not known";
    make("text", { x: left - 6, y: rows[index] + Math.max(9, height / 2 + 4), "text-anchor": "end" }, svg, name.length > 18 ? name.slice(0, 17) + "…" : name);
  });
  const paths = told.outcomes.map(() => ""), points = [];
  bars.lane.forEach((lane, index) => {
    const from = px(bars.start[index]), to = Math.max(from + 0.4, px(bars.end[index])), kind = bars.outcome[index];
    // Failures stand higher than the rest: told apart without colours too.
    const inset = kind === 1 ? 0 : height * 0.15;
    const top = rows[lane] + inset, tall = height - 2 * inset;
    paths[kind] += `M${from.toFixed(1)},${top.toFixed(1)}H${(to - (to - from > 2 ? 0.4 : 0)).toFixed(1)}v${tall.toFixed(1)}H${from.toFixed(1)}z`;
    const many = bars.count[index] > 1 ? `${bars.count[index]} evaluations from ${bars.id[index]} on` : `evaluation ${bars.id[index]}`;
    points.push({ x: (from + to) / 2, y: rows[lane] + height / 2, lane: lane, from: from, to: to, words: () =>
      `${many}: ${told.outcomes[kind]}, ${seconds(bars.end[index] - bars.start[index])} on ${told.lanes[lane].node || "a node not known"}, launcher ${told.lanes[lane].launcher}` });
  });
  told.outcomes.forEach((name, index) => { if (paths[index]) make("path", { class: name, d: paths[index] }, svg); });
  points.sort((a, b) => a.lane - b.lane || a.from - b.from);
  readable(svg, readout, () => points, (atX, atY) => points.findIndex((one) =>
    atX >= one.from - 1 && atX <= one.to + 1 && atY >= rows[one.lane] && atY <= rows[one.lane] + height));
  const merged = bars.lane.length < told.attempts ? `${told.attempts} attempts are drawn as ${bars.lane.length} bars. ` : "";
  const out = told.left_out ? `The ${told.left_out} slots of the earliest launchers are left out.` : "";
  if (merged || out) make("p", { class: "quiet" }, place, merged + out);
});
