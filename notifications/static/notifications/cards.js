// Opens the browser's printing; without scripts the browser's own menu does it.
"use strict";

document.getElementById("print")?.addEventListener("click", () => window.print());
