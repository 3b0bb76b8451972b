// Shows a customer as connected as soon as they press Start, while the page is looked at.
"use strict";

const OFTEN_MS = 2000;
const SELDOM_MS = 10000;
const OFTEN_FOR_MS = 10 * 60 * 1000;

function watch(part) {
  const begun = performance.now();
  let known = part.dataset.known;
  let timer = null;

  function askLater() {
    clearTimeout(timer);
    if (document.hidden) return;
    const isLongAgo = performance.now() - begun > OFTEN_FOR_MS;
    timer = setTimeout(ask, isLongAgo ? SELDOM_MS : OFTEN_MS);
  }

  async function ask() {
    let answer;
    try {
      const address = `${part.dataset.watch}?known=${encodeURIComponent(known)}`;
      answer = await fetch(address, { redirect: "manual" });
      if (answer.status === 200) show(await answer.json());
    } catch {
      // The network or the server is away for a moment.
    }
    // Logged out, or no longer allowed, or the customer is gone: asking on is no use.
    const isOver = answer?.type === "opaqueredirect" || [403, 404].includes(answer?.status);
    if (!isOver && known !== "connected") askLater();
    else document.removeEventListener("visibilitychange", onVisibility);
  }

  function show({ state, parts }) {
    known = state;
    for (const [name, html] of Object.entries(parts)) {
      const shown = document.querySelector(`[data-part="${name}"]`);
      if (shown) shown.innerHTML = html;
    }
  }

  function onVisibility() {
    clearTimeout(timer);
    if (!document.hidden) ask();
  }

  document.addEventListener("visibilitychange", onVisibility);
  askLater();
}

document.querySelectorAll("[data-watch]").forEach(watch);
