/* Follows a stream for as long as it takes: comes back after a cut, at once when the network or the tab wakes up. */
import { Refused, events } from "./sse.js";

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 15000;
const WAKE = ["online", "pageshow"];

/* take(frame) returns true at the end. url() is asked anew for every try, so that it can carry the cursor.
   trouble(status) is told about each failed try; returning true gives up. Returns a function that leaves the stream. */
export function follow({ url, take, trouble }) {
  const leaving = new AbortController();
  run(leaving.signal, { url, take, trouble });
  return () => leaving.abort();
}

async function run(signal, { url, take, trouble }) {
  let pause = FIRST_PAUSE;
  while (!signal.aborted) {
    try {
      for await (const frame of events(url(), { signal })) {
        pause = FIRST_PAUSE;
        if (take(frame)) return;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (trouble(error instanceof Refused ? error.status : 0)) return;
      await rest(pause * (0.5 + Math.random()), signal);
      pause = Math.min(pause * 2, LONGEST_PAUSE);
    }
  }
}

function rest(milliseconds, signal) {
  return new Promise((go) => {
    const wake = () => {
      clearTimeout(timer);
      for (const name of WAKE) window.removeEventListener(name, wake);
      document.removeEventListener("visibilitychange", seen);
      go();
    };
    const seen = () => document.visibilityState === "visible" && wake();
    const timer = setTimeout(wake, milliseconds);
    for (const name of WAKE) window.addEventListener(name, wake);
    document.addEventListener("visibilitychange", seen);
    signal.addEventListener("abort", wake, { once: true });
  });
}
