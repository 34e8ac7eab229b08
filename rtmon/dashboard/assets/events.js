// Events: the newest first, searched, with a pause that holds.
class Events {
  #rows

  constructor(app, params) {
    this.#rows = new Rows(COLUMNS.events, {
      heading: "Events",
      link: () => null,
      empty: () => params.get("where") ? "No event matches this query." : "Nothing has happened yet.",
    })
    this.#rows.tools.append(columnChooser(COLUMNS.events, () => this.#rows.pane?.columns ?? []), sizeChooser(params))
    this.node = element("div", {class: "page"}, searchField(params, 'kind:closed code:1006 reason:"*timeout*"'), this.#rows.node)
  }

  close() {}
  frame() {}
  pane(pane) { this.#rows.draw(pane) }
}
