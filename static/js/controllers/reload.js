/* Looks again while something is awaited: after 3 seconds, then ever more rarely, up to a minute. */
const KEY = "reload:";

export function connect(_element) {
  const key = KEY + location.pathname;
  let count = 0;
  try {
    count = Number(sessionStorage.getItem(key)) || 0;
    sessionStorage.setItem(key, String(count + 1));
  } catch {
    count = 5; // no storage: rarely, so that it never becomes a storm
  }
  setTimeout(() => location.reload(), Math.min(60, 3 * 1.4 ** count) * 1000);
}
