// The list of phones: who is there, in which state, and what came last.

import { avatar, byId, clock, make } from "./dom.js";
import { language, t } from "./words.js";

export function drawPeople(users, selected, choose) {
  const list = byId("people");
  const focused = document.activeElement?.closest("#people button")?.dataset.id;
  list.replaceChildren(...users.map((user) => row(user, user.id === selected, choose)));
  if (focused) list.querySelector(`[data-id="${focused}"]`)?.focus();
}

// Bring the chosen phone into view without moving the page itself.
export function showChosen() {
  byId("people").querySelector('[aria-current="true"]')?.scrollIntoView({ block: "nearest", inline: "nearest" });
}

function row(user, isSelected, choose) {
  const { last } = user;
  const line = lastLine(user);
  const button = make(
    "button",
    {
      type: "button",
      className: `person is-${user.state}`,
      "aria-current": String(isSelected),
      dataset: { id: user.id },
      on: { click: () => choose(user.id) },
    },
    avatar(user.id, user.name),
    make("span", { className: "person-name" }, user.name),
    make("time", { className: "person-time" }, last ? clock(last.date, language()) : ""),
    make("span", { className: "person-line" }, line),
    user.unread && !isSelected
      ? make(
          "span",
          { className: "badge" },
          make("span", { "aria-hidden": "true" }, user.unread > 99 ? "99+" : String(user.unread)),
          make("span", { className: "hidden" }, t("unread", { n: user.unread })),
        )
      : "",
  );
  return make("li", {}, button);
}

function lastLine({ state, last }) {
  if (state !== "active") return t(`state_${state}`);
  if (!last) return t("state_active");
  const text = last.text || t("not_text");
  return last.is_mine ? `${t("you")}: ${text}` : text;
}
