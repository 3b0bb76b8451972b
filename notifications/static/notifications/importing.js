"use strict";

// A large file takes a while: say so, and let nobody send it twice.
document.querySelector("form.import-file").addEventListener("submit", (event) => {
  event.target.querySelector(".checking").hidden = false;
  event.target.querySelector("[type=submit]").disabled = true;
});
// Whoever comes back to the page finds it as it was.
window.addEventListener("pageshow", () => {
  const form = document.querySelector("form.import-file");
  form.querySelector(".checking").hidden = true;
  form.querySelector("[type=submit]").disabled = false;
});
