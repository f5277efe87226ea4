// What is asked of the server. All addresses are relative to the page's own, which a proxy may have given a prefix.

const PATIENCE_MS = 10_000;

/** A refusal: a problem document as in RFC 9457. */
export class Problem extends Error {
  constructor(problem, status) {
    super(problem.detail ?? `The server answered with status ${status}.`);
    this.kind = String(problem.type ?? "").split(":").pop();
    this.title = problem.title ?? "This is no answer of Canopy's";
    this.path = problem.path ?? "";
  }

  /** What is wrong, without the path in front of it. */
  get reason() {
    return this.path && this.message.startsWith(`${this.path}: `) ? this.message.slice(this.path.length + 2) : this.message;
  }
}

/** The absolute address of a path beside the page. */
export function address(path) {
  return new URL(path, document.baseURI).href;
}

/** A JSON document of the server's; it may say that it is not ready. */
export async function get(path) {
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const response = await fetch(address(path), { headers: { Accept: "application/json" }, cache: "no-store", signal });
  return response.json();
}

/**
 * The request for a prediction of one record.
 *
 * @param {[string, any][]} record names of fields and their values, in order
 * @param {boolean} probabilities whether to ask for them
 */
export function asking(record, probabilities) {
  // Not an object's own members: "__proto__" is none that could be set, and names that are numbers would come first.
  const members = record.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`);
  return {
    url: address(probabilities ? "predict?probabilities=true" : "predict"),
    record,
    body: `{"instances":[{${members.join(",")}}]}`,
  };
}

/**
 * Send such a request.
 *
 * @throws {Problem} it is refused
 */
export async function predict(request) {
  const begun = performance.now();
  const response = await fetch(request.url, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: request.body,
  });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) {
    throw new Problem(answer, response.status);
  }
  return {
    label: answer.prediction[0],
    classes: answer.classes,
    probabilities: answer.probabilities?.[0],
    // Percent-encoded, for a header carries little more than ASCII.
    model: decodeURIComponent(response.headers.get("Canopy-Model") ?? ""),
    engine: response.headers.get("Canopy-Engine") ?? "",
    milliseconds: performance.now() - begun,
  };
}
