// On a served page: takes over what changes in the campaign, and keeps what a person has chosen.
(function () {
  const told = document.getElementById("live");
  let isDown = false, isWanted = false, isBusy = false;
  if (location.hash) history.replaceState(null, "", location.pathname);
  addEventListener("pointerdown", () => { isDown = true; });
  for (const name of ["pointerup", "pointercancel"]) addEventListener(name, () => { isDown = false; take(); });

  function pressed(place) { return [...place.querySelectorAll("button[aria-pressed]")].map((one) => one.getAttribute("aria-pressed") === "true"); }
  function press(place, states) {
    place.querySelectorAll("button[aria-pressed]").forEach((one, index) => {
      if (states[index] && one.getAttribute("aria-pressed") !== "true" && !one.disabled) one.click();
    });
  }
  function focusable() { return [...document.querySelectorAll("main a, main button, main [tabindex]")]; }

  function swap(text) {
    const fresh = new DOMParser().parseFromString(text, "text/html");
    for (const one of fresh.querySelectorAll("script[type='application/json']")) {
      const old = document.getElementById(one.id);
      if (old) old.textContent = one.textContent; else document.body.appendChild(document.adoptNode(one));
    }
    const focus = focusable().indexOf(document.activeElement), states = {}, kept = {};
    for (const key in drawings) {
      const place = document.getElementById("chart-" + key);
      states[key] = place ? pressed(place) : [];
      kept[key] = drawings[key].keep ? drawings[key].keep() : null;
    }
    for (const part of fresh.querySelectorAll("main > section")) {
      const old = document.getElementById(part.id);
      if (!old) continue;
      for (const place of part.querySelectorAll("[id^='chart-']")) {
        const before = document.getElementById(place.id);
        // A chart that cannot be drawn again stays as it was.
        if (before && !drawings[place.id.slice(6)]) place.replaceWith(before);
      }
      old.replaceChildren(...part.childNodes);
    }
    document.querySelector("header p").textContent = fresh.querySelector("header p").textContent;
    for (const key in drawings) {
      drawings[key].keep = drawings[key].draw(kept[key]);
      const place = document.getElementById("chart-" + key);
      if (place) press(place, states[key]);
    }
    if (focus >= 0 && focusable()[focus]) focusable()[focus].focus({ preventScroll: true });
  }

  async function take() {
    if (!isWanted || isDown || isBusy || document.hidden) return;
    isBusy = true;
    isWanted = false;
    try {
      const answer = await fetch("page", { cache: "no-store" });
      if (answer.ok) swap(await answer.text());
      tell(answer.ok ? "live" : "The server does not answer as it should: " + answer.status);
    } catch (error) {
      isWanted = true; // the events come back with the server
      tell("The server cannot be reached now.");
    }
    isBusy = false;
    if (isWanted) setTimeout(take, 3000);
  }
  function tell(words) { told.textContent = words; }

  document.addEventListener("visibilitychange", take);
  const events = new EventSource("events?seen=" + told.dataset.version);
  events.addEventListener("open", () => tell("live"));
  events.addEventListener("page", () => { isWanted = true; take(); });
  events.addEventListener("away", (event) => tell(JSON.parse(event.data).words));
  events.addEventListener("error", () => tell(events.readyState === EventSource.CLOSED
    ? "The server has ended, or was started anew and printed another link." : "The server cannot be reached now; trying again."));
})();
