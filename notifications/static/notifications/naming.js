"use strict";

// Gives names to what scripts of Django's admin put into a form: without them a screen
// reader says "combobox", and nothing of what is to be chosen.
{
  function labelOf(select) {
    const label = select.labels[0];
    label.id ||= `${select.id}_label`;
    return label;
  }

  function nameList($, select) {
    const list = $(select).data("select2");
    if (list === undefined || select.labels.length === 0) return;
    const label = labelOf(select);
    const selection = list.$selection[0];
    const chosen = selection.querySelector(".select2-selection__rendered");
    chosen.setAttribute("aria-label", label.textContent.trim());
    selection.setAttribute("aria-labelledby", `${label.id} ${chosen.id}`);
    selection.setAttribute("aria-controls", `select2-${select.id}-results`);
    const search = list.$dropdown[0].querySelector(".select2-search__field");
    search?.setAttribute("aria-label", label.textContent.trim());
  }

  function nameAll() {
    const $ = django.jQuery;
    $(document).on("select2:open", (event) => nameList($, event.target));
    for (const select of document.querySelectorAll(".select2-hidden-accessible")) {
      nameList($, select);
    }
    // Its label is a picture, with an English word for those who do not see it.
    const search = document.querySelector("#changelist-search");
    search
      ?.querySelector("#searchbar")
      .setAttribute("aria-label", search.querySelector("[type=submit]").value);
    // In the two lists of a choice of many.
    for (const icon of document.querySelectorAll(".search-label-icon")) {
      icon.setAttribute("role", "img");
    }
  }

  // What they make, they may make as late as when the page has loaded.
  addEventListener("load", () => setTimeout(nameAll));
}
