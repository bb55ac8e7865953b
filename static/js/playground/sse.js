/* Reads a stream of server-sent events with fetch: unlike EventSource it sees the status of an answer, and its cursor is ours. */
export class Refused extends Error {
  constructor(status) {
    super(`status ${status}`);
    this.status = status;
  }
}

/* Yields {event, data, id}; comments are passed over. Throws Refused on anything but a 200 stream, TypeError when cut. */
export async function* events(url, { signal }) {
  const answer = await fetch(url, { signal, headers: { Accept: "text/event-stream" }, cache: "no-store" });
  const type = answer.headers.get("content-type") ?? "";
  if (!answer.ok || !type.startsWith("text/event-stream")) throw new Refused(answer.ok ? 401 : answer.status);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      rest += value;
      for (let end = rest.indexOf("\n\n"); end >= 0; end = rest.indexOf("\n\n")) {
        const frame = parsed(rest.slice(0, end));
        rest = rest.slice(end + 2);
        if (frame) yield frame;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function parsed(text) {
  const frame = { event: "message", data: "", id: undefined };
  for (const line of text.split("\n")) {
    const colon = line.indexOf(":");
    const name = line.slice(0, colon);
    const value = line.slice(colon + 1).replace(/^ /, "");
    if (name === "event") frame.event = value;
    else if (name === "data") frame.data += value;
    else if (name === "id") frame.id = Number(value);
  }
  return frame.data ? { ...frame, data: JSON.parse(frame.data) } : null;
}
