"use strict";
// Values and how they are written, the same way as the document's first rows are.
const payload = JSON.parse(document.getElementById("payload").textContent);

const plain = (digits) => new Intl.NumberFormat("en-US", {minimumFractionDigits: digits, maximumFractionDigits: digits});
const [whole, one, two, three] = [0, 1, 2, 3].map(plain);

function written(value, unit) {
  if (value === null || value === undefined || value === "") return "–";
  if (typeof value === "string") return unit === "time" ? value.slice(0, 16).replace("T", " ") + " UTC" : value;
  switch (unit) {
    case "share": return (value * 100).toFixed(1) + " %";
    case "bp": return (value < 0 ? "-" : "+") + one.format(Math.abs(value));
    case "count": return whole.format(value);
    case "decimal": return three.format(value);
    case "seconds": return one.format(value) + " s";
    default: return Math.abs(value) >= 0.01 || value === 0 ? two.format(value) : value.toExponential(1);
  }
}

// An element with text only: what a symbol or a message is called never becomes markup.
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function figuresTable(names, units, rows) {
  const head = element("tr", {}, ...names.map((name) => element("th", {scope: "col"}, name)));
  const body = rows.map((row) => element("tr", {}, ...row.map((value, at) =>
    at === 0 ? element("th", {scope: "row"}, written(value, units[0])) : element("td", {}, written(value, units[at])))));
  return element("div", {class: "scroll", tabindex: "0", role: "region", "aria-label": "Figures"},
    element("table", {class: "small"}, element("thead", {}, head), element("tbody", {}, ...body)));
}
