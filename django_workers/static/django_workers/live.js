/* Keeps a part of a page fresh while somebody looks at it.

   <div data-live="/address/of/the/fragment/" data-live-seconds="5">
     <div data-live-part="numbers">…</div>
   </div>
   <p data-live-lost hidden>The connection is lost.</p>

   The fragment has the same parts; those that changed are put in place of the old
   ones. Nothing is asked for while the tab is hidden, and nothing is replaced under
   the fingers of somebody who types. Without this script the page is as it was sent. */

"use strict";

(() => {
  const DEFAULT_SECONDS = 5;

  function isBeingUsed(part) {
    const fields = [...part.querySelectorAll("input[type=text], textarea")];
    return fields.some(
      (field) => field === document.activeElement || field.value !== field.defaultValue,
    );
  }

  function sameAs(element, part) {
    if (element.id) return part.querySelector(`#${CSS.escape(element.id)}`);
    const href = element.getAttribute("href");
    return href && part.querySelector(`[href="${CSS.escape(href)}"]`);
  }

  function asSent(part) {
    const copy = part.cloneNode(true);
    copy.querySelectorAll("details").forEach((details) => (details.open = false));
    return copy.innerHTML;
  }

  function put(part, fresh) {
    const focused = part.contains(document.activeElement) && document.activeElement;
    const opened = [...part.querySelectorAll("details[open]")];
    part.replaceChildren(...fresh.childNodes);
    for (const details of opened) {
      const again = sameAs(details, part);
      if (again) again.open = true;
    }
    if (focused) sameAs(focused, part)?.focus();
  }

  function update(region, html) {
    const template = document.createElement("template");
    template.innerHTML = html;
    for (const fresh of template.content.querySelectorAll("[data-live-part]")) {
      const name = CSS.escape(fresh.dataset.livePart);
      const part = region.querySelector(`[data-live-part="${name}"]`);
      if (part && asSent(part) !== fresh.innerHTML && !isBeingUsed(part)) {
        put(part, fresh);
      }
    }
  }

  function keepFresh(region) {
    const wait = 1000 * (Number(region.dataset.liveSeconds) || DEFAULT_SECONDS);
    const lost = region.parentElement.querySelector("[data-live-lost]");
    let timer = 0;
    let request = null;
    let isOver = false;

    function showLost(isLost) {
      if (lost) lost.hidden = !isLost;
    }

    async function refresh() {
      request = new AbortController();
      try {
        const response = await fetch(region.dataset.live, {
          cache: "no-store",
          redirect: "manual",
          signal: AbortSignal.any([request.signal, AbortSignal.timeout(20_000)]),
        });
        // Logged out, or the right to see it was taken away: asking again is no use.
        isOver = response.type === "opaqueredirect" || response.status === 403;
        if (response.ok) update(region, await response.text());
        showLost(!response.ok);
      } catch {
        if (!request.signal.aborted) showLost(true);
      }
      plan();
    }

    function plan() {
      clearTimeout(timer);
      if (!document.hidden && !isOver) timer = setTimeout(refresh, wait);
    }

    document.addEventListener("visibilitychange", () => {
      clearTimeout(timer);
      request?.abort();
      if (!document.hidden && !isOver) refresh();
    });
    plan();
  }

  document.querySelectorAll("[data-live]").forEach(keepFresh);
})();
