"use strict";

// The next part of a long piece of work; without scripts its button does it.
document.getElementById("go-on").requestSubmit();
