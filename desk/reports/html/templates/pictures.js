"use strict";
// Pictures: drawn when they come near the screen, drawn again when light turns to dark.
const pictures = (() => {
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  const live = new Set();

  function configuration(spec) {
    const shown = spec.series.filter((series) => !series.hidden);
    const category = spec.kind === "bar" || spec.kind === "bars" || spec.kind === "line";
    const palette = [color("accent"), color("second"), color("good")];
    const labels = category ? shown[0].data.map((point) => String(point[0])) : undefined;
    const datasets = shown.map((series, at) => {
      const paint = series.line && !category ? color("soft") : palette[at % palette.length];
      return {
        label: series.name,
        type: category ? (spec.kind === "line" ? "line" : "bar") : (series.line ? "line" : "scatter"),
        data: category ? series.data.map((point) => point[1])
          : series.data.map(([x, y, name]) => ({x, y, name})),
        borderColor: paint, backgroundColor: paint,
        borderWidth: series.line ? 1.5 : 0, pointRadius: series.line ? 0 : 3, pointHitRadius: 6,
        pointStyle: series.line ? "line" : at % 2 ? "triangle" : "circle", borderDash: series.line && !category ? [4, 4] : [],
      };
    });
    const axis = ({label, unit}) => ({
      title: {display: Boolean(label), text: unit === "bp" ? label + ", bp" : label, color: color("soft")},
      ticks: unit === "text" ? {color: color("soft"), autoSkip: spec.kind !== "bars", autoSkipPadding: 16, maxRotation: 0}
        : {color: color("soft"), callback: (value) => written(value, unit)},
      grid: {color: color("line")},
    });
    const flat = spec.kind === "bars";
    const scales = flat ? {x: axis(spec.y), y: axis(spec.x)} : {x: axis(spec.x), y: axis(spec.y)};
    if (!category) scales.x.type = "linear";
    return {
      type: category ? (spec.kind === "line" ? "line" : "bar") : "scatter",
      data: {labels, datasets},
      options: {
        indexAxis: flat ? "y" : "x", animation: false, maintainAspectRatio: false, responsive: true, scales,
        plugins: {
          legend: {display: shown.length > 1, labels: {color: color("front"), usePointStyle: true}},
          tooltip: {callbacks: {label: ({raw, dataset, parsed}) => {
            if (category) return dataset.label + " " + written(flat ? parsed.x : parsed.y, spec.y.unit);
            const name = raw.name ? raw.name + ": " : "";
            return name + written(raw.x, spec.x.unit) + ", " + dataset.label + " " + written(raw.y, spec.y.unit);
          }}},
        },
      },
    };
  }

  function draw(holder, spec) {
    const canvas = element("canvas", {role: "img", "aria-label": spec.title + ". " + spec.words});
    holder.replaceChildren(canvas);
    const entry = {holder, spec, chart: new Chart(canvas, configuration(spec))};
    live.add(entry);
    return entry;
  }

  function drop(entry) {
    entry.chart.destroy();
    live.delete(entry);
  }

  // The figures of a picture as a table: one row a label, or one a point of each series.
  function table(spec) {
    const {series, kind, x, y} = spec;
    if (kind === "scatter") {
      const rows = series.flatMap(({name, data}) => data.map(([a, b, symbol]) => [symbol || name, name, a, b]));
      return figuresTable(["", "series", x.label, y.label], ["text", "text", x.unit, y.unit], rows);
    }
    const rows = series[0].data.map((point, at) => [point[0], ...series.map((one) => one.data[at][1])]);
    return figuresTable([x.label, ...series.map((one) => one.name)], ["text", ...series.map((one) => one.hidden || y.unit)], rows);
  }

  function openTable(details, spec) {
    details.addEventListener("toggle", () => {
      if (details.open && details.children.length === 1) details.append(table(spec));
    });
  }

  function figure(spec) {
    const holder = element("div", {class: "canvas " + spec.kind});
    const details = element("details", {}, element("summary", {}, "Figures"));
    openTable(details, spec);
    const made = element("figure", {}, element("h3", {}, spec.title), holder,
      element("figcaption", {}, spec.words), details);
    return {made, start: () => draw(holder, spec)};
  }

  const near = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      near.unobserve(entry.target);
      draw(entry.target.querySelector(".canvas"), payload.charts[entry.target.dataset.chart]);
    }
  }, {rootMargin: "300px"});
  for (const holder of document.querySelectorAll("figure[data-chart]")) {
    openTable(holder.querySelector("details"), payload.charts[holder.dataset.chart]);
    near.observe(holder);
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const entry of [...live]) { drop(entry); draw(entry.holder, entry.spec); }
  });
  return {figure, drop};
})();
