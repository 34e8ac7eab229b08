// The time axis of a picture's charts: a window that ends at the newest point.
const SPAN = 30_000  // minimum duration of the window in milliseconds

class PictureAxis extends TimeAxis {
  #view

  constructor(view) {
    super()
    this.#view = view
  }

  get elapsed() { return this.#view.layout.axis === "seconds" }
  get points() { return (this.#view.held ?? this.#view).columns }

  // End of the axis. An axis in seconds begins at 0 and shows at least SPAN.
  get end() {
    const latest = this.points.time.at(-1) ?? 0
    return this.elapsed ? Math.max(latest, SPAN) : latest
  }

  // Begin of the axis. If there are few points, the window begins at the first point.
  get begin() { return Math.max(this.end - this.#view.window * 1e3, Math.min(this.points.time[0] ?? 0, this.end - SPAN)) }
}
