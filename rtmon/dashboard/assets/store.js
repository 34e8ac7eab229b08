// The app's data: the newest update, the chart points of the last minutes, and the charts' marks.
const KEPT = 320  // seconds of chart points to keep; older points are requested by TimeRange
const SERIES = CHARTS.flatMap((chart) => chart.series.map(({key}) => key))
const POINT = ["seq", "time", ...SERIES]  // the columns, in the same order as in rtmon/views/chart_points.py

class Store {
  frame = null
  points = Object.fromEntries(POINT.map((key) => [key, []]))
  marks = []
  held = null  // copy of the points while the viewer has paused the page; else null

  hold(held) { this.held = held ? {end: this.end, points: Object.fromEntries(POINT.map((key) => [key, [...this.points[key]]]))} : null }

  // Add an update; returns false if an earlier update is missing.
  take(frame) {
    const {seq} = this.points
    const [first] = frame.points[0]
    const live = frame.replay === undefined  // in a recording, the viewer can jump to another time
    if (live && !frame.anew && first !== undefined && seq.length > 0 && first > seq.at(-1) + 1) return false
    if (live && frame.anew && this.frame !== null && this.frame.epoch !== "" && frame.epoch !== this.frame.epoch) {
      this.marks.push({time: frame.now * 1e3, kind: "restart", text: "The server was started anew."})
    }
    const onward = (frame.points[1][0] ?? 0) >= (this.points.time.at(-1) ?? 0)
    const restarted = frame.anew && onward && this.frame !== null && frame.epoch !== this.frame.epoch
    this.frame = frame
    const from = frame.anew ? 0 : frame.points[0].findIndex((each) => seq.length === 0 || each > seq.at(-1))
    const keep = frame.anew && !restarted ? 0 : this.points.time.length
    POINT.forEach((key, at) => {
      const values = this.points[key]
      if (keep === 0) values.length = 0
      if (from >= 0) values.push(...frame.points[at].slice(from))
    })
    this.#trim()
    const seen = new Set(this.marks.map(({time, text}) => `${time} ${text}`))
    this.marks.push(...frame.marks.filter(({time, text}) => !seen.has(`${time} ${text}`)))
    this.marks.splice(0, Math.max(0, this.marks.length - 200))
    return true
  }

  #trim() {
    const {time} = this.points
    const begin = (time.at(-1) ?? 0) - KEPT * 1e3
    const first = time.findIndex((each) => each >= begin)
    if (first > 0) for (const key of POINT) this.points[key].splice(0, first)
  }

  // Time of the newest point by the server's clock, in milliseconds.
  get end() { return this.points.time.at(-1) ?? (this.frame?.now ?? Date.now() / 1e3) * 1e3 }

  latest(key) { return this.points[key].at(-1) ?? null }
}
