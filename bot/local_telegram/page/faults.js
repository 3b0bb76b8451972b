// The switches for everything that can go wrong, and which of them are on.

import { byId, make } from "./dom.js";
import { act } from "./server.js";
import { t } from "./words.js";

const REFUSALS = [
  [400, "Bad Request: chat not found"],
  [403, "Forbidden: bot was blocked by the user"],
  [403, "Forbidden: user is deactivated"],
  [400, "Bad Request: have no write access to the chat"],
];

// Switches of the whole server: what they set, and how the value is asked for.
const WHOLE = [
  { name: "down", on: () => ({ down: true }), off: { down: false }, isOn: (f) => f.down },
  { name: "revoked", on: () => ({ revoked: true }), off: { revoked: false }, isOn: (f) => f.revoked },
  {
    name: "slow",
    value: { kind: "number", unit: "seconds", usual: 3, min: 0.1, max: 60, step: 0.1 },
    on: (value) => ({ slow_seconds: Number(value) }),
    off: { slow_seconds: 0 },
    isOn: (f) => f.slow_seconds > 0,
    now: (f) => f.slow_seconds,
  },
  {
    name: "rate",
    value: { kind: "number", unit: "per_second", usual: 30, min: 1, max: 1000, step: 1 },
    on: (value) => ({ messages_per_second: Number(value) }),
    off: { messages_per_second: null },
    isOn: (f) => f.messages_per_second !== null,
    now: (f) => f.messages_per_second,
  },
];

// Switches that add a rule about sending messages.
const SENDING = [
  {
    name: "flood",
    kinds: ["flood"],
    value: { kind: "number", unit: "seconds", usual: 5, min: 1, max: 3600, step: 1 },
    rule: (value) => ({ kind: "flood", retry_after: Math.round(Number(value)) }),
    valueOf: (rule) => rule.retry_after,
  },
  {
    name: "server_error",
    kinds: ["server_error"],
    value: { kind: "choice", choices: ["server_500", "server_502", "server_html"] },
    rule: (value) => ({ kind: "server_error", code: value === "server_500" ? 500 : 502, html: value === "server_html" }),
    valueOf: (rule) => (rule.html ? "server_html" : `server_${rule.code}`),
  },
  {
    name: "refuse",
    kinds: ["refuse"],
    value: { kind: "choice", words: REFUSALS.map(([code, text]) => `${code} ${text.split(": ")[1]}`) },
    rule: (value) => ({ kind: "refuse", code: REFUSALS[value][0], description: REFUSALS[value][1] }),
    valueOf: (rule) => String(REFUSALS.findIndex(([, text]) => text === rule.description)),
  },
  {
    name: "cut",
    kinds: ["cut_before", "cut_after", "half_answer"],
    value: { kind: "choice", choices: ["before", "after", "half"] },
    rule: (value) => ({ kind: { before: "cut_before", after: "cut_after", half: "half_answer" }[value] }),
    valueOf: (rule) => ({ cut_before: "before", cut_after: "after", half_answer: "half" })[rule.kind],
  },
  {
    name: "hang",
    kinds: ["hang_before", "hang_after"],
    value: { kind: "choice", choices: ["before", "after"] },
    rule: (value) => ({ kind: `hang_${value}` }),
    valueOf: (rule) => rule.kind.replace("hang_", ""),
  },
];

const OFTEN = new Map([
  ["often_always", {}],
  ["often_1", { times: 1 }],
  ["often_3", { times: 3 }],
  ["often_share", { share: 0.1 }],
]);

