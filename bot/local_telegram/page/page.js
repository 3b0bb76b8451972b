// What does the page know, what happened, and what is drawn anew because of it?

import { copying, writing } from "./controls.js";
import { byId } from "./dom.js";
import { buildFaults, drawFaults } from "./faults.js";
import { addToLog, drawLog } from "./log.js";
import { addMessage, drawMessages, isNearEnd, removeMessage, replaceMessage, toEnd } from "./messages.js";
import { drawPeople, showChosen } from "./people.js";
import { drawCommands, drawPhone, emptyChat, keyboardAfter, onKey } from "./phone.js";
import { act, listen, read } from "./server.js";
import { preferredLanguage, recall, remember, speak, t } from "./words.js";

const KEPT = 300;
const asked = new URLSearchParams(location.search);
const askedCode = asked.get("start");

const known = {
  users: new Map(),
  bot: null,
  faults: null,
  log: [],
  selected: Number(asked.get("user") ?? recall("user") ?? 0),
  messages: [],
  code: /^[\w-]{1,64}$/.test(askedCode ?? "") ? askedCode : null,
  hiddenKeyboard: null,
  typing: false,
};

const me = () => known.users.get(known.selected);
const nameOf = (id) => known.users.get(id)?.name ?? String(id);
const acts = { command: sendText, button: pressInline };

// Drawing

function drawList() {
  drawPeople([...known.users.values()], known.selected, choose);
}

function drawChosen() {
  if (!me()) return;
  const keyboard = keyboardAfter(known.messages);
  drawPhone({
    user: me(),
    bot: known.bot,
    code: known.code,
    keyboard: keyboard === known.hiddenKeyboard ? null : keyboard,
    typing: known.typing,
  });
  drawCommands(known.bot, me(), (command) => {
    byId("commands").open = false;
    sendText(command);
  });
}

function drawTalk() {
  drawMessages(known.messages, emptyChat(known.bot, me()), acts);
}

function drawSwitches() {
  const { faults } = known;
  drawFaults(faults, nameOf);
  const isTroubled = faults.slow_seconds > 0 || faults.messages_per_second !== null || faults.rules.length > 0;
  const state = faults.down ? "down" : faults.revoked ? "revoked" : isTroubled ? "faults" : "up";
  byId("pill").className = `pill is-${state}`;
  byId("pill").textContent = t(`pill_${state}`);
}

function drawAll() {
  buildFaults({ chatId: () => known.selected, failed: toast });
  drawList();
  showChosen();
  drawChosen();
  drawTalk();
  drawSwitches();
  drawLog(known.log, nameOf);
}

let toastEnd = null;
function toast(words) {
  byId("toast").textContent = words;
  byId("toast").hidden = false;
  clearTimeout(toastEnd);
  toastEnd = setTimeout(() => {
    byId("toast").hidden = true;
  }, 4000);
}

// Reading. Events that come in meanwhile wait, so that none is lost or undone.

let holds = 0;
const held = [];

async function holdingEvents(work) {
  holds += 1;
  try {
    await work();
  } finally {
    holds -= 1;
    if (holds === 0) held.splice(0).forEach(heard);
  }
}

async function load() {
  const state = await read("/control/state");
  known.users = new Map(state.users.map((user) => [user.id, user]));
  known.bot = state.bot;
  known.faults = state.faults;
  known.log = state.log;
  byId("api-url").textContent = state.api_url;
  if (!known.users.has(known.selected)) known.selected = state.users[0]?.id ?? 0;
  await loadMessages();
  drawAll();
  byId("offline").hidden = true;
  document.body.dataset.ready = "true";
}

async function loadMessages() {
  if (!me()) return;
  const chat = known.selected;
  const { messages } = await read(`/control/chats/${chat}/messages?limit=${KEPT}`);
  if (chat === known.selected) known.messages = messages;
  markRead();
}

async function choose(id) {
  known.selected = id;
  known.typing = false;
  known.hiddenKeyboard = null;
  remember("user", String(id));
  drawList();
  showChosen();
  await holdingEvents(async () => {
    try {
      await loadMessages();
    } catch (error) {
      toast(error.message);
    }
    if (id !== known.selected) return; // Another phone was chosen meanwhile.
    drawChosen();
    drawTalk();
  });
}

function markRead() {
  if (me()?.unread && document.visibilityState === "visible") tryTo(`users/${known.selected}/read`);
}

// Events

