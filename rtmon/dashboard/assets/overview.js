// Overview: what needs attention, tiles, all charts.
const SPARKS = {open: "open", messages_in: "messages_in", messages_out: "messages_out", bytes_in: "bytes_in", bytes_out: "bytes_out", rtt: "rtt_p95", errors: "errors"}
const SPOKEN = {1: "up", "-1": "down", 0: ""}

class Overview {
  #app
  #attention = element("section", {class: "card attention", "aria-label": "Needs attention"})
  #tiles = element("div", {class: "tiles"})
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
    this.node = element("div", {class: "page"}, this.#attention, this.#tiles, grid, silent)
  }

  close() { for (const chart of this.#charts) chart.close() }

  frame(frame) {
    this.#drawAttention(frame)
    this.#drawTiles(frame)
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

  #drawTiles({tiles}) {
    while (this.#tiles.children.length > tiles.length) this.#tiles.lastChild.remove()
    tiles.forEach((tile, at) => {
      const node = this.#tiles.children[at] ?? this.#tiles.appendChild(this.#tile(tile))
      node.className = `card tile ${tile.alert}`
      node.setAttribute("aria-label", [tile.label, tile.value, tile.unit, tile.reason].filter(Boolean).join(" "))
      const {value, unit, foot, total, spark} = node.parts
      value.textContent = tile.value
      unit.textContent = tile.unit
      total.textContent = tile.total
      foot.className = tile.alert ? "foot reason" : `foot ${tile.mood}`
      const sign = {1: "▲ ", "-1": "▼ ", 0: ""}[tile.sign]
      fill(foot, tile.alert ? tile.reason : element("span", {}, element("span", {"aria-hidden": "true"}, sign), element("span", {class: "spoken"}, SPOKEN[tile.sign]), tile.change || UNKNOWN, tile.sign ? " vs 1 min ago" : ""))
      foot.title = foot.textContent
      const key = SPARKS[tile.key]
      if (key !== undefined) {
        const {color} = CHARTS.flatMap(({series}) => series).find((series) => series.key === key)
        spark.innerHTML = sparkline(this.#app.store.points[key].slice(-120), color, {width: 160, height: 26})
      }
    })
  }

  #tile({key, label}) {
    const parts = {value: element("span", {}), unit: element("small", {}), foot: element("p", {}), total: element("p", {class: "total", "data-total": key}), spark: element("div", {})}
    const node = element("section", {"data-tile": key}, element("h3", {}, label), element("p", {class: "value"}, parts.value, " ", parts.unit), parts.foot, parts.total, parts.spark)
    node.parts = parts
    return node
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