// Build the switches anew, for instance in another language.
export function buildFaults({ chatId, failed }) {
  const whom = choice(["for_all", "for_this"], t("for_whom"));
  const often = choice([...OFTEN.keys()], t("how_often"));
  const scope = () => ({
    ...(whom.value === "for_this" && { chat_id: chatId() }),
    ...OFTEN.get(often.value),
  });
  const tried = (work) => work.catch((error) => failed(error.message));
  byId("faults").replaceChildren(
    make("h3", {}, t("always_group")),
    ...WHOLE.map((fault) => row(fault, (isOn, value) => tried(act("faults", isOn ? fault.on(value) : fault.off)))),
    make("h3", {}, t("sending_group")),
    make("div", { className: "scope" }, whom, often),
    ...SENDING.map((fault) =>
      row(fault, (isOn, value) =>
        tried(isOn ? act("faults/rules", { ...fault.rule(value), ...scope() }) : removeAll(fault)),
      ),
    ),
  );
}

let shown = null;

// Show which switches are on, as the server says; `nameOf` turns ids into names.
export function drawFaults(faults, nameOf) {
  shown = faults;
  for (const fault of [...WHOLE, ...SENDING]) {
    const box = byId(`fault-${fault.name}`);
    const rules = rulesOf(fault);
    const isOn = fault.kinds ? rules.length > 0 : fault.isOn(faults);
    const input = box.querySelector("[role=switch]");
    input.checked = isOn;
    box.classList.toggle("is-on", isOn);
    const value = box.querySelector(".value");
    if (value && isOn && document.activeElement !== value) show(value, fault.now?.(faults) ?? fault.valueOf(rules[0]));
    box.querySelector(".fault-facts").textContent = rules.map((rule) => facts(rule, nameOf)).join("; ");
  }
}

// A rule made by a test may have a value that the page has no choice for.
function show(input, value) {
  const isOffered = [...(input.options ?? [])].some((option) => option.value === String(value));
  if (isOffered || !input.options) input.value = value;
}

function facts(rule, nameOf) {
  const often =
    rule.times !== null
      ? t("often_times", { n: rule.times })
      : rule.share < 1
        ? t("often_percent", { n: Math.round(rule.share * 100) })
        : t("often_always").toLowerCase();
  const whom = rule.chat_id === null ? t("for_all").toLowerCase() : nameOf(rule.chat_id);
  return [whom, often, t("struck", { n: rule.applied })].join(" · ");
}

const rulesOf = (fault) => (fault.kinds ? (shown?.rules ?? []).filter((rule) => fault.kinds.includes(rule.kind)) : []);

const removeAll = (fault) => Promise.all(rulesOf(fault).map(({ id }) => act(`faults/rules/${id}/remove`)));

function row(fault, change) {
  const label = t(`f_${fault.name}`);
  const value = fault.value ? valueInput(fault.value, t("value_of", { name: label })) : "";
  const read = () => (value ? (value.querySelector(".value") ?? value).value : undefined);
  const input = make("input", { type: "checkbox", role: "switch", on: { change: (e) => change(e.target.checked, read()) } });
  const box = make(
    "div",
    { className: "fault", id: `fault-${fault.name}` },
    make(
      "label",
      {},
      make("span", { className: "fault-name" }, label),
      make("span", { className: "fault-hint" }, t(`f_${fault.name}_hint`)),
      make("span", { className: "fault-facts" }),
      input,
      make("span", { className: "slider", "aria-hidden": "true" }),
    ),
    value,
  );
  // A new value of a switch that is on counts at once.
  value?.addEventListener?.("change", async () => {
    if (!input.checked) return;
    if (fault.kinds) await change(false);
    await change(true, read());
  });
  return box;
}

function valueInput(value, label) {
  if (value.kind === "choice") {
    if (!value.words) return choice(value.choices, label);
    return make(
      "select",
      { className: "value", "aria-label": label },
      ...value.words.map((words, number) => make("option", { value: String(number) }, words)),
    );
  }
  const { min, max, step, usual, unit } = value;
  const input = make("input", { type: "number", className: "value", "aria-label": label, min, max, step, value: usual });
  return make("span", { className: "number" }, input, t(unit));
}

function choice(keys, label) {
  return make("select", { className: "value", "aria-label": label }, ...keys.map((key) => make("option", { value: key }, t(key))));
}
