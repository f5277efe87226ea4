// A request in three languages.

/** For a shell and curl. */
export function curl({ url, body }) {
  return `curl -s ${shell(url)} \\\n  -H 'Content-Type: application/json' \\\n  -d ${shell(body)}`;
}

/** For Python with requests. */
export function python({ url, record }) {
  const literals = new Map([
    [null, "None"],
    [true, "True"],
    [false, "False"],
  ]);
  const members = object(record, (value) => literals.get(value) ?? JSON.stringify(value));
  return `import requests

response = requests.post(
    ${JSON.stringify(url)},
    json={"instances": [${members}]},
)
response.raise_for_status()
print(response.json())`;
}

/** For JavaScript with fetch. */
export function javascript({ url, record }) {
  return `const response = await fetch(${JSON.stringify(url)}, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ "instances": [${object(record, JSON.stringify)}] }),
});
console.log(await response.json());`;
}

/** A word of a shell's, whatever is in it. */
function shell(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function object(record, literal) {
  const members = record.map(([name, value]) => `        ${JSON.stringify(name)}: ${literal(value)},\n`);
  return `{\n${members.join("")}    }`;
}
