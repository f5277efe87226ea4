// The server's own figures, as they come.

import { element, figure, part, say } from "./dom.js";

/** Points of a sparkline, and so how much of the past it shows: two minutes, a look every two seconds. */
const POINTS = 60;

const [WIDTH, HEIGHT] = [120, 28];

/** What is shown: of two looks at the statistics and the seconds between them. Null is: nothing happened. */
const FIGURES = [
  {
    title: "Requests a second",
    of: (grown, seconds) => offered(grown) / seconds,
  },
  {
    title: "Rows a batch",
    of: (grown) => ratio(grown("batcher.batched_rows"), grown("batcher.batches")),
  },
  {
    title: "Queue wait, ms",
    of: (grown) => ratio(1000 * grown("queue_wait_seconds.sum"), grown("queue_wait_seconds.count")),
  },
  {
    title: "CPU, % of a core",
    of: (grown, seconds) => (100 * grown("cpu_seconds")) / seconds,
  },
  {
    title: "Memory, MB",
    of: (_grown, _seconds, stats) => total(stats, "resident_memory_bytes") / 1e6,
  },
];

function offered(grown) {
  return grown("batcher.accepted") + grown("batcher.queue_full") + grown("batcher.deadline_unreachable");
}

function ratio(whole, count) {
  return count > 0 ? whole / count : null;
}

function total(stats, name) {
  return stats.workers.reduce((sum, worker) => sum + worker[name], 0);
}

/** What only grows, by name. */
function counted(stats) {
  const wait = stats.queue_wait_seconds;
  const counts = Object.entries(stats.batcher).map(([name, value]) => [`batcher.${name}`, value]);
  return new Map([
    ...counts,
    ["queue_wait_seconds.count", wait.count],
    ["queue_wait_seconds.sum", (wait.mean ?? 0) * wait.count],
    ["cpu_seconds", total(stats, "cpu_seconds")],
  ]);
}

/** The figures, a sparkline each. */
export class Numbers {
  constructor() {
    this._before = null;
    this._lines = FIGURES.map(({ title, of }) => ({ of, line: new Line(title) }));
  }

  /** Take up a look at the statistics. */
  add(stats) {
    const now = { at: performance.now(), counts: counted(stats) };
    const before = this._before;
    this._before = now;
    // The server may have started anew.
    if (before === null || now.counts.get("batcher.accepted") < before.counts.get("batcher.accepted")) {
      return;
    }
    const grown = (name) => Math.max(0, now.counts.get(name) - before.counts.get(name));
    const seconds = (now.at - before.at) / 1000;
    for (const { of, line } of this._lines) {
      line.add(of(grown, seconds, stats));
    }
  }

  /** Nobody looks for a while: what comes next is not to be held against what was last. */
  pause() {
    this._before = null;
  }
}

/** A figure with its course. */
class Line {
  constructor(title) {
    this._title = title;
    this._points = [];
    this._value = element("span", {}, "–");
    this._svg = draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${title}: nothing yet` });
    this._course = draw("polyline", { fill: "none" });
    this._svg.append(this._course);
    part("numbers").append(element("dt", {}, title), element("dd", {}, this._value, this._svg));
  }

  add(value) {
    this._points.push(value);
    this._points.splice(0, this._points.length - POINTS);
    const known = this._points.filter((point) => point !== null);
    const most = Math.max(...known, 0);
    const text = value === null ? "–" : figure(value);
    say(this._value, text);
    const last = value === null ? "nothing just now" : `${text} now`;
    this._svg.setAttribute("aria-label", `${this._title}: ${last}, at most ${figure(most)} in the last two minutes`);
    this._course.setAttribute("points", this._drawn(most));
  }

  /** The points that are known, up to the right edge. */
  _drawn(most) {
    const first = POINTS - this._points.length;
    const places = this._points.map((point, index) =>
      point === null
        ? ""
        : `${((first + index) * WIDTH) / (POINTS - 1)},${HEIGHT - 2 - ((HEIGHT - 4) * point) / (most || 1)}`,
    );
    return places.filter((place) => place).join(" ");
  }
}

function draw(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [attribute, value] of Object.entries(attributes)) {
    made.setAttribute(attribute, value);
  }
  return made;
}
