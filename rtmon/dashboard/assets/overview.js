// Overview: what needs attention, tiles, all charts.
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
    // Charts with nothing to say stand together below the others, a line each.
    for (const chart of this.#charts) chart.onsilent = (is) => place(chart.node, is ? silent : grid)
    this.node = element("div", {class: "page"}, this.#attention, this.#tiles.node, grid, silent)
  }

  close() { for (const chart of this.#charts) chart.close() }

  frame(frame) {
    this.#drawAttention(frame)
    this.#tiles.draw(frame.tiles)
    for (const chart of this.#charts) chart.draw()
  }

  #drawAttention({attention, time}) {
    const {matters, rules, well_since: since} = attention
    // Its links stay while nothing but the numbers in them changes: one may have the focus.
    const {live} = this.#app.axis
    const told = JSON.stringify([since, rules, known(time), live, matters.map(({whom, ...matter}) => matter)])
    if (told === this.#told) {
      matters.forEach(({whom}, at) => { this.#whom[at].textContent = whom })
      return
    }
    this.#told = told
    this.#whom = matters.map(({whom}) => element("span", {class: "whom"}, whom))
    const title = element("h2", {}, matters.length > 0 ? "Needs attention" : "All well")
    const head = element("header", {}, title)
    if (matters.length > 0) head.append(element("small", {}, `${matters.length} of ${rules} rules`))
    else if (known(since)) head.append(element("small", {}, "since ", moment(since * 1e3), ` · ${rules} rules are judged at every tick`))
    else head.append(element("small", {}, known(time) ? "" : "Waiting for the first numbers …"))
    if (!known(since) && matters.length === 0) title.textContent = "Not judged yet"
    if (!live) head.append(element("small", {}, "This and the tiles show the latest numbers, the charts an earlier range."))
    this.#attention.classList.toggle("well", matters.length === 0 && known(since))
    this.#attention.replaceChildren(head, ...matters.map((matter, at) => this.#matter(matter, this.#whom[at])))
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

// Put a chart into a row, in the order of CHARTS.
function place(node, row) {
  const order = ({dataset}) => CHARTS.findIndex(({key}) => key === dataset.chart)
  row.insertBefore(node, [...row.children].find((each) => order(each) > order(node)) ?? null)
}

// One chart alone, at its own address.
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
