"use strict";

function element(tag, text, attributes) {
  const made = Object.assign(document.createElement(tag), attributes || {});
  if (text !== undefined && text !== null) made.textContent = text;
  return made;
}

async function read(path) {
  const answer = await fetch(path, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}`);
  return answer.json();
}

const FEW = 2; // models whose forms are open from the start
let lists = 0;

function field(feature, usual) {
  const label = element("label");
  label.append(element("span", feature.name));
  let control;
  if (feature.type === "category" && feature.others) {
    const known = element("datalist", null, { id: `known-${++lists}` });
    for (const category of feature.categories) known.append(element("option", null, { value: category }));
    control = element("input", null, { type: "text", value: usual });
    control.setAttribute("list", known.id);
    label.append(known);
  } else if (feature.type === "category") {
    control = element("select");
    const named = (category) => category || "(missing)";
    for (const category of feature.categories) control.append(element("option", named(category), { value: category }));
    control.value = usual;
  } else if (feature.type === "date") {
    control = element("input", null, { type: "text", value: usual });
  } else {
    control = element("input", null, { type: "number", step: "any", value: usual });
  }
  control.dataset.kind = feature.type;
  label.append(control);
  label.append(element("small", "low" in feature ? `${feature.low} to ${feature.high} in training` : ""));
  return label;
}

function cell(control) {
  if (control.value === "") return null;
  return control.dataset.kind === "number" ? Number(control.value) : control.value;
}

async function send(form, name, output) {
  const row = Array.from(form.querySelectorAll("[data-kind]"), cell);
  const path = `/models/${name}/predict`;
  const body = JSON.stringify({ instances: [row], warnings: true });
  const headers = { "Content-Type": "application/json" };
  const key = form.querySelector("[data-key]").value;
  if (key) headers.Authorization = `Bearer ${key}`;
  const answer = await fetch(path, { method: "POST", headers, body });
  const value = await answer.json();
  output.className = answer.ok ? "" : "fault";
  output.textContent = `POST ${path}\n${body}\n\n${answer.status}\n${JSON.stringify(value, null, 2)}`;
}

function playground(model) {
  const { champion, name } = model;
  const form = element("form");
  champion.features.forEach((feature, i) => form.append(field(feature, champion.example[i])));
  const key = element("label");
  key.append(element("span", "API key"), element("input", null, { type: "password", autocomplete: "off" }));
  key.lastChild.dataset.key = "";
  key.append(element("small", "only where the service asks for one"));
  form.append(key);
  const output = element("pre", "The answer appears here.");
  form.append(element("button", "Predict", { type: "submit" }));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(form, name, output).catch((error) => { output.textContent = String(error); });
  });
  return [form, output];
}

// Many models are folded: each form is asked for when it is opened.
function show(summary, place, isOpen) {
  const section = element("section");
  const folded = element("details");
  const heading = element("summary");
  heading.append(element("h2", summary.name + (summary.is_default ? " (default)" : "")));
  folded.append(heading);
  section.append(folded);
  place.append(section);
  const serving = Object.entries(summary.serving).map(([alias, version]) => `${alias}: version ${version}`);
  heading.append(` ${serving.join(", ") || "no version serves"}`);
  for (const reason of summary.reasons) section.append(element("p", reason, { className: "fault" }));
  folded.addEventListener("toggle", () => {
    if (folded.open) fill(summary, folded);
  });
  folded.open = isOpen;
}

async function fill(summary, folded) {
  if (folded.dataset.isFilled) return;
  folded.dataset.isFilled = "yes";
  try {
    const model = await read(`/models/${summary.name}`);
    if (model.champion) folded.append(...playground(model));
  } catch (error) {
    delete folded.dataset.isFilled;
    folded.append(element("p", String(error), { className: "fault" }));
  }
}

async function start() {
  const place = document.getElementById("models");
  try {
    const { models } = await read("/models");
    place.replaceChildren();
    if (!models.length) place.append(element("p", "No model is loaded yet."));
    for (const summary of models) show(summary, place, models.length <= FEW || summary.is_default);
  } catch (error) {
    place.append(element("p", String(error), { className: "fault" }));
  }
}

start();
