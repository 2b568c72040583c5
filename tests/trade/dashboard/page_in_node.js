// Runs page.js in Node on a stand-in for a browser's document, feeds it events, and prints what it shows.
// Usage: node page_in_node.js page.js index.html   (standard input: JSON list of steps)
"use strict";
const fs = require("fs");
const vm = require("vm");

class Node {}
class Element extends Node {
  constructor(name) {
    super();
    Object.assign(this, { name, children: [], dataset: {}, attributes: {}, listeners: {}, hidden: false, value: "" });
    this.ownText = "";
    const names = new Set();
    this.classList = { toggle: (one, on) => (on ? names.add(one) : names.delete(one)), contains: (one) => names.has(one) };
  }
  get textContent() { return this.ownText + this.children.map((one) => one.textContent).join(" "); }
  set textContent(text) { this.ownText = String(text); this.children = []; }
  get tBodies() { this.body = this.body || new Element("tbody"); return [this.body]; }
  append(...more) { this.children.push(...more); }
  replaceChildren(...more) { this.children = more; }
  setAttribute(name, value) { this.attributes[name] = value; }
  addEventListener(name, call) { this.listeners[name] = call; }
  focus() {}
  showModal() { this.open = true; }
  close() { this.open = false; if (this.listeners.close) this.listeners.close(); }
  get parentElement() { this.parent = this.parent || new Element("th"); return this.parent; }
  set innerHTML(_) { throw new Error("markup is never set"); }
}

const html = fs.readFileSync(process.argv[3], "utf8");
const byId = {};
for (const [, id] of html.matchAll(/\bid="([^"]+)"/g)) byId[id] = new Element(id);
const buttons = [...html.matchAll(/data-action="([^"]+)"/g)].map(([, action]) => {
  const one = new Element("button");
  one.dataset.action = action;
  return one;
});
const sorts = [...html.matchAll(/data-sort="([^"]+)"/g)].map(([, by]) => {
  const one = new Element("button");
  one.dataset.sort = by;
  return one;
});
const asked = [];
let now = 1762430400000;
let source = null;
let ticks = null;
let status = 200;
class EventSource {
  constructor() { this.listeners = {}; source = this; }
  addEventListener(name, call) { this.listeners[name] = call; }
  close() { this.closed = true; }
}
class FakeDate extends Date { static now() { return now; } }
const context = {
  Node, EventSource, Date: FakeDate, console, AbortSignal,
  setInterval: (call) => { ticks = call; },
  fetch: async (path, options) => {
    asked.push({ path, ...options });
    return { ok: status < 400, status, json: async () => ({ error: "the token is wrong" }) };
  },
  document: {
    body: new Element("body"), title: "",
    getElementById: (id) => { if (!byId[id]) throw new Error(`no element ${id}`); return byId[id]; },
    createElement: (name) => new Element(name),
    querySelectorAll: (which) => (which.includes("#actions") ? buttons : which === "th button" ? sorts : []),
  },
};

async function main() {
  vm.runInNewContext(fs.readFileSync(process.argv[2], "utf8"), context);
  await new Promise(setImmediate);
  const shown = [];
  for (const step of JSON.parse(fs.readFileSync(0, "utf8"))) {
    if (step.event) source.listeners[step.event]({ data: JSON.stringify(step.data || {}) });
    if (step.pass_ms) { now += step.pass_ms; ticks(); }
    if (step.sort) sorts.find((one) => one.dataset.sort === step.sort).listeners.click();
    if (step.filter !== undefined) { byId.filter.value = step.filter; byId.filter.listeners.input(); }
    if (step.press) buttons.find((one) => one.dataset.action === step.press).listeners.click();
    if (step.status) status = step.status;
    if (step.token) {
      byId.token.value = step.token;
      await byId["confirm-form"].listeners.submit({ preventDefault() {} });
    }
    const texts = Object.fromEntries(Object.entries(byId).map(([id, one]) => [id, one.textContent]));
    for (const table of ["positions", "symbols", "delivered"]) {
      texts[table] = byId[table].tBodies[0].children.map((row) => row.children.map((cell) => cell.textContent));
    }
    shown.push({
      texts, mode: context.document.body.dataset.mode, title: context.document.title,
      hidden: Object.keys(byId).filter((id) => byId[id].hidden), disabled: buttons.map((one) => Boolean(one.disabled)),
      confirm: Boolean(byId.confirm.open), lost: byId.line.classList.contains("lost"), asked: [...asked],
    });
  }
  console.log(JSON.stringify(shown));
}
main();
