// <muster-chart kind data label>: draws with Chart.js, and again when its data or the theme change.
import { duration } from "./times.js";

await new Promise((resolve, reject) => {
  const script = document.createElement("script");
  script.src = "lib/chart.umd.min.js";
  script.onload = resolve;
  script.onerror = reject;
  document.head.append(script);
});

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** data: {points: [[ms, value], …], min, max, unit} */
function sparkline(data) {
  const points = (data.points ?? []).map(([x, y]) => ({ x, y }));
  return {
    type: "line",
    data: { datasets: [{ data: points, borderColor: colour("--tone-busy"), backgroundColor: colour("--tone-busy-soft"), fill: true, borderWidth: 1.5, pointRadius: 0, pointHitRadius: 8, tension: 0.2 }] },
    options: {
      animation: false, responsive: true, maintainAspectRatio: false,
      scales: { x: { type: "linear", display: false, min: data.from, max: data.to }, y: { display: false, min: data.min, suggestedMax: data.max } },
      plugins: { legend: { display: false }, tooltip: { displayColors: false, callbacks: { title: ([item]) => new Date(item.parsed.x).toLocaleString(), label: (item) => `${item.parsed.y} ${data.unit ?? ""}` } } },
    },
  };
}

/** Instants of a scale at whole minutes, hours or days of the viewer's zone. */
function wholeTicks(from, to) {
  const days = (to - from) / 86400000;
  if (days < 0.1) return Array.from({ length: 12 }, (_, i) => ({ value: (Math.ceil(from / 600000) + i) * 600000 })).filter(({ value }) => value <= to);
  const at = new Date(from);
  at.setHours(0, 0, 0, 0);
  const ticks = [];
  for (; at.getTime() <= to; days > 2 ? at.setDate(at.getDate() + (days > 8 ? 5 : 1)) : at.setHours(at.getHours() + 3)) {
    if (at.getTime() >= from) ticks.push({ value: at.getTime() });
  }
  return ticks;
}

/** Stripes where Muster did not listen, under the bars; the state's word on each bar that has room for it. */
const stripes = {
  id: "stripes",
  beforeDatasetsDraw({ ctx, chartArea: { top, bottom, left, right }, scales: { x } }, _, { outages }) {
    ctx.save();
    ctx.strokeStyle = colour("--tone-off");
    ctx.fillStyle = colour("--tone-off-soft");
    for (const [from, to] of outages) {
      const a = Math.max(left, x.getPixelForValue(from));
      const b = Math.min(right, Math.max(a + 2, x.getPixelForValue(to)));
      if (b <= a) continue;
      ctx.fillRect(a, top, b - a, bottom - top);
      ctx.save();
      ctx.beginPath();
      ctx.rect(a, top, b - a, bottom - top);
      ctx.clip();
      ctx.beginPath();
      for (let at = a - (bottom - top); at < b; at += 7) { ctx.moveTo(at, bottom); ctx.lineTo(at + bottom - top, top); }
      ctx.stroke();
      ctx.restore();
    }
    ctx.restore();
  },
  afterDatasetsDraw(chart) {
    const { ctx } = chart;
    ctx.save();
    ctx.font = "600 11px system-ui, sans-serif";
    ctx.textBaseline = "middle";
    ctx.fillStyle = colour("--bar");
    chart.getDatasetMeta(0).data.forEach((bar, i) => {
      const { x, base, y } = bar.getProps(["x", "base", "y"], true);
      const word = chart.data.datasets[0].data[i].bar.word;
      if (ctx.measureText(word).width + 10 < Math.abs(x - base)) ctx.fillText(word, Math.min(x, base) + 5, y + 1);
    });
    ctx.restore();
  },
};

/** data: {from, to, lanes: [{name, bars: [{from, to, word, tone, cause}]}], outages: [[from, to], …]}; instants in ms */
function timeline(data) {
  const bars = data.lanes.flatMap((lane) => lane.bars.map((bar) => ({ x: [bar.from, bar.to], y: lane.name, bar })));
  const instant = (ms) => new Date(ms).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
  const hours = data.to - data.from <= 2 * 86400000;
  return {
    type: "bar",
    data: { labels: data.lanes.map((lane) => lane.name), datasets: [{ data: bars, backgroundColor: bars.map(({ bar }) => colour(`--tone-${bar.tone}`)), barThickness: 20, minBarLength: 1, borderSkipped: false }] },
    options: {
      indexAxis: "y", animation: false, responsive: true, maintainAspectRatio: false,
      interaction: { mode: "nearest", intersect: true },
      scales: {
        x: {
          type: "linear", min: data.from, max: data.to, grid: { color: colour("--line") }, afterBuildTicks: (axis) => { axis.ticks = wholeTicks(data.from, data.to); },
          ticks: { color: colour("--bs-secondary-color"), maxRotation: 0, autoSkipPadding: 12, callback: (at) => new Date(at).toLocaleString(undefined, hours ? { hour: "2-digit", minute: "2-digit" } : { day: "numeric", month: "short" }) },
        },
        y: { grid: { display: false }, ticks: { color: colour("--bs-secondary-color") } },
      },
      plugins: {
        legend: { display: false },
        stripes: { outages: data.outages },
        tooltip: {
          displayColors: false,
          callbacks: {
            title: ([item]) => `${item.raw.y}: ${item.raw.bar.word}`,
            label: ({ raw: { bar } }) => [`${instant(bar.from)} – ${bar.to >= data.to ? "now" : instant(bar.to)}`, duration(bar.to - bar.from), ...(bar.cause ? [`by ${bar.cause}`] : [])],
          },
        },
      },
    },
    plugins: [stripes],
  };
}

const kinds = { sparkline, timeline };
export const addKind = (name, make) => { kinds[name] = make; };

class MusterChart extends HTMLElement {
  static observedAttributes = ["data", "kind", "label"];
  connectedCallback() {
    this.setAttribute("role", "img");
    this.setAttribute("aria-label", this.getAttribute("label") ?? "");
    this.listener = () => this.draw();
    document.addEventListener("muster-theme", this.listener);
    this.draw();
  }
  disconnectedCallback() {
    document.removeEventListener("muster-theme", this.listener);
    this.chart?.destroy();
    this.chart = undefined;
  }
  attributeChangedCallback(name) {
    if (!this.isConnected) return;
    if (name === "label") this.setAttribute("aria-label", this.getAttribute("label") ?? "");
    else this.draw();
  }
  draw() {
    this.chart?.destroy();
    const make = kinds[this.getAttribute("kind")];
    if (!make) return;
    const canvas = document.createElement("canvas");
    canvas.ariaHidden = "true";
    this.replaceChildren(canvas);
    this.chart = new globalThis.Chart(canvas, make(JSON.parse(this.getAttribute("data") || "{}"), this));
  }
}
customElements.define("muster-chart", MusterChart);
