// How does the page talk to the control API?

import { t } from "./words.js";

export async function read(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error((await answer.json()).error);
  return answer.json();
}

// Do something; errors have the server's own words.
export async function act(path, body = {}) {
  const answer = await fetch(`/control/${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  const result = await answer.json();
  if (!answer.ok) throw new Error(t("went_wrong", { reason: result.error }));
  return result;
}

// Listen for events for as long as the page lives. `opened` is called at every
// connection, also the second and later ones, since events were missed meanwhile.
export function listen({ opened, heard, lost }) {
  const source = new EventSource("/events");
  source.onopen = opened;
  source.onmessage = (event) => heard(JSON.parse(event.data));
  source.onerror = () => {
    lost();
    if (source.readyState !== EventSource.CLOSED) return; // It tries again by itself.
    source.close();
    setTimeout(() => listen({ opened, heard, lost }), 1000);
  };
}
