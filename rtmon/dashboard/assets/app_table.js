// A table on a dashboard page. The URL contains its sort order and offset. Its rows can be downloaded.
class AppTable extends Table {
  #savers = savers("Save all rows", (format) => saveRows(this.pane, format))

  constructor(columns, options) {
    super(columns, {
      ask: go,
      address: addressOf,
      count: ({tick, total}) => tick.seq > 0 && known(total) ? number(total) : "",
      ...options,
    })
    this.#savers.hidden = true
    this.head.append(this.#savers)
  }

  draw(pane) {
    super.draw(pane)
    this.#savers.hidden = this.pane === undefined || this.pane.total === 0
  }
}
