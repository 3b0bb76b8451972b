// In which language does the page speak?

const LANGUAGES = ["ru", "en"];
let words = {};
let current = "ru";

export const language = () => current;

// Return the words for a key, with {names} filled in.
export function t(key, values = {}) {
  const text = words[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

// The language of the address, else the one chosen last time, else Russian.
export function preferredLanguage() {
  const asked = new URLSearchParams(location.search).get("lang");
  if (LANGUAGES.includes(asked)) return asked;
  const remembered = recall("lang");
  return LANGUAGES.includes(remembered) ? remembered : "ru";
}

export async function speak(lang) {
  const answer = await fetch(`/page/${lang}.json`);
  words = await answer.json();
  current = lang;
  remember("lang", lang);
  document.documentElement.lang = lang;
  document.title = t("title");
  for (const element of document.querySelectorAll("[data-t]"))
    element.textContent = t(element.dataset.t);
  for (const element of document.querySelectorAll("[data-t-label]"))
    element.setAttribute("aria-label", t(element.dataset.tLabel));
  for (const element of document.querySelectorAll("[data-t-title]"))
    element.title = t(element.dataset.tTitle);
  for (const element of document.querySelectorAll("[data-t-placeholder]"))
    element.placeholder = t(element.dataset.tPlaceholder);
  for (const button of document.querySelectorAll("[data-lang]"))
    button.setAttribute("aria-pressed", String(button.dataset.lang === lang));
}

// A browser may forbid storage; the page works without.
export function remember(name, value) {
  try {
    localStorage.setItem(`local-telegram-${name}`, value);
  } catch {
    // Nothing is remembered then.
  }
}

export function recall(name) {
  try {
    return localStorage.getItem(`local-telegram-${name}`);
  } catch {
    return null;
  }
}
