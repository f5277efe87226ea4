// Elements. What the server and its schema say is only ever put in as text.

/** A new element: its name, properties that are set on it, and what is in it. */
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  Object.assign(made, properties);
  made.append(...children);
  return made;
}

/** The element of the page with an id. */
export function part(id) {
  return document.getElementById(id);
}

/** Put in a text, unless it is there already: a screen reader would read it again. */
export function say(where, text) {
  if (where.textContent !== text) {
    where.textContent = text;
  }
}

/** A number for people: three digits that count, or as many as stand before the point. */
export function figure(value) {
  return value.toLocaleString("en", value < 100 ? { maximumSignificantDigits: 3 } : { maximumFractionDigits: 0 });
}
