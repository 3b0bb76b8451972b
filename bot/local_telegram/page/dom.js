// How is an element made from untrusted words? Only ever through textContent.

export const byId = (id) => document.getElementById(id);

// Make an element; children are elements or texts, `on` are listeners.
export function make(tag, { on = {}, dataset = {}, ...properties } = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  Object.assign(element.dataset, dataset);
  for (const [name, act] of Object.entries(on)) element.addEventListener(name, act);
  element.append(...children.filter((child) => child !== null && child !== ""));
  return element;
}

const segmenter = new Intl.Segmenter();

// Return the initials for an avatar: whole characters, also of emoji names.
export function initials(name) {
  const parts = name.trim().split(/\s+/).slice(0, 2);
  return parts.map((part) => [...segmenter.segment(part)][0]?.segment ?? "").join("");
}

export function avatar(id, name) {
  const colour = Math.abs(id) % 7;
  return make("span", { className: `avatar colour-${colour}`, "aria-hidden": "true" }, initials(name));
}

export function clock(seconds, language, withSeconds = false) {
  return new Date(seconds * 1000).toLocaleTimeString(language, {
    hourCycle: "h23",
    hour: "2-digit",
    minute: "2-digit",
    ...(withSeconds && { second: "2-digit" }),
  });
}
