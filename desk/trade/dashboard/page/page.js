"use strict";
// Shows what /events sends. Every text is set as text, never as markup: names are of the exchange.

const SILENT_S = 12;
const RETRY_S = 10;
const LONGEST_REASON = 110;
const MODES = {
  live: "LIVE: REAL MONEY", demo: "DEMO ACCOUNT: no real money",
  paper: "PAPER: simulated fills", replay: "REPLAY: stored candles",
};
const ASKS = {
  "stop-entries": ["Stop new entries", "stop new entries",
    "Nothing is opened any more until the session is started again. Positions end at their time or stop."],
  "flatten": ["Flatten and stop", "flatten and stop",
    "Every position in a symbol that has a model here is closed at market now, and the session ends; a service "
    + "manager does not start it again (exit status 3)."],
};
let session = {};
let receivedAt = 0;
let triedAt = 0;
let serverAhead = 0;
let order = { by: "distance", up: true };
let source = null;
let isTrying = false;
let isOver = false;

const byId = (id) => document.getElementById(id);

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined && text !== null) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function number(value, digits = 2) {
  if (value === null || value === undefined || value === "") return "–";
  return Number(value).toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function plain(value) {
  return value === null || value === undefined ? "–" : String(value).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
}

function share(value, digits = 2) {
  return value === null || value === undefined ? "–" : `${number(100 * value, digits)} %`;
}

function points(value) {
  return value === null || value === undefined ? "–" : `${number(100 * value, 1)} points`;
}

function signed(value, digits = 2) {
  if (value === null || value === undefined) return "–";
  return (Number(value) > 0 ? "+" : "") + number(value, digits);
}

// A figure has a colour only where its digits show that it is not zero.
function sign(value, digits = 2) {
  const shown = Number(Number(value || 0).toFixed(digits));
  return shown < 0 ? "bad" : shown > 0 ? "good" : "";
}

// The time that the name of a model's file ends in; the name itself where it has none.
function version(file) {
  const found = /_(\d{4})(\d\d)(\d\d)_(\d\d)(\d\d)\d\d\.txt$/.exec(file);
  return found ? `${found[1]}-${found[2]}-${found[3]} ${found[4]}:${found[5]}` : file;
}

function clock(ms) {
  if (ms === null || ms === undefined) return "–";
  return `${new Date(ms).toISOString().slice(11, 16)} UTC`;
}

function moment(ms) {
  return ms === null || ms === undefined ? "–" : new Date(ms).toISOString().slice(0, 19).replace("T", " ");
}

function span(ms) {
  const seconds = Math.max(Math.round(ms / 1000), 0);
  if (seconds < 90) return `${seconds} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${(seconds / 3600).toFixed(1)} h`;
  return `${(seconds / 86400).toFixed(1)} days`;
}

const serverNow = () => Date.now() + serverAhead;

function tile(name, value, small, className) {
  const box = element("div");
  const figure = element("dd", value, className);
  if (small) figure.append(element("small", small));
  box.append(element("dt", name), figure);
  return box;
}

function fill(body, rows) {
  body.replaceChildren(...rows.map((cells) => {
    const row = element("tr");
    row.append(...cells.map((cell) => (cell instanceof Node ? cell : element("td", cell))));
    return row;
  }));
}

function nothing(columns, text) {
  const cell = element("td", text, "wide");
  cell.colSpan = columns;
  return [[cell]];
}

function experimentTiles(one) {
  if (!one) return [];
  const name = `Experiment ${one.number} USDT`;
  const state = one.ended === null ? `may lose ${number(one.amount)}` : `is over: ${one.why}`;
  const shown = one.lost === null ? one.result : -one.lost;
  const fills = one.fills.map((fill) => tile(`${fill.name}, bp`, signed(fill.mean_bps, 1),
    `${fill.trades} fills [${between(fill.ci95, (value) => signed(value, 1))}], above 0 is worse`));
  return [tile(name, signed(shown), `${state}; ${one.trades} trades closed`, sign(shown)), ...fills];
}

function showAccount() {
  const loss = session.day_change === null ? "not known" : `the session ends at −${share(session.daily_loss_stop)}`;
  const fall = session.max_drawdown === null ? `below the highest equity, ${number(session.peak_equity)}`
    : `below the highest equity, ${number(session.peak_equity)}; the session ends at ${share(session.max_drawdown)}`;
  const change = session.day_change === null ? null : 100 * session.day_change;
  byId("account").replaceChildren(
    tile("Equity, USDT", number(session.equity), `with open positions, as of ${clock(session.equity_at)}`),
    tile("Since 00:00 UTC", change === null ? "–" : `${signed(change)} %`, loss, sign(change)),
    tile("Drawdown", share(session.drawdown), fall, sign(-100 * session.drawdown)),
    tile("Available, USDT", number(session.available), "not bound as margin of positions"),
    tile("Positions", String(session.positions.length), "open now"),
    tile("Trades closed", number(session.counts.trades_closed, 0), "since the journal began"),
    ...experimentTiles(session.experiment),
  );
  const line = session.equity_line;
  if (line.length < 2) { byId("curve-line").setAttribute("points", ""); return; }
  const values = line.map((one) => one[1]);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const [first, last] = [line[0][0], line[line.length - 1][0]];
  byId("curve-line").setAttribute("points", line.map(([at, equity]) => {
    const x = 600 * (at - first) / Math.max(last - first, 1);
    const y = 110 - 100 * (equity - low) / Math.max(high - low, 1e-9);
    return `${x.toFixed(1)},${y.toFixed(1)}`;
  }).join(" "));
  byId("curve-text").textContent = `Equity with open positions, from ${moment(first)} to ${moment(last)} UTC; `
    + `the line's lowest point is ${number(low)} USDT, its highest ${number(high)} USDT.`;
}

function showPositions() {
  const rows = session.positions.map((one) => {
    const name = element("th", one.symbol);
    name.scope = "row";
    const side = one.experiment ? `${one.side}, experiment` : one.side;
    const of = one.is_tracked ? version(one.model_file) || "adopted from the account" : "not of this session: left alone";
    return [name, side, plain(one.size), plain(one.entry_price), plain(one.mark_price),
      element("td", signed(one.unrealized), sign(one.unrealized)),
      element("td", one.stop === null ? "none" : plain(one.stop), one.stop === null ? "bad" : ""),
      one.due === null ? "–" : clock(one.due), of];
  });
  fill(byId("positions").tBodies[0], rows.length ? rows : nothing(9, "Nothing is held."));
}

function why(one) {
  const found = [];
  if (one.distance > 0) found.push(`no side fired: ${points(one.distance)} away`);
  else if (one.probability !== null && one.distance === null) found.push("its model never fires");
  const verdict = one.is_tradable === false && one.action === "stay out" ? "not tradable: " : "";
  if (one.reasons.length) found.push(verdict + one.reasons.join("; "));
  return found.join("; ");
}

// The head of a long reason; the report, and the title of the cell, have it whole.
function shortened(text) {
  return text.length <= LONGEST_REASON ? text : `${text.slice(0, LONGEST_REASON).replace(/\s+\S*$/, "")} …`;
}

function showSymbols() {
  const wanted = byId("filter").value.trim().toLowerCase();
  const all = session.symbols;
  const kept = all.filter((one) => !wanted || [one.symbol, one.action, why(one)].join(" ").toLowerCase().includes(wanted));
  const { by, up } = order;
  kept.sort((a, b) => {
    const [x, y] = [a[by], b[by]];
    if (x === null || y === null) return (x === null) - (y === null) || a.symbol.localeCompare(b.symbol);
    const compared = typeof x === "string" ? x.localeCompare(y) : x - y;
    return (up ? compared : -compared) || a.symbol.localeCompare(b.symbol);
  });
  byId("shown").textContent = `${kept.length} of ${all.length} symbols`;
  const rows = kept.map((one) => {
    const name = element("th", one.symbol);
    name.scope = "row";
    const reason = element("td", shortened(why(one)), "wide");
    reason.title = why(one);
    return [name, points(one.distance), share(one.probability, 1),
      one.short_threshold === null ? "never" : share(one.short_threshold, 1),
      one.long_threshold === null ? "never" : share(one.long_threshold, 1),
      one.action || "–", reason, clock(one.open_time === null ? null : one.open_time + 300000)];
  });
  fill(byId("symbols").tBodies[0], rows.length ? rows : nothing(8, "No symbol matches."));
}

function between(pair, show) {
  return pair === null ? "too few days" : `${show(pair[0])} to ${show(pair[1])}`;
}

function showDelivered() {
  const rate = (value) => share(value, 1);
  const bps = (value) => signed(value, 1);
  const rows = session.delivered.map((one) => {
    const name = element("th", one.symbol);
    name.scope = "row";
    return [name, String(one.trades), `${rate(one.win_rate)} [${between(one.win_rate_ci95, rate)}]`,
      rate(one.expected_win_rate), `${bps(one.net_bps)} [${between(one.net_bps_ci95, bps)}]`,
      bps(one.expected_net_bps), signed(one.profit),
      element("td", one.is_experiment ? `${version(one.model_file)}, experiment`
        : one.demotion ? `${version(one.model_file)}, only watches: ${one.demotion}` : version(one.model_file),
        one.demotion || one.is_experiment ? "wide" : "")];
  });
  fill(byId("delivered").tBodies[0], rows.length ? rows : nothing(8, "No trade is closed yet."));
}

function showHealth() {
  const words = { good: "in order", warning: "needs a look", bad: "trouble", unknown: "not known" };
  byId("health").replaceChildren(...session.health.map((one) => {
    const item = element("li");
    item.append(element("strong", `${one.name}: ${words[one.state]}`, one.state), element("span", ` – ${one.text}`));
    return item;
  }));
}

function showNotes() {
  const newest = [...session.notes].reverse();
  byId("notes").replaceChildren(...newest.map((one) => element("li", `${moment(one.at)} ${one.kind}: ${one.text}`)));
}

function showState() {
  document.body.dataset.mode = session.mode;
  byId("mode").textContent = MODES[session.mode] || session.mode;
  document.title = `${(session.mode || "session").toUpperCase()} ${number(session.equity)} USDT`;
  byId("warning").hidden = !session.stopping;
  byId("warning").textContent = session.stopping ? `Nothing is opened: ${session.stopping}` : "";
  for (const button of document.querySelectorAll("#actions button")) button.disabled = !session.buttons || isOver;
  byId("no-buttons").hidden = session.buttons;
}

function tick() {
  if (!session.mode) return;
  const now = serverNow();
  let text = `running for ${span(now - session.began)}`;
  if (session.ended !== null) text = `ended at ${clock(session.ended)} with status ${session.status}: ${session.why}`;
  else if (isOver) text = "has ended";
  if (session.newest_candle !== null) text += `, last candle closed ${span(now - session.newest_candle)} ago`;
  if (session.ended === null && session.next_candle !== null && !isOver) {
    text += `, the next closes in ${span(300000 - (now % 300000))}`;
  }
  byId("state").textContent = text;
  const silent = (Date.now() - receivedAt) / 1000;
  const line = byId("line");
  const isLost = !isOver && silent > SILENT_S;
  line.classList.toggle("lost", isLost);
  const words = isOver ? "The session has ended: these are its last figures."
    : isLost ? `No word for ${span(1000 * silent)}: these figures are old.` : "";
  if (line.textContent !== words) line.textContent = words;
  // A line that leads nowhere is not closed by itself, and after a refusal the browser tries no more.
  if (isLost && !isTrying && Date.now() - triedAt > 1000 * RETRY_S) begin();
}

const SHOWN = [
  [["equity", "day_equity", "peak_equity", "available", "equity_line", "counts", "positions", "drawdown", "experiment"],
    showAccount],
  [["positions"], showPositions], [["symbols", "changed_symbols"], showSymbols], [["delivered"], showDelivered],
  [["health"], showHealth], [["notes"], showNotes],
];

function take(change) {
  receivedAt = Date.now();
  if (change.at) serverAhead = change.at - receivedAt;
  if (change.changed_symbols) {
    const rows = new Map(change.changed_symbols.map((one) => [one.symbol, one]));
    session.symbols = session.symbols.map((one) => rows.get(one.symbol) || one);
  }
  for (const [key, value] of Object.entries(change)) if (key !== "changed_symbols") session[key] = value;
  if (!session.mode) return;
  byId("figures").hidden = false;
  byId("login").hidden = true;
  showState();
  for (const [keys, show] of SHOWN) if (keys.some((key) => key in change)) show();
  tick();
}

function follow() {
  if (source) source.close();
  source = new EventSource("events");
  for (const name of ["snapshot", "change", "heartbeat"]) {
    source.addEventListener(name, (event) => {
      if (name === "snapshot") { session = {}; isOver = false; }
      take(JSON.parse(event.data));
    });
  }
  source.addEventListener("end", () => {
    isOver = true;
    source.close();
    showState();
    tick();
  });
}

async function begin() {
  triedAt = Date.now();
  receivedAt = receivedAt || triedAt;
  isTrying = true;
  try {
    const answer = await fetch("snapshot", { cache: "no-store", signal: AbortSignal.timeout(1000 * RETRY_S) });
    if (answer.status === 401) {
      if (!session.mode) byId("state").textContent = "";
      if (byId("login").hidden) {
        byId("login").hidden = false;
        byId("login-token").focus();
      }
      return;
    }
    follow();
  } catch {
    if (!source) follow();  // the line is down: an EventSource tries again by itself
  } finally {
    isTrying = false;
  }
}

async function post(path, token, body) {
  const answer = await fetch(path, {
    method: "POST", body: JSON.stringify(body), cache: "no-store",
    headers: { "Authorization": `Bearer ${token}`, "Content-Type": "application/json" },
  });
  if (answer.ok) return "";
  try { return (await answer.json()).error; } catch { return `status ${answer.status}`; }
}

byId("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  const problem = await post("login", byId("login-token").value, {}).catch(() => "the session does not answer");
  byId("login-problem").textContent = problem;
  if (!problem) { byId("login-token").value = ""; begin(); }
});

