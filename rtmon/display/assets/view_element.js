// The custom element in a cell's output. It draws a PictureView while it is on a page.
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
    const view = this.#view = PictureView.of(this.dataset)
    const {heading, charts, more, controls, tables} = view.layout
    this.#bar = new PictureHeader(view.layout, {
      choose: (seconds) => view.choose(seconds),
      hold: () => view.hold(view.held === null),
      save: () => view.say({do: "csv", key: "", query: {}}),
    })
    this.#note = element("p", {class: "note"})
    const axis = new PictureAxis(view)
    this.#charts = charts.map((chart) => new Chart(chart, axis))
    this.#more = more.map((chart) => new Chart(chart, axis))
    const grid = (drawn) => ({node: element("div", {class: "grid"}, ...drawn.map(({node}) => node)), query: null})
    this.#panes.charts = grid(this.#charts)
    if (more.length > 0) this.#panes.more = grid(this.#more)
    for (const table of tables) this.#panes[table.key] = this.#table(table)
    const labels = {charts: "Charts", more: "More charts", ...Object.fromEntries(tables.map(({key, heading}) => [key, heading]))}
    this.#tabs = Object.keys(this.#panes).map((key) => {
      const tab = element("button", {type: "button", role: "tab", "data-tab": key}, labels[key])
      tab.onclick = () => view.open(key, this.#panes[key].query)
      return tab
    })
    const tabs = element("div", {class: "tabs", role: "tablist", "aria-label": "What is shown"}, ...this.#tabs)
    this.#body = element("div", {class: "body"})
    for (const [key, {node}] of Object.entries(this.#panes)) {
      if (this.#tabs.length > 1) node.setAttribute("role", "tabpanel")
      node.setAttribute("aria-label", labels[key])
      this.#body.append(node)
    }
    if (controls.length > 0) this.#controls = new Controls(controls, (name, value) => view.act(name, value))
    const inside = element("div", {class: "view", role: "group", "aria-label": heading}, this.#bar.node)
    if (view.frame.tiles.length > 0) inside.append(this.#tiles.node)
    if (this.#controls !== null) inside.append(this.#controls.node)
    inside.append(this.#note)
    if (this.#tabs.length > 1) inside.append(tabs)
    inside.append(this.#body)
    this.attachShadow({mode: "open"}).append(element("style", {}, STYLE), inside)
  }

  // Returns the content of a tab that is requested from the kernel: a table or HTML.
  #table(layout) {
    const view = this.#view
    const {key, columns} = layout
    if (columns.length === 0) {
      const node = element("section", {class: "closes"})
      return {node, query: {}, show: (html) => { node.innerHTML = html }}
    }
    return new PictureTable(layout, {
      ask: () => view.open(key, this.#panes[key].query),
      save: () => view.say({do: "csv", key, query: this.#panes[key].query}),
    })
  }

  showTab() {
    const {tab} = this.#view
    for (const [key, pane] of Object.entries(this.#panes)) pane.node.hidden = key !== tab
    for (const each of this.#tabs) each.setAttribute("aria-selected", String(each.dataset.tab === tab))
    this.draw()
  }

  showTable({key, page}) { if (this.#view.held === null) this.#panes[key].show(page) }

  draw() {
    const view = this.#view
    const {frame} = view.held ?? view
    const {window, held} = view
    const freshness = held !== null && !view.freshness.stale ? paused(frame.time * 1e3) : view.freshness
    this.#bar.draw({freshness, source: frame.source, time: frame.time * 1e3, window, held: held !== null})
    this.#tiles.draw(frame.tiles)
    this.#note.textContent = frame.note
    this.shadowRoot.querySelector(".view").classList.toggle("stale", Boolean(freshness.stale))
    for (const each of this.#tabs) each.hidden = frame.hidden.includes(each.dataset.tab)
    this.#controls?.draw(frame, !freshness.stale)
    for (const chart of {charts: this.#charts, more: this.#more}[this.#view.tab] ?? []) chart.draw()
  }
}
