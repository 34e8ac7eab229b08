// Latency: percentiles over time and by label.
class Latency {
  #charts
  #rows

  constructor(app, params) {
    this.#charts = ["rtt", "handler", "delivery", "lag"].map((key) => new Chart(CHARTS.find((chart) => chart.key === key), app.axis, () => app.store.marks))
    this.#rows = new Rows(COLUMNS.latencies, {heading: "By path, room and type", empty: () => "No latency was measured yet."})
    this.node = element("div", {class: "page"}, element("div", {class: "charts"}, ...this.#charts.map(({node}) => node)), this.#rows.node)
  }

  close() { for (const chart of this.#charts) chart.close() }
  frame() { for (const chart of this.#charts) chart.draw() }
  pane(pane) { this.#rows.draw(pane) }
}
