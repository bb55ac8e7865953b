/* Calls to our own server: JSON in and out, and pieces of a page. */
export class Problem extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/* The JSON answer. Throws Problem with the server's own words; with status 0 when there was no answer. */
export async function post(url, body, token) {
  let answer;
  try {
    answer = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRFToken": token },
      body: JSON.stringify(body ?? {}),
    });
  } catch {
    throw new Problem(0, "unreachable", "");
  }
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Problem(answer.status, said.error?.code ?? "error", said.error?.message ?? "");
  return said;
}

/* The first element of a piece of HTML that our own templates made; model text in it is sanitised by the server. */
export async function piece(url) {
  const answer = await fetch(url, { headers: { Accept: "text/html" } });
  if (!answer.ok || answer.redirected) throw new Problem(answer.status, "error", "");
  const parsed = new DOMParser().parseFromString(await answer.text(), "text/html");
  return document.adoptNode(parsed.body.firstElementChild);
}

export function token(root) {
  return root.querySelector("input[name=csrfmiddlewaretoken]").value;
}
