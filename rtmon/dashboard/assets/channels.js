// Channels and rooms of a hub.
class Channels {
  #rows

  constructor(app, params) {
    this.#rows = new Rows(COLUMNS.channels, {
      heading: "Channels and rooms",
      empty: () => params.get("where") ? "No channel matches this query." : "No channel, no room: a hub has them.",
    })
    this.#rows.tools.append(columnChooser(COLUMNS.channels, () => this.#rows.pane?.columns ?? []), sizeChooser(params))
    this.node = element("div", {class: "page"}, searchField(params, "room: subscribers>10 dropped>0"), this.#rows.node)
  }

  close() {}
  frame() {}
  pane(pane) { this.#rows.draw(pane) }
}