let asked = "";
for (const button of document.querySelectorAll("#actions button")) {
  button.addEventListener("click", () => {
    asked = button.dataset.action;
    const [title, , text] = ASKS[asked];
    byId("confirm-title").textContent = `${title}?`;
    byId("confirm-mode").textContent = MODES[session.mode] || session.mode;
    byId("confirm-text").textContent = text;
    byId("do").textContent = title;
    byId("confirm-problem").textContent = "";
    byId("confirm").showModal();
    byId("token").focus();
  });
}
byId("cancel").addEventListener("click", () => byId("confirm").close());
byId("confirm").addEventListener("close", () => { byId("token").value = ""; });
byId("confirm-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const problem = await post(asked, byId("token").value, { confirm: ASKS[asked][1] })
    .catch(() => "the session does not answer");
  byId("confirm-problem").textContent = problem;
  if (problem) return;
  byId("action-outcome").textContent = `Asked: ${ASKS[asked][1]}.`;
  byId("confirm").close();
});

byId("filter").addEventListener("input", () => session.symbols && showSymbols());
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const by = button.dataset.sort;
    order = { by, up: order.by === by ? !order.up : true };
    for (const head of document.querySelectorAll("#symbols th[aria-sort]")) head.setAttribute("aria-sort", "none");
    button.parentElement.setAttribute("aria-sort", order.up ? "ascending" : "descending");
    if (session.symbols) showSymbols();
  });
}
setInterval(tick, 1000);
begin();
