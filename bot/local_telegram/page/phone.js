// The chosen phone: its head, what stands at its bottom, and what its owner can do.

import { byId, initials, make } from "./dom.js";
import { language, t } from "./words.js";

// Draw all but the messages. `code` is that of a deep link which waits for Start.
export function drawPhone({ user, bot, code, keyboard, typing }) {
  const name = localized(bot, "name", user) || bot.first_name;
  byId("bot-name").textContent = name;
  byId("bot-avatar").textContent = initials(name);
  byId("bot-status").textContent = typing ? t("typing") : t("bot");
  byId("owner-name").textContent = t("whose", { name: user.name });
  byId("owner-id").textContent = `id ${user.id}`;

  const { state } = user;
  const waitsForStart = state !== "deactivated" && (state === "new" || code !== null);
  byId("start").hidden = !waitsForStart;
  byId("code-note").hidden = !(waitsForStart && code !== null);
  byId("code-text").textContent = t("opened_by_link", { code: code ?? "" });
  byId("unblock").hidden = state !== "blocked" || waitsForStart;
  byId("deleted").hidden = state !== "deactivated";
  byId("write").hidden = state !== "active" || waitsForStart;

  byId("menu").hidden = state === "deactivated";
  byId("menu-block").hidden = state !== "active";
  byId("menu-unblock").hidden = state !== "blocked";
  drawKeyboard(byId("write").hidden ? null : keyboard);
}

export function drawCommands(bot, user, choose) {
  const commands =
    bot.commands[`default/${user.language_code}`] ?? bot.commands["default/"] ?? bot.commands["all_private_chats/"] ?? [];
  byId("commands").hidden = commands.length === 0;
  byId("commands-list").replaceChildren(
    ...commands.map(({ command, description }) =>
      make(
        "button",
        { type: "button", on: { click: () => choose(`/${command}`) } },
        make("strong", {}, `/${command}`),
        make("span", {}, description),
      ),
    ),
  );
}

// What an empty chat shows: what the bot says about itself.
export function emptyChat(bot, user) {
  const words = localized(bot, "description", user);
  const isNew = user.state === "new";
  return make(
    "div",
    { className: "empty-chat" },
    words ? make("strong", {}, t("what_can")) : "",
    words ? make("p", {}, words) : "",
    make("p", {}, isNew ? t("press_start") : t("nothing_yet")),
  );
}

// Return the reply keyboard that the bot's messages leave on the phone, if any.
export function keyboardAfter(messages) {
  for (const message of [...messages].reverse()) {
    const markup = message.reply_markup;
    if (message.from.is_bot && markup?.keyboard) return markup;
    if (message.from.is_bot && markup?.remove_keyboard) return null;
  }
  return null;
}

let pressKey = () => {};
export const onKey = (act) => {
  pressKey = act;
};

function drawKeyboard(markup) {
  const box = byId("keyboard");
  box.hidden = !markup;
  const rows = markup?.keyboard ?? [];
  box.replaceChildren(
    ...rows.map((row) =>
      make(
        "div",
        {},
        ...row.map((button) =>
          make("button", { type: "button", className: "key", on: { click: () => pressKey(button) } }, button.text),
        ),
      ),
    ),
  );
}

function localized(bot, kind, user) {
  const { words } = bot;
  return words[`${kind}/${user.language_code ?? language()}`] || words[`${kind}/`] || "";
}
