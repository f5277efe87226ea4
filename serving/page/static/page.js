// The page: what is served, a form for it, the answer, the request in code, and figures that come as they are.

import { asking, get, predict, Problem } from "./api.js";
import { showAnswer, showProblem } from "./answer.js";
import { element, part, say } from "./dom.js";
import { Form } from "./form.js";
import { Numbers } from "./numbers.js";
import * as snippets from "./snippets.js";

const LOOK_MS = 2_000;

const numbers = new Numbers();
/** What `GET /` told last. */
let index = null;
/** The form that is shown, if there is one. */
let form = null;
/** Whether the model gives probabilities, as far as is known. */
let probabilities = true;
let timer = 0;
/** How many requests have been sent: only the answer to the last one is shown. */
let asked = 0;

/** Look at the server, and again after a while, for as long as somebody looks at the page. */
async function look() {
  clearTimeout(timer);
  if (document.hidden) {
    numbers.pause();
    return;
  }
  try {
    const stats = await get("stats");
    numbers.add(stats);
    if (index === null || stats.model !== index.model) {
      await lookAtModel();
    }
    showState(stats);
    say(part("numbers-state"), "The last two minutes, of all workers together.");
  } catch (error) {
    console.warn(error);
    numbers.pause();
    say(part("served"), "The server does not answer. Looking again …");
    say(part("numbers-state"), "The figures stand still: the server does not answer.");
  }
  clearTimeout(timer);
  timer = setTimeout(look, LOOK_MS);
}

/** Find out what is served, and make its form, or offer it if another one is being filled in. */
async function lookAtModel() {
  const told = await get("./");
  const changed = index === null || told.model !== index.model;
  index = told;
  probabilities ||= changed;
  if (told.schema === null) {
    return;
  }
  if (form === null) {
    use(new Form(told.schema));
  } else if (JSON.stringify(told.schema.fields) === JSON.stringify(form.schema.fields)) {
    part("changed").hidden = true;
    showCode();
  } else {
    offer(told);
  }
}

/** Another table is served than the form's: let the user decide when to go over to it. */
function offer(told) {
  const button = element("button", { type: "button" }, "Go over to its form");
  button.onclick = () => {
    part("changed").hidden = true;
    const next = new Form(told.schema);
    next.keep(form);
    use(next);
    part("ask").focus();
  };
  part("changed").replaceChildren(element("p", {}, `${told.model} has other fields than this form. `), button);
  part("changed").hidden = false;
}

function use(next) {
  form = next;
  part("form").hidden = false;
  part("code").hidden = false;
  showCode();
}

function showState(state) {
  const engine = state.engine === null ? "" : ` by its ${state.engine} engine`;
  const words = {
    loading: "No model is loaded yet. Looking again …",
    ready: `${state.model}${engine}`,
    draining: `${state.model}${engine}, about to stop`,
    stuck: `${state.model}${engine}, which does not answer`,
  };
  say(part("served"), words[state.status] ?? `${state.model}, ${state.status}`);
  const warnings = [state.warning, state.update_failure].filter((warning) => warning);
  say(part("warning"), warnings.join(" "));
  part("warning").hidden = warnings.length === 0;
}

function request() {
  return asking(form.record(), probabilities);
}

function showCode() {
  const language = document.querySelector("input[name=language]:checked").value;
  say(part("snippet"), snippets[language](request()));
  say(part("copied"), "");
}

async function ask() {
  form.accept();
  if (form.refusesItself()) {
    return;
  }
  asked += 1;
  const mine = asked;
  say(part("result"), "Asking …");
  try {
    const answer = await predict(request());
    if (mine !== asked) {
      return;
    }
    showAnswer(answer);
    if (answer.model !== index.model) {
      look();
    }
  } catch (problem) {
    if (problem instanceof Problem && problem.kind === "no-probabilities" && probabilities) {
      probabilities = false;
      showCode();
      await ask();
    } else if (mine === asked) {
      showProblem(problem);
      if (problem instanceof Problem) {
        form.refuse(problem);
      }
    }
  }
}

async function copy() {
  const code = part("snippet");
  try {
    await navigator.clipboard.writeText(code.textContent);
    say(part("copied"), "Copied.");
  } catch {
    // Browsers let only a page that came by HTTPS, or from this very machine, write to the clipboard.
    getSelection().selectAllChildren(code);
    code.focus();
    say(part("copied"), "Selected: now copy it with the keyboard.");
  }
}

part("form").addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});
part("form").addEventListener("input", showCode);
part("restore").addEventListener("click", () => {
  form.restore();
  showCode();
});
part("code").addEventListener("change", showCode);
part("copy").addEventListener("click", copy);
document.addEventListener("visibilitychange", look);
look();
