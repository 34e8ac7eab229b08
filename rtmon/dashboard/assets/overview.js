// The overview page: alerts, tiles and all charts.
const SPARKS = {open: "open", messages_in: "messages_in", messages_out: "messages_out", bytes_in: "bytes_in", bytes_out: "bytes_out", rtt: "rtt_p95", errors: "errors"}

class Overview {
  #app
  #attention = element("section", {class: "card attention", "aria-label": "Needs attention"})
  #tiles = new Tiles((key) => this.#line(key))
  #charts
  #told = ""
  #whom = []

  constructor(app) {
    this.#app = app
    this.#charts = CHARTS.map((layout) => pageChart(layout, app.axis, () => app.store.marks))
    const grid = element("div", {class: "charts"}, ...this.#charts.map(({node}) => node))
    const silent = element("div", {class: "silents"})
    // Charts without data are shown below the others, each as a single line.
    for (const chart of this.#charts) chart.onsilent = (is) => place(chart.node, is ? silent : grid)
    this.node = element("div", {class: "page"}, this.#attention, this.#tiles.node, grid, silent)
  }

  close() { for (const chart of this.#charts) chart.close() }

  frame(frame) {
    this.#drawAttention(frame)
    this.#tiles.draw(frame.tiles)
    for (const chart of this.#charts) chart.draw()
  }

  #drawAttention({attention, time, tiles}) {
    const {matters, rules, well_since: since} = attention
    // Keep the links if only their numbers have changed, because a link may have the focus.
    const {axis: {live}, stale} = this.#app
    const asOf = stale && known(time) ? time : null
    const alerts = tiles.filter(({alert}) => alert).map(({label, reason}) => `${label}: ${reason}`)
    const told = JSON.stringify([since, rules, known(time), asOf, live, alerts, matters.map(({whom, ...matter}) => matter)])
    if (told === this.#told) {
      matters.forEach(({whom}, at) => { this.#whom[at].textContent = whom })
      return
    }
    this.#told = told
    this.#whom = matters.map(({whom}) => element("span", {class: "whom"}, whom))
    const well = matters.length === 0 && known(since) && alerts.length === 0
    const [title, ...note] = this.#verdict(attention, alerts, known(time))
    const head = element("header", {}, element("h2", {}, title), element("small", {}, ...note))
    if (asOf !== null) head.append(element("small", {}, "as of ", moment(asOf * 1e3)))
    if (!live) head.append(element("small", {}, "This and the tiles show the latest numbers, the charts an earlier range."))
    this.#attention.classList.toggle("well", well)
    this.#attention.replaceChildren(head, ...matters.map((matter, at) => this.#matter(matter, this.#whom[at])))
  }

  // Returns the heading and the text beside it. A tile can show a warning although no alert rule is met.
  #verdict({matters, rules, well_since: since}, alerts, began) {
    if (matters.length > 0) return ["Needs attention", `${matters.length} of ${rules} alert rules`]
    if (!known(since)) return ["Not judged yet", began ? "" : "Waiting for the first numbers …"]
    if (alerts.length > 0) return ["Worth a look", `${alerts.join(" · ")} · none of ${rules} alert rules is met`]
    return ["All well", "since ", moment(since * 1e3), ` · ${rules} alert rules are checked continuously`]
  }

  #matter({title, severity, since, page, where, sort}, whom) {
    const inside = [
      element("span", {class: `sign ${severity}`, role: "img", "aria-label": severity === "bad" ? "urgent" : "warning"}, "!"),
      element("b", {}, title),
      whom,
      element("span", {class: "since"}, "since ", moment(since * 1e3)),
    ]
    if (page === null) return element("div", {class: "matter"}, ...inside)
    const state = /state:(open|closed)/.exec(where)?.[1] ?? "all"
    const rest = where.replace(/state:(open|closed)\s*/, "").trim()
    const asked = {page, where: rest || null, sort: sort ? `-${sort}` : null}
    if (page === "connections" && state !== "open") asked.state = state
    return element("a", {class: "matter", href: addressOf(asked, {fresh: true})}, ...inside, element("span", {class: "more", "aria-hidden": "true"}, "›"))
  }

  #line(tile) {
    const key = SPARKS[tile]
    if (key === undefined) return null
    const {color} = CHARTS.flatMap(({series}) => series).find((series) => series.key === key)
    return {color, values: this.#app.store.points[key].slice(-120)}
  }
}

// Inserts a chart into a container, in the order of CHARTS.
function place(node, row) {
  const order = ({dataset}) => CHARTS.findIndex(({key}) => key === dataset.chart)
  row.insertBefore(node, [...row.children].find((each) => order(each) > order(node)) ?? null)
}

// A page with a single chart, which has its own URL.
class OneChart {
  constructor(app, params) {
    const layout = CHARTS.find(({key}) => key === params.get("chart")) ?? CHARTS[0]
    this.chart = pageChart(layout, app.axis, () => app.store.marks)
    this.chart.node.classList.add("tall")
    this.node = element("div", {class: "page"}, this.chart.node)
  }

  close() { this.chart.close() }
  frame() { this.chart.draw() }
}
