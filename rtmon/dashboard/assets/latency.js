// The page of latency: heatmaps, percentiles by label, and the connections with the longest round trips.
class Latency {
  #charts
  #heats
  #distributions
  #worst
  #rows
  #missing = element("p", {class: "nothing"}, "Percentiles by path, room and type are not in this recording, which an older rtmon wrote.")

  constructor(app, params) {
    this.#distributions = new Distributions(app)
    this.#heats = HEATS.map((heat) => new Heatmap(heat, app.axis, this.#distributions))
    this.#charts = ["rtt", "handler", "delivery"].map((key) => pageChart(CHARTS.find((chart) => chart.key === key), app.axis, () => app.store.marks))
    this.#worst = new AppTable(COLUMNS.connections, {
      heading: "Slowest clients",
      link: ({id, epoch}) => addressOf({page: "connection", id, epoch}, {fresh: true}),
      address: ({sort}) => addressOf({page: "connections", sort}, {fresh: true}),
      empty: () => "No round trip of an open connection was measured yet.",
    })
    this.#rows = new AppTable(COLUMNS.latencies, {heading: "Last minute, by path, room and type", empty: () => "No latency was measured yet."})
    this.#missing.hidden = true
    const grid = (parts) => element("div", {class: "charts thirds"}, ...parts.map(({node}) => node))
    this.node = element("div", {class: "page"}, grid(this.#heats), grid(this.#charts), this.#worst.node, this.#rows.node, this.#missing)
  }

  close() { for (const each of [...this.#charts, ...this.#heats]) each.close() }

  frame() {
    for (const chart of this.#charts) chart.draw()
    for (const heat of this.#heats) heat.draw()
  }

  pane(pane) {
    if (pane.error !== undefined) { this.#rows.draw(pane); return }
    this.#distributions.take(pane.heat)
    for (const heat of this.#heats) heat.draw()
    this.#worst.draw({...pane.worst, total: pane.worst.rows.length})
    this.#missing.hidden = pane.rows !== undefined
    this.#rows.node.hidden = pane.rows === undefined
    if (pane.rows !== undefined) this.#rows.draw(pane)
  }
}
