// How does a message's text become elements, with its entities, links and commands?

import { make } from "./dom.js";

const TAGS = {
  bold: "strong",
  italic: "em",
  underline: "u",
  strikethrough: "s",
  code: "code",
  pre: "code",
  blockquote: "q",
};
const LIVE = /https?:\/\/[^\s<>"«»]+[^\s<>"«».,:;!?\)]|(?<![\p{L}\p{N}_/])\/[a-z][a-z0-9_]{0,31}(?![\p{L}\p{N}_/])/giu;

// Return the nodes of a text. `command` is called when a /command is pressed.
export function textNodes(message, command) {
  const text = message.text ?? "";
  const entities = (message.entities ?? []).filter((entity) => entity.type in TAGS || entity.url);
  const borders = new Set([0, text.length]);
  for (const { offset, length } of entities) borders.add(offset).add(offset + length);
  const cuts = [...borders].filter((at) => at <= text.length).sort((a, b) => a - b);
  const nodes = [];
  for (let i = 0; i + 1 < cuts.length; i += 1) {
    const [begin, end] = [cuts[i], cuts[i + 1]];
    const around = entities.filter((e) => e.offset <= begin && e.offset + e.length >= end);
    nodes.push(...wrapped(text.slice(begin, end), around, command));
  }
  return nodes;
}

function wrapped(piece, around, command) {
  if (around.length === 0) return lively(piece, command);
  let node = document.createTextNode(piece);
  for (const { type, url } of around) {
    if (url === undefined) node = make(TAGS[type], {}, node);
    else if (isSafe(url)) node = link(url, node);
  }
  return [node];
}

function lively(piece, command) {
  const nodes = [];
  let done = 0;
  for (const found of piece.matchAll(LIVE)) {
    const [word] = found;
    nodes.push(piece.slice(done, found.index));
    nodes.push(
      word.startsWith("/")
        ? make("button", { type: "button", className: "command", on: { click: () => command(word) } }, word)
        : link(word, word),
    );
    done = found.index + word.length;
  }
  nodes.push(piece.slice(done));
  return nodes;
}

export function link(url, inside, className = "") {
  return make("a", { href: url, target: "_blank", rel: "noopener noreferrer", className }, inside);
}

// A bot may write any address; only these may be opened with a click.
export const isSafe = (url) => /^(https?|tg|mailto|tel):/i.test(url);
