"use strict";

// A new order in a few keystrokes: the customer's name, Enter, Enter. What will come of
// it is shown beside it; without scripts it is told when the order is saved.
django.jQuery(($) => {
  const PAUSE_MS = 250;
  const customer = document.getElementById("id_customer");
  const number = document.getElementById("id_number");
  const quietly = document.getElementById("id_quietly");
  const outlook = document.getElementById("outlook");
  const save = document.querySelector("[name=_save]");
  let latest = 0;
  let timer;

  async function look() {
    const mine = (latest += 1);
    const query = new URLSearchParams({
      customer: customer.value,
      number: number.value,
      quietly: quietly.checked,
    });
    try {
      const response = await fetch(`${outlook.dataset.address}?${query}`);
      const html = await response.text();
      // A slow answer to an earlier question, or a login page, is of no use.
      if (response.ok && !response.redirected && mine === latest) {
        outlook.innerHTML = html;
      }
    } catch {
      // Not connected at this moment: saving will tell.
    }
  }

  $(customer).on("change", look);
  quietly.addEventListener("change", look);
  number.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(look, PAUSE_MS);
  });

  // Select2 returns the focus to its own field, where Enter would open the list again.
  $(customer).on("select2:select", () => setTimeout(() => save.focus()));

  // On a narrow page the open list would lie over what stands below its field.
  const hasRoom = matchMedia("(pointer: fine) and (min-width: 768px)").matches;
  const hasMistake = document.querySelector(".errorlist") !== null;
  if (customer.value || hasMistake) {
    (hasMistake ? document.querySelector(".errors input, .errors select") : save)?.focus();
  } else if (hasRoom) {
    $(customer).select2("open");
  } else {
    document.querySelector("#id_customer + .select2 .select2-selection")?.focus();
  }
});
