// One phone's messages: bubbles, their buttons, and where the view stands.

import { byId, clock, make } from "./dom.js";
import { isSafe, link, textNodes } from "./text.js";
import { language, t } from "./words.js";

const box = byId("messages");
const NEAR_END = 80;

// Replace everything; `acts` has command(text) and button(message, data).
export function drawMessages(messages, empty, acts) {
  if (messages.length === 0) {
    box.replaceChildren(empty);
    return;
  }
  const nodes = [];
  let day = null;
  for (const message of messages) {
    if (dayOf(message) !== day) {
      day = dayOf(message);
      nodes.push(divider(message));
    }
    nodes.push(bubble(message, acts));
  }
  box.replaceChildren(...nodes);
  box.dataset.day = day;
  toEnd();
}

// Add one message, staying where the reader is unless that is the end.
export function addMessage(message, acts) {
  const follow = isNearEnd() || !message.from.is_bot;
  box.querySelector(".empty-chat")?.remove();
  if (box.dataset.day !== dayOf(message) || !box.firstChild) {
    box.dataset.day = dayOf(message);
    box.append(divider(message));
  }
  const node = bubble(message, acts);
  node.classList.add("is-new");
  box.append(node);
  if (follow) toEnd();
  else byId("to-end").hidden = false;
}

export function replaceMessage(message, acts) {
  find(message.message_id)?.replaceWith(bubble(message, acts));
}

export const removeMessage = (id) => find(id)?.remove();

export function toEnd() {
  box.scrollTop = box.scrollHeight;
  byId("to-end").hidden = true;
}

export const isNearEnd = () => box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_END;

box.addEventListener("scroll", () => {
  if (isNearEnd()) byId("to-end").hidden = true;
});

const find = (id) => box.querySelector(`[data-id="${id}"]`);
const dayOf = ({ date }) => new Date(date * 1000).toDateString();

function divider({ date }) {
  const day = new Date(date * 1000);
  const isToday = day.toDateString() === new Date().toDateString();
  const words = isToday ? t("today") : day.toLocaleDateString(language(), { day: "numeric", month: "long" });
  return make("p", { className: "day" }, words);
}

function bubble(message, acts) {
  const side = message.from.is_bot ? "is-theirs" : "is-mine";
  const words = message.text === undefined ? [attachment(message)] : textNodes(message, acts.command);
  const edited = message.edit_date ? `${t("edited")} ` : "";
  const time = make("time", {}, edited + clock(message.date, language()));
  const body = make("div", { className: "bubble", dir: "auto" }, ...words, time);
  return make("div", { className: `message ${side}`, dataset: { id: message.message_id } }, body, inline(message, acts));
}

function attachment({ contact }) {
  return contact ? t("contact", { phone: contact.phone_number }) : t("not_text");
}

function inline(message, acts) {
  const rows = message.reply_markup?.inline_keyboard;
  if (!rows) return "";
  return make("div", { className: "inline" }, ...rows.map((row) => make("div", {}, ...row.map((b) => inlineButton(b, message, acts)))));
}

function inlineButton(button, message, acts) {
  if (button.url !== undefined)
    return isSafe(button.url) ? link(button.url, `${button.text} ↗`, "key") : make("span", { className: "key" }, button.text);
  const press = () => button.callback_data !== undefined && acts.button(message, button.callback_data);
  return make("button", { type: "button", className: "key", on: { click: press } }, button.text);
}
