// The time axis of a page's charts: a live window that ends now, or a fixed range in the past.
const WINDOWS = [[60, "Live"], [300, "5 min"], [3600, "1 h"], [86_400, "24 h"]]
const YOUNG = 30_000  // minimum duration of a live window in milliseconds
const ASKED_ANEW = 10  // older points of a live window are requested again after this many points

class TimeRange extends TimeAxis {
  #store
  #link
  #older = null  // points that are older than the points in the store
  #asked = 0
  #since = null  // time of the source's oldest data, milliseconds
  window = 300
  range = null  // [begin, end] in milliseconds; null for a live window

  constructor(store, link) {
    super()
    this.#store = store
    this.#link = link
  }

  get live() { return this.range === null }
  get end() { return this.live ? (this.#store.held?.end ?? this.#store.end) : this.range[1] }

  // If the server has started recently, the window begins at the first point.
  get begin() {
    if (!this.live) return this.range[0]
    const begin = this.end - this.window * 1e3
    return Math.max(begin, Math.min(this.#first, this.end - YOUNG))
  }

  // Time of the first known point.
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

  // Return from a fixed range to the live window.
  back() { if (!this.live) go({from: null, to: null, range: this.window === 300 ? null : this.window}) }

  // Request points that the store does not have. For a live window, repeat the request periodically.
  async refresh(anew = false) {
    const {end} = this
    const begin = this.live ? end - this.window * 1e3 : this.range[0]
    const [first] = this.#store.points.time
    if (first !== undefined && begin >= first - 1500) {
      if (this.live) this.#older = null  // may be from an earlier replay position
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
    // If the store has all points, use the store's points: these are smoothed over a chart's window,
    // and the points of a range are not.
    const whole = this.live && this.#since !== null && this.#since >= this.#store.points.time[0] - 1500
    this.#older = {...Object.fromEntries(POINT.map((key, at) => [key, whole ? [] : answer.points[at]])), level: answer.level, gaps: answer.gaps, bands: whole ? {} : answer.bands}
    this.tell()
  }

  // The points to draw, as column → values.
  get points() {
    const points = this.#store.held?.points ?? this.#store.points
    if (this.#older === null) return points
    const last = this.#older.time.at(-1) ?? -Infinity
    if (!this.live) return this.#older
    const from = points.time.findIndex((time) => time > last)
    // Mixing fine and coarse points would draw a jagged line. So only newer points come from the store.
    return Object.fromEntries(POINT.map((key) => [key, [...this.#older[key], ...(from < 0 ? [] : points[key].slice(from))]]))
  }

  get gaps() { return this.#older?.gaps ?? [] }

  get bands() { return this.#older?.bands ?? {} }
}
