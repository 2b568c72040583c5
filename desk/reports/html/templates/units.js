"use strict";
// Values and how they are written, the same way as the document's first rows are.
const payload = JSON.parse(document.getElementById("payload").textContent);

// toFixed rounds the value itself, as Python does; Intl.NumberFormat rounds its shortest decimal form.
const plain = (value, digits) => value.toFixed(digits).replace(/\B(?=(\d{3})+(?!\d))(?<!\.\d*)/g, ",");

function written(value, unit) {
  if (value === null || value === undefined || value === "") return "–";
  if (typeof value === "string") return unit === "time" ? value.slice(0, 16).replace("T", " ") + " UTC" : value;
  switch (unit) {
    case "share": return (value * 100).toFixed(1) + " %";
    case "bp": return (value < 0 ? "-" : "+") + plain(Math.abs(value), 1);
    case "count": return plain(value, 0);
    case "decimal": return plain(value, 3);
    case "seconds": return plain(value, 1) + " s";
    default:
      if (Math.abs(value) >= 0.01 || value === 0) return plain(value, 2);
      return Math.abs(value) >= 1e-4 ? String(Number(value.toPrecision(2))) : value.toExponential(1);
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
