// The time that all charts of the page show: a window that ends now, or a range of the past.
const WINDOWS = [[60, "Live"], [300, "5 min"], [3600, "1 h"], [86_400, "24 h"]]
const YOUNG = 30_000  // milliseconds that a window shows at least
const ASKED_ANEW = 10  // a window's older points are asked for anew each so-many points

class TimeRange extends TimeAxis {
  #store
  #link
  #older = null  // points from before those that the store keeps
  #asked = 0
  #since = null  // when the oldest numbers of the source are of, milliseconds
  window = 300
  range = null  // [begin, end] in milliseconds

  constructor(store, link) {
    super()
    this.#store = store
    this.#link = link
  }

  get live() { return this.range === null }
  get end() { return this.live ? (this.#store.held?.end ?? this.#store.end) : this.range[1] }

  // A young server's numbers use the whole width.
  get begin() {
    if (!this.live) return this.range[0]
    const begin = this.end - this.window * 1e3
    return Math.max(begin, Math.min(this.#first, this.end - YOUNG))
  }

  // Time of the first point there is, as far as it is known.
  get #first() {
    const [first] = this.#store.points.time
    return Math.min(first ?? Infinity, this.#since ?? Infinity)
  }

  follow(window) {
    this.window = window
    this.range = null
    this.#older = null
    this.refresh(true)
    this.tell()
  }

  show(begin, end) {
    this.range = [begin, end]
    this.#older = null
    this.refresh(true)
    this.tell()
  }

  // Go back from a range to the window that moves on.
  back() { if (!this.live) go({from: null, to: null, range: this.window === 300 ? null : this.window}) }

  // Ask for points that the store does not have; as a window moves on, again now and then.
  async refresh(anew = false) {
    const {end} = this
    const begin = this.live ? end - this.window * 1e3 : this.range[0]
    const [first] = this.#store.points.time
    if (first !== undefined && begin >= first - 1500) {
      if (this.live) this.#older = null  // also what is of a moment of a recording that was left
      return
    }
    const rest = this.live ? this.window * 1e3 / 600 * ASKED_ANEW : Infinity
    if (!anew && performance.now() - this.#asked < rest) return
    this.#asked = performance.now()
    const asked = {since: String(begin / 1e3), points: "700"}
    if (!this.live) asked.until = String(end / 1e3)
    const answer = await this.#link.ask("range", asked)
    if (answer.error !== undefined) return
    this.#since = known(answer.since) ? answer.since * 1e3 : null
    // Where the store has all there is, its points are drawn: they look back on a chart's window, those of a range do not.
    const whole = this.live && this.#since !== null && this.#since >= this.#store.points.time[0] - 1500
    this.#older = {...Object.fromEntries(POINT.map((key, at) => [key, whole ? [] : answer.points[at]])), level: answer.level, gaps: answer.gaps, bands: whole ? {} : answer.bands}
    this.tell()
  }

  // The points to draw, column by column.
  get points() {
    const points = this.#store.held?.points ?? this.#store.points
    if (this.#older === null) return points
    const last = this.#older.time.at(-1) ?? -Infinity
    if (!this.live) return this.#older
    const from = points.time.findIndex((time) => time > last)
    // A finer point beside coarser ones would draw a comb: only what is newer is taken from the store.
    return Object.fromEntries(POINT.map((key) => [key, [...this.#older[key], ...(from < 0 ? [] : points[key].slice(from))]]))
  }

  get gaps() { return this.#older?.gaps ?? [] }

  get bands() { return this.#older?.bands ?? {} }
}
