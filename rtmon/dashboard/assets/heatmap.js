// Latency heatmaps. A column of the image is one or more ticks, a row is a range of latencies, and
// the opacity shows the number of measurements.
const HEATS = [["rtt", "Round-trip time"], ["handler", "Handler time"], ["fanout", "Delivery time"]]
const COLUMNS_MOST = 150  // maximum number of columns of a heatmap
const ROWS_LEAST = 12  // minimum number of rows: with fewer, noise would look significant
const FAINTEST = 0.28  // opacity of a cell with one measurement

// The data of all heatmaps on a page.
class Distributions {
  #app
  #last = null  // number of the newest tick in a column; null before the first answer
  #shown = ""
  #asking = false
  columns = []
  step = 1  // number of ticks per column
  period = 1000  // duration of a column in milliseconds

  constructor(app) { this.#app = app }

  // True once the data of the shown time range has arrived.
  get known() { return this.#last !== null }

  // Add the data of new ticks. Request missing ticks, or all data if the time range has changed.
  take(heat) {
    const {axis, store, link} = this.#app
    if (store.frame === null || !link.alive) return  // saved notebook rows arrive before the connection
    const shown = JSON.stringify([axis.live ? axis.window : axis.range, store.frame.epoch, store.frame.replay?.turn])
    const older = heat.seq.length > 0 && this.#last !== null && heat.seq.at(-1) < this.#last
    if (shown !== this.#shown || older || !this.known) {
      this.#shown = shown
      this.#anew()
    } else if (heat.seq.length > 0 && axis.live) {
      if (heat.seq[0] > this.#last + 1) this.#ask({heat: String(this.#last), step: String(this.step)})
      else this.#merge(heat)
    }
  }

  #anew() {
    const {axis, store: {points: {time, seq}}} = this.#app
    const tick = seq.length > 1 ? (time.at(-1) - time[0]) / (seq.at(-1) - seq[0]) : 1000
    const begin = axis.live ? axis.end - axis.window * 1e3 : axis.begin
    this.step = Math.max(1, Math.ceil((axis.end - begin) / tick / COLUMNS_MOST - 0.1))  // 0.1: ticks are slightly late
    this.period = tick * this.step
    this.columns = []
    this.#last = null
    const asked = {heat: "0", step: String(this.step), since: String(Math.max(0, Math.floor(begin / 1e3)))}
    if (!axis.live) asked.until = String(Math.ceil(axis.end / 1e3))
    this.#ask(asked)
  }

  async #ask(asked) {
    if (this.#asking) return
    this.#asking = true
    const shown = this.#shown
    const timer = setTimeout(() => { this.#asking = false }, 5000)  // the connection was lost, so no answer will come
    const {heat} = await this.#app.link.ask("latency", asked)
    clearTimeout(timer)
    this.#asking = false
    if (shown === this.#shown && heat !== undefined) this.#merge(heat)
  }

  #merge(heat) {
    heat.seq.forEach((seq, at) => {
      if (this.#last !== null && seq <= this.#last) return
      const number = Math.floor((seq - 1) / this.step)
      let column = this.columns.at(-1)
      if (column?.number !== number) this.columns.push(column = {number})
      column.time = heat.time[at]
      for (const [key] of HEATS) column[key] = added(column[key], heat[key][at])
      this.#last = seq
    })
    this.#last ??= 0
    this.columns.splice(0, Math.max(0, this.columns.length - 2 * COLUMNS_MOST))
  }
}

// Adds a tick's counts to a map of row → count. The tick's counts are a list: row, count, row, count …
function added(counts, pairs) {
  if (pairs === null) return counts ?? null
  const sum = counts ?? new Map()
  for (let at = 0; at < pairs.length; at += 2) sum.set(pairs[at], (sum.get(pairs[at]) ?? 0) + pairs[at + 1])
  return sum
}

class Heatmap {
  #key
  #title
  #axis
  #data
  #canvas = element("canvas", {"aria-hidden": "true"})
  #labels = element("div", {})
  #plot
  #told = element("small", {class: "told", "aria-atomic": "true"})
  #quiet = element("p", {class: "quiet"})
  #shape = ""
  #newest = null  // number of the last drawn column
  #row = null  // row under the mouse pointer
  #leave

  constructor([key, title], axis, data) {
    this.#key = key
    this.#title = title
    this.#axis = axis
    this.#data = data
    this.#plot = element("div", {class: "plot heat", role: "img", tabindex: "0"}, this.#canvas, this.#labels)
    this.node = element("section", {class: "card chart", "data-heat": key}, element("header", {}, element("h2", {}, title, " ", element("small", {}, "distribution")), this.#told), this.#plot, this.#quiet)
    this.#plot.addEventListener("pointermove", (event) => this.#move(event))
    this.#plot.addEventListener("pointerleave", () => { this.#row = null; axis.point(null) })
    this.#plot.addEventListener("keydown", (event) => this.#walk(event))
    this.#plot.addEventListener("blur", () => { this.#told.removeAttribute("aria-live"); this.#row = null; axis.point(null) })
    this.#leave = axis.onchange(() => this.draw())
    this.resized = new ResizeObserver(() => this.draw())
    this.resized.observe(this.#plot)
  }

  close() {
    this.#leave()
    this.resized.disconnect()
  }

  draw() {
    const {begin, end} = this.#axis
    const columns = this.#data.columns.filter(({time}) => time > begin - this.#data.period && time <= end + 500)
    const sum = new Map()
    let most = 1
    for (const column of columns) {
      for (const [row, count] of column[this.#key] ?? []) {
        sum.set(row, (sum.get(row) ?? 0) + count)
        most = Math.max(most, count)
      }
    }
    const measured = columns.some((column) => column[this.#key] !== null)
    this.node.classList.toggle("silent", sum.size === 0)
    this.#quiet.textContent = !this.#data.known ? "not known yet" : measured ? "nothing in this time" : (columns.length > 0 ? "not measured in this time" : "no distributions are kept of this time")
    if (sum.size === 0) { this.#told.textContent = ""; this.#shape = ""; return }
    this.#paint(columns, sum, 2 ** Math.ceil(Math.log2(most)))
    this.#tell(columns, sum)
    this.#label(begin, end)
  }

  // Returns the first row and the end of the rows to draw: all rows with data, and a margin.
  #bounds(sum) {
    const rows = [...sum.keys()]
    let low = Math.max(0, Math.min(...rows) - 1), high = Math.min(HEAT_BOUNDS.length - 1, Math.max(...rows) + 2)
    while (high - low < ROWS_LEAST) { low = Math.max(0, low - 1); high = Math.min(HEAT_BOUNDS.length - 1, high + 1) }
    return [low, high]
  }

  // Shift the image to the left and draw the new columns. If the scale has changed, redraw everything.
  #paint(columns, sum, most) {
    const {begin, end} = this.#axis
    const {period} = this.#data
    const [low, high] = this.#bounds(sum)
    const width = Math.max(1, Math.round((end - begin) / period))
    const last = columns.at(-1)
    const place = width - 1 - Math.max(0, Math.round((end - last.time) / period))
    const color = getComputedStyle(this.#plot).getPropertyValue("--rt-accent")
    const shape = [width, low, high, most, place, color, this.#data.step, columns[0].number > this.#newest].join(" ")
    const moved = last.number - this.#newest
    const context = this.#canvas.getContext("2d")
    let fresh = columns
    if (shape === this.#shape && moved >= 0 && moved < width) {
      fresh = columns.filter(({number}) => number >= this.#newest)
      if (moved > 0) {
        context.globalCompositeOperation = "copy"
        context.globalAlpha = 1
        context.drawImage(this.#canvas, -moved, 0)
        context.globalCompositeOperation = "source-over"
      }
    } else {
      this.#canvas.width = width
      this.#canvas.height = high - low
    }
    context.fillStyle = color
    for (const column of fresh) {
      const x = place - (last.number - column.number)
      context.clearRect(x, 0, 1, high - low)
      for (const [row, count] of column[this.#key] ?? []) {
        context.globalAlpha = FAINTEST + (1 - FAINTEST) * Math.log(count) / Math.log(Math.max(2, most))
        context.fillRect(x, high - 1 - row, 1, 1)
      }
    }
    this.#shape = shape
    this.#newest = last.number
    this.low = low
    this.high = high
  }

  // Show the count under the mouse pointer, or else a summary of the heatmap.
  #tell(columns, sum) {
    const all = [...sum.values()].reduce((total, count) => total + count, 0)
    const often = [...sum].reduce((best, each) => each[1] > best[1] ? each : best)[0]
    const slowest = Math.max(...sum.keys())
    const whole = `${number(all)} times · most often ${this.#between(often)} · slowest ${this.#between(slowest)}`
    this.#plot.setAttribute("aria-label", `${this.#title}, as a heatmap over time. ${whole}.`)
    const {pointer} = this.#axis
    this.#told.title = whole
    if (pointer === null) { write(this.#told, whole); return }
    const column = columns[nearest(columns.map(({time}) => time), pointer)]
    const counts = column[this.#key] ?? new Map()
    const total = [...counts.values()].reduce((before, count) => before + count, 0)
    const row = this.#row ?? (counts.size > 0 ? Math.max(...counts.keys()) : null)
    write(this.#told, row === null ? `${clockText(column.time)} · nothing` : `${clockText(column.time)} · ${this.#between(row)} · ${number(counts.get(row) ?? 0)} of ${number(total)}`)
  }

  #between(row) {
    const [from, until] = [HEAT_BOUNDS[row], HEAT_BOUNDS[row + 1]]
    const [factor, unit] = until < 1e-3 ? [1e6, "µs"] : until < 1 ? [1e3, "ms"] : [1, "s"]
    const text = (value) => Number((value * factor).toPrecision(3)).toLocaleString("en")
    return row === 0 ? `under ${text(until)} ${unit}` : `${text(from)}–${text(until)} ${unit}`
  }

  // Draw the axis labels, and the crosshair at the mouse pointer.
  #label(begin, end) {
    const width = this.#plot.clientWidth, height = this.#plot.clientHeight
    if (width === 0) return
    const x = (time) => LEFT + (time - begin) / (end - begin || 1) * (width - LEFT - RIGHT)
    const y = (row) => height - BOTTOM - (row - this.low) / (this.high - this.low) * (height - TOP - BOTTOM)
    const parts = []
    let above = Infinity
    for (let decade = 1e-5; decade < 200; decade *= 10) {
      for (const value of [decade, 2 * decade, 5 * decade]) {
        const row = HEAT_BOUNDS.findLastIndex((bound) => bound <= value * 1.0001)
        if (row < this.low || row >= this.high) continue
        const at = y(row + (value - HEAT_BOUNDS[row]) / (HEAT_BOUNDS[row + 1] - HEAT_BOUNDS[row]))
        if (above - at < 22) continue
        above = at
        const text = value < 0.9e-3 ? `${Math.round(value * 1e6)} µs` : value < 0.9 ? `${Math.round(value * 1e3)} ms` : `${Math.round(value)} s`
        parts.push(`<path class="grid" d="M${LEFT} ${at.toFixed(1)}H${width - RIGHT}"/><text x="${LEFT - 6}" y="${(at + 4).toFixed(1)}" text-anchor="end">${text}</text>`)
      }
    }
    parts.push(moments(this.#axis, width, height, x))
    const {pointer} = this.#axis
    if (pointer !== null) {
      parts.push(`<path class="pointer" d="M${x(pointer).toFixed(1)} ${TOP}V${height - BOTTOM}"/>`)
      if (this.#row !== null) parts.push(`<path class="pointer" d="M${LEFT} ${y(this.#row + 0.5).toFixed(1)}H${width - RIGHT}"/>`)
    }
    this.#labels.innerHTML = `<svg width="${width}" height="${height}" aria-hidden="true">${parts.join("")}</svg>`
  }

  #move({offsetX, offsetY, target}) {
    if (target !== this.#plot && target !== this.#canvas && !this.#plot.contains(target)) return
    const {begin, end} = this.#axis
    const box = this.#plot.getBoundingClientRect()
    const across = Math.min(Math.max(target === this.#canvas ? offsetX + LEFT : offsetX, LEFT), box.width - RIGHT)
    const down = target === this.#canvas ? offsetY : offsetY - TOP
    const share = 1 - down / (box.height - TOP - BOTTOM)
    this.#row = Math.min(this.high - 1, Math.max(this.low, this.low + Math.floor(share * (this.high - this.low))))
    this.#axis.point(begin + (across - LEFT) / (box.width - LEFT - RIGHT) * (end - begin))
  }

  // Arrow keys move the crosshair.
  #walk(event) {
    const across = {ArrowLeft: -1, ArrowRight: 1}[event.key] ?? 0, up = {ArrowUp: 1, ArrowDown: -1}[event.key] ?? 0
    if (across === 0 && up === 0) return
    event.preventDefault()
    const {begin, end, pointer} = this.#axis
    this.#told.setAttribute("aria-live", "polite")
    if (up !== 0) this.#row = Math.min(this.high - 1, Math.max(this.low, (this.#row ?? this.low) + up))
    this.#axis.point(Math.min(end, Math.max(begin, (pointer ?? end) + across * this.#data.period)))
  }
}
