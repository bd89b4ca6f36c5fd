"use strict";

function element(tag, text) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  return made;
}

function row(method, path, operation) {
  const line = element("tr");
  line.append(element("td", method.toUpperCase()), element("td", path), element("td", operation.summary));
  line.append(element("td", operation.security ? "needs a token" : ""));
  return line;
}

async function start() {
  const place = document.getElementById("routes");
  const answer = await fetch("/openapi.json");
  const description = await answer.json();
  const tables = new Map(description.tags.map((tag) => [tag.name, element("table")]));
  for (const [path, operations] of Object.entries(description.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      tables.get(operation.tags[0]).append(row(method, path, operation));
    }
  }
  place.replaceChildren();
  for (const tag of description.tags) place.append(element("h2", tag.description), tables.get(tag.name));
  place.append(element("h2", "Schemas"));
  for (const [name, schema] of Object.entries(description.components.schemas)) {
    const folded = element("details");
    const summary = element("summary");
    summary.append(element("h3", name));
    folded.append(summary, element("pre", JSON.stringify(schema, null, 2)));
    place.append(folded);
  }
}

start();
