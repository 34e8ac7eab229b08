// The element that stands in a cell's output. It draws a view for as long as it is on a page.
class RtmonView extends HTMLElement {
  #view = null
  #bar
  #tiles = new Tiles()
  #tabs = []
  #charts = []
  #more = []
  #panes = {}
  #controls = null
  #note
  #body
  #theme

  connectedCallback() {
    if (this.#view === null) this.#build()
    this.#view.add(this)
    this.#theme = followTheme(this)
    this.showTab()
  }

  disconnectedCallback() {
    this.#view.remove(this)
    this.#theme.disconnect()
  }

  #build() {
    const view = this.#view = View.of(this.dataset)
    const {heading, charts, more, controls, tables, windows, csv} = view.layout
    this.#bar = new Model(
      {freshness: {}, source: "", paused: view.held !== null, window: view.window, windows, csv, themed: false, pausable: charts.length > 0},
      () => view.say({do: "csv", key: "", query: {}}),
    )
    const [bar, inBar] = part("bar.css", "notebook")
    bar.part = "bar"
    drawBar({model: this.#bar, el: inBar})
    this.#bar.on("window", () => view.choose(this.#bar.window))
    this.#bar.on("paused", () => view.hold(this.#bar.paused))
    this.#note = element("p", {class: "note"})
    const axis = new PictureAxis(view)
    this.#charts = charts.map((chart) => new Chart(chart, axis))
    this.#more = more.map((chart) => new Chart(chart, axis))
    this.#panes.charts = element("div", {class: "grid"}, ...this.#charts.map(({node}) => node))
    if (more.length > 0) this.#panes.more = element("div", {class: "grid"}, ...this.#more.map(({node}) => node))
    for (const table of tables) this.#panes[table.key] = this.#table(table)
    const labels = {charts: "Charts", more: "More charts", ...Object.fromEntries(tables.map(({key, heading}) => [key, heading]))}
    this.#tabs = Object.keys(this.#panes).map((key) => {
      const tab = element("button", {type: "button", role: "tab", "data-tab": key}, labels[key])
      tab.onclick = () => view.open(key, this.#panes[key].query?.() ?? null)
      return tab
    })
    const tabs = element("div", {class: "tabs", role: "tablist", "aria-label": "What is shown"}, ...this.#tabs)
    this.#body = element("div", {class: "body"})
    for (const [key, pane] of Object.entries(this.#panes)) {
      if (this.#tabs.length > 1) pane.setAttribute("role", "tabpanel")
      pane.setAttribute("aria-label", labels[key])
      this.#body.append(pane)
    }
    if (controls.length > 0) this.#controls = new Controls(controls, (name, value) => view.act(name, value))
    const inside = element("div", {class: "view", role: "group", "aria-label": heading}, bar)
    if (view.frame.tiles.length > 0) inside.append(this.#tiles.node)
    if (this.#controls !== null) inside.append(this.#controls.node)
    inside.append(this.#note)
    if (this.#tabs.length > 1) inside.append(tabs)
    inside.append(this.#body)
    this.attachShadow({mode: "open"}).append(element("style", {}, SHEETS["view.css"]), inside)
  }

  #table({key, heading, columns, states, page_size, query}) {
    const view = this.#view
    if (columns.length === 0) {
      const [pane, inside] = part("closes.css")
      pane.show = (html) => { inside.innerHTML = html }
      pane.query = () => ({})
      return pane
    }
    const [pane, inside] = part("table.css", "bounded")
    const empty = {rows: [], total: 0, offset: 0, note: "", empty: "Waiting for the first numbers …"}
    const model = new Model(
      {heading, columns, states, paged: page_size > 0, page_size, query, page: empty},
      () => view.say({do: "csv", key, query: model.query}),
    )
    drawTable({model, el: inside})
    model.on("query", () => view.open(key, model.query))
    pane.show = (page) => { model.page = page }
    pane.query = () => model.query
    pane.file = (file) => model.tell("msg:custom", file)
    return pane
  }

  showTab() {
    const {tab} = this.#view
    for (const [key, pane] of Object.entries(this.#panes)) pane.hidden = key !== tab
    for (const each of this.#tabs) each.setAttribute("aria-selected", String(each.dataset.tab === tab))
    this.draw()
  }

  showTable({key, page}) { if (this.#view.held === null) this.#panes[key].show(page) }

  showFile(file) { (this.#panes[file.key]?.file ?? ((each) => this.#bar.tell("msg:custom", each)))(file) }

  draw() {
    const view = this.#view
    const {frame} = view.held ?? view
    const {freshness} = view
    this.#bar.freshness = view.held === null || freshness.stale ? freshness : {
      kind: "paused", pill: "Paused", banner: `Paused: this is how it was at ${momentText(frame.time)}. Nothing is lost; resume to catch up.`,
    }
    if (this.#bar.source !== frame.source) this.#bar.source = frame.source
    this.#tiles.draw(frame.tiles)
    this.#note.textContent = frame.note
    this.shadowRoot.querySelector(".view").classList.toggle("stale", Boolean(freshness.stale))
    for (const each of this.#tabs) each.hidden = frame.hidden.includes(each.dataset.tab)
    this.#controls?.draw(frame, !freshness.stale)
    for (const chart of {charts: this.#charts, more: this.#more}[this.#view.tab] ?? []) chart.draw()
  }
}

// Each release has a name of its own: a page keeps the first definition of a name.
function define(name) {
  if (customElements.get(name) === undefined) customElements.define(name, class extends RtmonView {})
}
