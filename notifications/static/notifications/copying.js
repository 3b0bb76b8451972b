// Copies what a button names. Without scripts no such button is shown: see admin.css.
"use strict";

document.documentElement.classList.add("scripted");

const FORGET_AFTER_MS = 4000;

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyAsBefore(text);
  }
}

// The clipboard is only for https and localhost; a shop's own network may have neither.
function copyAsBefore(text) {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "out-of-sight";
  area.readOnly = true;
  document.body.append(area);
  area.select();
  try {
    return document.execCommand("copy");
  } finally {
    area.remove();
  }
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (button === null) return;
  const told = button.nextElementSibling;
  const isCopied = await copy(button.dataset.copy);
  button.focus();
  told.textContent = isCopied ? button.dataset.copied : button.dataset.notCopied;
  clearTimeout(Number(button.dataset.timer));
  button.dataset.timer = setTimeout(() => {
    told.textContent = "";
  }, FORGET_AFTER_MS);
});
