// What the server answered.

import { element, figure, part, say } from "./dom.js";

/** Classes that are shown at once, the likeliest first. */
const MOST = 10;

/** Show a prediction. */
export function showAnswer(answer) {
  const likely = ranked(answer);
  const label = text(answer.label);
  const share = likely.find(({ name }) => name === label)?.share;
  const likelihood = share === undefined ? "" : `, with a probability of ${percent(share)}`;
  part("result").replaceChildren("Prediction: ", element("strong", {}, label), likelihood);
  say(part("origin"), `${answer.model}, by its ${answer.engine} engine, in ${figure(answer.milliseconds)} ms`);
  show(likely);
}

/** Show why there is no prediction. */
export function showProblem(problem) {
  say(part("result"), `${problem.title ?? "The server could not be asked"}: ${problem.message}`);
  say(part("origin"), "");
  show([]);
}

/** Each class with its probability, the likeliest first. */
function ranked({ classes, probabilities }) {
  const shares = probabilities ?? [];
  return shares
    .map((share, index) => ({ name: classes ? text(classes[index]) : `output ${index}`, share }))
    .sort((one, other) => other.share - one.share);
}

function show(likely) {
  const places = [table(likely.slice(0, MOST))];
  if (likely.length > MOST) {
    const others = likely.slice(MOST);
    places.push(element("details", {}, element("summary", {}, `${others.length} more classes`), table(others)));
  }
  part("probabilities").replaceChildren(...(likely.length ? places : []));
}

function table(likely) {
  const head = element("tr", {}, ...["Class", "Probability", ""].map((name) => element("th", { scope: "col" }, name)));
  head.lastChild.setAttribute("aria-hidden", "true");
  const rows = likely.map(({ name, share }) => {
    const bar = element("div", { className: "bar" });
    bar.style.inlineSize = `${100 * share}%`;
    const cell = element("td", {}, bar);
    cell.setAttribute("aria-hidden", "true");
    return element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, percent(share)), cell);
  });
  return element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows));
}

function percent(share) {
  return share.toLocaleString("en", { style: "percent", maximumFractionDigits: 1 });
}

/** A label as text: a class may be a number, a string, true or false. */
function text(label) {
  return typeof label === "string" ? label : JSON.stringify(label);
}
