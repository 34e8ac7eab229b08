// The page of Socket.IO: a table of totals by namespace, event and room.
class SocketIO {
  #rows

  constructor(app, params) {
    this.#rows = new AppTable(COLUMNS.socketio, {heading: "Socket.IO", empty: () => "No Socket.IO server is measured here."})
    this.node = element("div", {class: "page"}, searchField(params, "kind:event errors>0"), this.#rows.node)
  }

  close() {}
  frame() {}
  pane(pane) { this.#rows.draw(pane) }
}
