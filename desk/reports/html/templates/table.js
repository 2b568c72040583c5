"use strict";
// The table of all symbols: sorted, filtered and searched as a whole, with only the rows near the screen in
// the document.
(() => {
  const table = document.getElementById("all");
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const search = document.getElementById("search");
  const only = document.getElementById("only");
  const {columns, rows} = payload;
  const AROUND = 20;
  let order = rows.map((_, at) => at);
  let sorted = {column: -1, down: false};
  let from = 0, to = 0;
  const above = element("td", {colspan: columns.length});
  const below = element("td", {colspan: columns.length});
  const first = element("tr", {class: "space", "aria-hidden": "true"}, above);
  const last = element("tr", {class: "space", "aria-hidden": "true"}, below);
  let height = body.rows.length ? body.rows[0].getBoundingClientRect().height : 36;

  function drawn(at) {
    const values = rows[order[at]];
    const kind = {tradable: "yes", failed: "bad"}[values[1]] || "";
    const cells = values.map((value, number) => number === 0
      ? element("th", {scope: "row"}, element("a", {href: "#symbol=" + encodeURIComponent(value)}, value))
      : element("td", {class: columns[number].unit + (columns[number].narrow ? "" : " wide")},
        written(value, columns[number].unit)));
    return element("tr", {"aria-rowindex": at + 2, class: kind}, ...cells);
  }

  // Rows that stay are kept as they are, so that the one with the focus keeps it.
  function show(all = false) {
    const top = -body.getBoundingClientRect().top;
    const start = Math.max(0, Math.min(Math.floor(top / height) - AROUND, order.length - 1));
    const end = Math.min(order.length, Math.ceil((top + window.innerHeight) / height) + AROUND);
    const wanted = [start, Math.max(end, Math.min(order.length, start + 2 * AROUND))];
    if (!all && wanted[0] === from && wanted[1] === to) return;
    const kept = new Map();
    if (!all) for (const row of body.rows) if (row.className !== "space") kept.set(Number(row.getAttribute("aria-rowindex")) - 2, row);
    const near = [];
    for (let at = wanted[0]; at < wanted[1]; at++) near.push(at);
    for (const [at, row] of kept) if (at < wanted[0] || at >= wanted[1]) row.remove();
    if (all) body.replaceChildren(first, last);
    else if (!first.parentNode) { body.prepend(first); body.append(last); }
    let after = first;
    for (const at of near) {
      const row = kept.get(at) || drawn(at);
      if (after.nextSibling !== row) after.after(row);
      after = row;
    }
    [from, to] = wanted;
    above.style.height = from * height + "px";
    below.style.height = (order.length - to) * height + "px";
  }

  function arrange() {
    const text = search.value.trim().toUpperCase();
    order = [];
    rows.forEach((row, at) => {
      if (row[0].toUpperCase().includes(text) && (!only.value || row[1] === only.value)) order.push(at);
    });
    const {column, down} = sorted;
    if (column >= 0) {
      order.sort((a, b) => {
        const [x, y] = [rows[a][column], rows[b][column]];
        if (x === null || y === null) return (x === null) - (y === null) || a - b;  // none is last either way
        const by = typeof x === "string" ? (x < y ? -1 : x > y ? 1 : 0) : x - y;
        return (down ? -by : by) || a - b;
      });
    }
    table.setAttribute("aria-rowcount", order.length + 1);
    document.getElementById("shown").textContent = order.length + " of " + rows.length + " symbols";
    show(true);
  }

  heads.forEach((head, column) => {
    const button = element("button", {type: "button"}, head.textContent);
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const numbers = columns[column].unit !== "text";
      sorted = {column, down: sorted.column === column ? !sorted.down : numbers};
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", sorted.down ? "descending" : "ascending");
      arrange();
    });
  });
  search.addEventListener("input", arrange);
  only.addEventListener("change", arrange);
  search.form.addEventListener("submit", (event) => event.preventDefault());
  search.form.hidden = false;
  body.addEventListener("keydown", (event) => {
    const step = {ArrowDown: 1, ArrowUp: -1, PageDown: 15, PageUp: -15}[event.key];
    const row = event.target.closest("tr");
    if (!step || !row) return;
    event.preventDefault();
    const at = Math.max(0, Math.min(order.length - 1, Number(row.getAttribute("aria-rowindex")) - 2 + step));
    const find = () => body.querySelector('tr[aria-rowindex="' + (at + 2) + '"] a');
    let link = find();
    if (!link) { window.scrollBy({top: step * height, behavior: "instant"}); show(); link = find(); }
    if (link) { link.focus({preventScroll: true}); link.scrollIntoView({block: "nearest", behavior: "instant"}); }
  });
  let waiting = false;
  const later = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; show(); });
  };
  addEventListener("scroll", later, {passive: true});
  addEventListener("resize", later);
  arrange();
  window.deskTable = {arrange, rendered: () => to - from};
})();
