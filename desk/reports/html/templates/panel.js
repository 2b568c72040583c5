"use strict";
// The panel of one symbol; its address is the page's own, so that it can be linked and left by "back".
(() => {
  const dialog = document.getElementById("panel");
  const index = new Map(payload.rows.map((row, at) => [row[0], at]));
  let drawn = [];

  const list = (name, texts) => texts && texts.length
    ? [element("h3", {}, name), element("ul", {}, ...texts.map((text) => element("li", {}, text)))] : [];

  function specs(panel) {
    const {months, hours, calibration} = panel.tables;
    const found = [];
    if (panel.curve.day.length) {
      const start = Date.parse(panel.curve.first + "T00:00:00Z");
      const day = (after) => new Date(start + after * 864e5).toISOString().slice(0, 10);
      found.push({
        title: "Its trades after costs", kind: "line", x: {label: "day", unit: "text"}, y: {label: "sum", unit: "bp"},
        words: "Running sum of the net results of the walk's trades, each of the same size; past, and out of sample.",
        series: [{name: "sum of net results", line: true, data: panel.curve.day.map((after, at) => [day(after), panel.curve.bps[at]])}],
      });
    }
    if (calibration.length) {
      const ends = [calibration[0][1], calibration[calibration.length - 1][1]];
      found.push({
        title: "Calibration", kind: "scatter", x: {label: "probability given", unit: "share"}, y: {label: "went up", unit: "share"},
        words: "Where its probabilities are kept, the points lie on the line; few candles scatter widely.",
        series: [
          {name: "went up", data: calibration.map((row) => [row[1], row[2]])},
          {name: "as promised", line: true, data: ends.map((end) => [end, end])},
        ],
      });
    }
    const beside = {
      trades: ["trades", "count"], win_rate: ["won", "share"], accuracy: ["win rate, labelled", "share"],
    };
    const groups = (title, words, name) => {
      const rows = panel.tables[name], columns = payload.tables[name];
      const of = (column) => rows.map((row) => [row[0], row[columns.indexOf(column)]]);
      const more = Object.keys(beside).filter((column) => columns.includes(column));
      return {
        title, words, kind: "bar", x: {label: "", unit: "text"}, y: {label: "net a trade", unit: "bp"},
        series: [{name: "net a trade", data: of("net_bps")},
          ...more.map((column) => ({name: beside[column][0], hidden: beside[column][1], data: of(column)}))],
      };
    };
    if (months.length) found.push(groups("By month", "Means per trade, after costs; few trades say little.", "months"));
    if (hours.length) found.push(groups("By hour (UTC)", "One good hour among 24 is what luck looks like.", "hours"));
    if (panel.importance.length) {
      found.push({
        title: "What its model looks at", kind: "bars", x: {label: "", unit: "text"}, y: {label: "share of gain", unit: "share"},
        words: "What its trees split on, not what earns; a model of noise has such a list too.",
        series: [{name: "share of gain", data: panel.importance.map(([number, share]) => [payload.features[number], share])}],
      });
    }
    return found;
  }

  function content(symbol, at) {
    const panel = payload.panels[at], row = payload.rows[at];
    const close = element("button", {type: "button", autofocus: ""}, "Close");
    close.addEventListener("click", () => dialog.close());
    const parts = [element("header", {}, element("h2", {id: "panel-title"}, symbol + ": " + row[1]), close)];
    if (panel.earlier) parts.push(element("p", {class: "note"}, "Not of the last run: its model is of an earlier one."));
    if (panel.problem) parts.push(element("p", {}, "Its files cannot be read: " + panel.problem));
    parts.push(...list(row[1] === "tradable" ? "" : "Why", panel.reasons));
    parts.push(...list("What to do", ["retrain", "drop"].filter((name) => panel[name]).map((name) =>
      (name === "retrain" ? "Train again: " : "Not worth another training: ") + panel[name])));
    if (panel.live) {
      parts.push(element("h3", {}, "Traded live by this version"), element("p", {}, written(panel.live.trades, "count") +
        " trades, " + written(panel.live.win_rate, "share") + " won, net " + written(panel.live.net_bps, "bp") + " bp each"));
    }
    if (!panel.figures) return {parts, start: []};
    const figures = specs(panel).map(pictures.figure);
    parts.push(element("div", {class: "pictures"}, ...figures.map((one) => one.made)));
    parts.push(...list("How its thresholds were chosen, and what its trades prove", panel.texts));
    parts.push(element("h3", {}, "All figures"));
    parts.push(element("dl", {class: "facts"}, ...payload.panel.map((figure, number) => {
      const value = element("dd", {}, written(panel.figures[number], figure.unit));
      if (figure.words) value.append(element("small", {}, figure.words));
      return element("div", {}, element("dt", {}, figure.label), value);
    })));
    parts.push(element("h3", {}, "By volatility"), figuresTable(
      ["third", "labelled", "win rate", "trades", "won", "net bp"], ["text", "count", "share", "count", "share", "bp"], panel.tables.thirds));
    const versions = Object.entries(payload.versions[panel.versions]).map(([name, version]) => name + " " + version);
    parts.push(element("p", {class: "note"}, "Made with " + versions.join(", ") + "."));
    return {parts, start: figures.map((one) => one.start)};
  }

  function clear() {
    drawn.forEach(pictures.drop);
    drawn = [];
    dialog.replaceChildren();
  }

  function follow() {
    let symbol = null;
    try {
      const found = /^#symbol=(.*)$/.exec(location.hash);
      symbol = found && decodeURIComponent(found[1]);
    } catch { symbol = null; }  // an address that somebody broke
    if (symbol === null || !index.has(symbol)) { if (dialog.open) dialog.close(); return; }
    clear();
    const {parts, start} = content(symbol, index.get(symbol));
    dialog.append(...parts);
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
    drawn = start.map((draw) => draw());
  }

  dialog.addEventListener("close", () => {
    clear();
    if (location.hash.startsWith("#symbol=")) history.replaceState(null, "", location.pathname + location.search);
  });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  addEventListener("hashchange", follow);
  follow();
})();
