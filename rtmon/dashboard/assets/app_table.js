// A table of the app: its order and its place stand in the address, and its rows can be saved.
class AppTable extends Table {
  constructor(columns, options) {
    super(columns, {
      ask: go,
      address: addressOf,
      count: ({tick, total}) => tick.seq > 0 && known(total) ? number(total) : "",
      ...options,
    })
    this.head.append(savers("Save all rows", (format) => saveRows(this.pane, format)))
  }
}
