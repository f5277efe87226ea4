// The form of a schema: an input for each field, filled in with the example.

import { element, part, say } from "./dom.js";

/** So many fields can be seen at once; of more, some can be looked for. */
const MANY = 24;

const IDENTIFIER = /^\$\.instances\[0\]\.(.+)$/;
const QUOTED = /^\$\.instances\[0\]\[(".*")\]$/;

/** The form of one schema. */
export class Form {
  /** @param schema as `GET /` tells it */
  constructor(schema) {
    this.schema = schema;
    this.inputs = schema.fields.map((field, index) => new Input(field, index));
    part("fields").replaceChildren(...this.inputs.map((input) => input.box));
    this.restore();
    this._offerToFind();
  }

  /** Fill in the example, or zeros. */
  restore() {
    this.inputs.forEach((input, index) => input.set(this.schema.example?.[index] ?? (this.schema.example ? null : 0)));
  }

  /** Take over what another form has for fields that are the same. */
  keep(other) {
    const before = new Map(other.inputs.map((input) => [input.field.name, input]));
    for (const input of this.inputs) {
      const old = before.get(input.field.name);
      if (old && JSON.stringify(old.field) === JSON.stringify(input.field)) {
        input.control.value = old.control.value;
      }
    }
  }

  /** Names and values, in the schema's order. */
  record() {
    return this.inputs.map((input) => [input.field.name, input.value()]);
  }

  /** Say nothing against any field. */
  accept() {
    this.inputs.forEach((input) => input.accept());
  }

  /** Say what is wrong, where the browser itself knows; returns whether something is. */
  refusesItself() {
    const wrong = this.inputs.find((input) => input.control.validity.badInput);
    wrong?.refuse("This is no number.");
    return wrong !== undefined;
  }

  /** Say what the server found wrong, beside the field that it is about; returns whether it is about one. */
  refuse(problem) {
    const name = IDENTIFIER.exec(problem.path)?.[1] ?? JSON.parse(QUOTED.exec(problem.path)?.[1] ?? "null");
    const wrong = this.inputs.find((input) => input.field.name === name);
    if (wrong) {
      this._find("");
      wrong.refuse(problem.reason);
    }
    return wrong !== undefined;
  }

  _offerToFind() {
    const find = part("find");
    const many = this.inputs.length > MANY;
    find.parentElement.hidden = !many;
    part("fields").classList.toggle("many", many);
    find.oninput = () => this._find(find.value);
    this._find("");
  }

  _find(text) {
    if (part("find").value !== text) {
      part("find").value = text;
    }
    const sought = text.trim().toLowerCase();
    for (const input of this.inputs) {
      input.box.hidden = !input.field.name.toLowerCase().includes(sought);
    }
    const shown = this.inputs.filter((input) => !input.box.hidden).length;
    say(part("found"), sought ? `${shown} of ${this.inputs.length} fields` : `${this.inputs.length} fields`);
  }
}

/** One field of the form. */
class Input {
  constructor(field, index) {
    this.field = field;
    this.control = control(field);
    this.control.id = `field-${index}`;
    this.control.oninput = () => this.accept();
    this.fault = element("p", { className: "fault", id: `fault-${index}`, hidden: true });
    const label = element("label", { htmlFor: this.control.id }, field.name, element("small", {}, hint(field)));
    this.box = element("div", { className: "field" }, label, this.control, this.fault);
  }

  /** What the record has for the field: null if it is left empty. */
  value() {
    const text = this.control.value;
    if (text === "") {
      return null;
    }
    switch (this.field.type) {
      case "category":
        return this.field.categories[Number(text)];
      case "boolean":
        return text === "1";
      default:
        return Number(text);
    }
  }

  /** Put in a value as a row has it: a number, a code, true or false, or null. */
  set(value) {
    this.control.value = value === null ? "" : String(Number(value));
    this.accept();
  }

  /** Say what is wrong with it, and go there. */
  refuse(reason) {
    say(this.fault, reason);
    this.fault.hidden = false;
    this.control.setAttribute("aria-invalid", "true");
    this.control.setAttribute("aria-describedby", this.fault.id);
    this.control.focus();
  }

  /** Say nothing against it. */
  accept() {
    this.fault.hidden = true;
    this.control.removeAttribute("aria-invalid");
    this.control.removeAttribute("aria-describedby");
  }
}

function control(field) {
  switch (field.type) {
    case "category":
      return choice(field, field.categories);
    case "boolean":
      return choice(field, ["false", "true"]);
    default:
      return element("input", { type: "number", step: field.type === "integer" ? "1" : "any", autocomplete: "off" });
  }
}

function choice(field, names) {
  const options = names.map((name, code) => element("option", { value: String(code) }, name));
  return element("select", {}, ...(field.missing ? [element("option", { value: "" }, "(missing)")] : []), ...options);
}

function hint(field) {
  const words = [field.type === "integer" ? "whole number" : "", field.missing ? "may be missing" : ""];
  const said = words.filter((word) => word).join(", ");
  return said && ` (${said})`;
}
