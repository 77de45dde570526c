// <muster-chart kind data label>: draws with Chart.js, and again when its data or the theme change.
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

const kinds = { sparkline };
export const addKind = (name, make) => { kinds[name] = make; };

class MusterChart extends HTMLElement {
  static observedAttributes = ["data", "kind"];
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
  attributeChangedCallback() { if (this.isConnected) this.draw(); }
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
