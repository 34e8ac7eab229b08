// The time that the charts of a picture show: a window that ends with its newest numbers.
const SPAN = 30_000  // milliseconds that it shows at least

class PictureAxis extends TimeAxis {
  #view

  constructor(view) {
    super()
    this.#view = view
  }

  get elapsed() { return this.#view.layout.axis === "seconds" }
  get points() { return (this.#view.held ?? this.#view).columns }

  // Seconds begin at 0.
  get end() {
    const latest = this.points.time.at(-1) ?? 0
    return this.elapsed ? Math.max(latest, SPAN) : latest
  }

  // Young numbers use the whole width.
  get begin() { return Math.max(this.end - this.#view.window * 1e3, Math.min(this.points.time[0] ?? 0, this.end - SPAN)) }
}
