// The small log: what the bot asked for, and what it was answered.

import { byId, clock, make } from "./dom.js";
import { language, t } from "./words.js";

const LINES = 60;
const box = byId("log");

export function drawLog(entries, nameOf) {
  box.replaceChildren(...entries.map((entry) => line(entry, nameOf)).reverse());
  trim();
}

export function addToLog(entry, nameOf) {
  box.prepend(line(entry, nameOf));
  trim();
}

function trim() {
  while (box.children.length > LINES) box.lastChild.remove();
  byId("log-empty").hidden = box.children.length > 0;
}

function line(entry, nameOf) {
  const { code } = entry;
  const kind = code === 200 ? (entry.fault && entry.fault !== "slow" ? "warn" : "good") : "bad";
  const mark = { good: "✓", warn: "!", bad: "✕" }[kind];
  const result = code === 0 ? t("no_answer") : entry.description || String(code);
  const whom = entry.chat_id === null ? "" : nameOf(entry.chat_id);
  return make(
    "li",
    { className: kind },
    make("time", {}, clock(entry.at, language(), true)),
    make("span", { className: "log-what" }, make("b", {}, entry.method || "?"), whom ? ` → ${whom}` : ""),
    entry.text ? make("span", { className: "log-text" }, entry.text.slice(0, 120)) : "",
    make("span", { className: "log-result" }, `${mark} ${code && entry.description ? `${code} · ` : ""}${result}${entry.fault ? ` · ${entry.fault}` : ""}`),
  );
}
