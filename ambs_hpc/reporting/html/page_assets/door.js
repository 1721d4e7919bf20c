"use strict";
// Hands the token of the link over once; from then on a cookie of this server's own path speaks for the browser.
(async function () {
  const told = document.getElementById("told"), token = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
  if (!token) { told.textContent = "Open the whole link that ambs serve printed: its end is the key."; return; }
  const answer = await fetch("enter", { headers: { Authorization: "Bearer " + token }, cache: "no-store" });
  if (answer.ok) location.reload();
  else told.textContent = "This key does not fit: ambs serve was started anew and has printed another link.";
})();
