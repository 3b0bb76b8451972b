// How do the field, the menus and the drawer behave, whatever they are about?

import { byId } from "./dom.js";

// Enter sends, Shift+Enter makes a new line, the field grows with the text.
export function writing(send) {
  const field = byId("text");
  byId("write").addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = field.value.trim();
    if (!text) return;
    field.value = "";
    grow();
    if (!(await send(text))) field.value = text;
  });
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    byId("write").requestSubmit();
  });
  field.addEventListener("input", grow);
  function grow() {
    field.rows = Math.min(5, Math.max(1, field.value.split("\n").length));
  }
}

// Copy what the two buttons with an address and an id say.
export function copying(done) {
  for (const id of ["api-url", "owner-id"])
    byId(id).addEventListener("click", async () => {
      await navigator.clipboard.writeText(byId(id).textContent.replace("id ", ""));
      done();
    });
}

// The drawer of a narrow screen, and menus: they close by Escape and by a click beside.

const narrow = matchMedia("(max-width: 1099px)");
function setDrawer(isOpen) {
  byId("panel").classList.toggle("is-open", isOpen);
  byId("panel").inert = narrow.matches && !isOpen;
  byId("shade").hidden = !isOpen || !narrow.matches;
  byId("drawer-button").setAttribute("aria-expanded", String(isOpen));
  if (isOpen) byId("drawer-close").focus();
}
byId("drawer-button").addEventListener("click", () => setDrawer(true));
for (const id of ["drawer-close", "shade"])
  byId(id).addEventListener("click", () => {
    setDrawer(false);
    byId("drawer-button").focus();
  });
narrow.addEventListener("change", () => setDrawer(false));
setDrawer(false);

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = document.querySelector(".menu[open]");
  if (menu) {
    menu.open = false;
    menu.querySelector("summary").focus();
  } else if (byId("panel").classList.contains("is-open")) {
    setDrawer(false);
    byId("drawer-button").focus();
  }
});
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll(".menu[open]")) if (!menu.contains(event.target)) menu.open = false;
});