const hearing = {
  message({ message, user }) {
    known.users.set(user.id, user);
    drawListSoon();
    if (message.chat.id !== known.selected) return;
    if (known.messages.some((old) => old.message_id === message.message_id)) return;
    known.messages.push(message);
    if (known.messages.length > KEPT) removeMessage(known.messages.shift().message_id);
    known.typing = false;
    addMessage(message, acts);
    drawChosen();
    markReadSoon();
  },
  edited({ chat_id: chat, message }) {
    if (chat !== known.selected) return;
    known.messages = known.messages.map((old) => (old.message_id === message.message_id ? message : old));
    replaceMessage(message, acts);
  },
  deleted({ chat_id: chat, message_id: id }) {
    if (chat !== known.selected) return;
    known.messages = known.messages.filter((old) => old.message_id !== id);
    removeMessage(id);
  },
  user({ user }) {
    known.users.set(user.id, user);
    drawListSoon();
    if (user.id === known.selected) drawChosen();
  },
  bot({ bot }) {
    known.bot = bot;
    drawChosen();
    if (known.messages.length === 0) drawTalk();
  },
  faults({ faults }) {
    known.faults = faults;
    drawSwitches();
  },
  log({ entry }) {
    known.log.push(entry);
    if (known.log.length > 60) known.log.shift();
    addToLog(entry, nameOf);
  },
  toast({ chat_id: chat, text, is_alert: isAlert }) {
    if (chat !== known.selected || !text) return;
    if (isAlert) alert(text);
    else toast(text);
  },
  action({ chat_id: chat }) {
    if (chat !== known.selected) return;
    known.typing = true;
    drawChosen();
    setTimeout(() => {
      known.typing = false;
      drawChosen();
    }, 5000);
  },
  reload: () => reload(),
};

function heard(event) {
  if (holds > 0) held.push(event);
  else hearing[event.type]?.(event);
}

function reload() {
  holdingEvents(load).catch(() => setTimeout(reload, 1000));
}

// Many messages in one moment are one drawing and one "read".
const soon = (work, delay) => {
  let planned = false;
  return () => {
    if (planned) return;
    planned = true;
    setTimeout(() => {
      planned = false;
      work();
    }, delay);
  };
};
const drawListSoon = soon(drawList, 16);
const markReadSoon = soon(markRead, 150);

// Acting

async function tryTo(path, body) {
  try {
    await act(path, body);
    return true;
  } catch (error) {
    toast(error.message);
    return false;
  }
}

const mine = (path, body) => tryTo(`users/${known.selected}/${path}`, body);

async function pressStart() {
  const { code } = known;
  if (!(await mine("start", code === null ? {} : { code }))) return;
  forgetCode();
  byId("text").focus();
}

function forgetCode() {
  known.code = null;
  const address = new URL(location);
  address.searchParams.delete("start");
  address.searchParams.delete("user");
  history.replaceState(null, "", address);
  drawChosen();
}

function sendText(text) {
  return mine("text", { text });
}

function pressInline(message, data) {
  mine("button", { message_id: message.message_id, data });
}

onKey((button) => {
  const markup = keyboardAfter(known.messages);
  if (markup?.one_time_keyboard) {
    known.hiddenKeyboard = markup;
    drawChosen();
  }
  if (button.request_contact) mine("contact");
  else sendText(button.text);
});

byId("start").addEventListener("click", pressStart);
byId("code-cancel").addEventListener("click", forgetCode);
byId("unblock").addEventListener("click", () => mine("unblock"));
byId("to-end").addEventListener("click", toEnd);
byId("clear").addEventListener("click", () => tryTo("faults/clear"));

for (const [id, path] of [
  ["menu-start", "start"],
  ["menu-block", "block"],
  ["menu-unblock", "unblock"],
  ["menu-delete", "deactivate"],
]) {
  byId(id).addEventListener("click", () => {
    byId("menu").open = false;
    if (path !== "deactivate" || confirm(t("delete_sure"))) mine(path);
  });
}

writing(sendText);
copying(() => toast(t("copied")));

// Adding somebody

const dialog = byId("user-dialog");
byId("add-user").addEventListener("click", () => {
  byId("user-form").reset();
  byId("user-error").hidden = true;
  dialog.showModal();
});
byId("user-cancel").addEventListener("click", () => dialog.close());
byId("user-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    const user = await act("users", Object.fromEntries(new FormData(event.target)));
    known.users.set(user.id, user);
    dialog.close();
    choose(user.id);
  } catch (error) {
    byId("user-error").textContent = error.message;
    byId("user-error").hidden = false;
  }
});

// Languages

for (const button of document.querySelectorAll("[data-lang]"))
  button.addEventListener("click", async () => {
    const address = new URL(location);
    address.searchParams.delete("lang");
    history.replaceState(null, "", address);
    await speak(button.dataset.lang);
    drawAll();
  });

document.addEventListener("visibilitychange", markRead);
new ResizeObserver(() => {
  if (isNearEnd()) toEnd();
}).observe(byId("messages"));

await speak(preferredLanguage());
listen({
  opened: reload,
  heard,
  lost: () => {
    byId("offline").hidden = false;
  },
});
