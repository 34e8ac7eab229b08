// A chart over time as SVG: its colours come from style sheets, so a change of theme reaches it.
const LEFT = 46, RIGHT = 14, TOP = 6, BOTTOM = 20
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600]
const SPAN = 30  // seconds that a chart shows at least
const LETTER = 6.4  // pixels of a letter's width on an axis
const LONGEST = 100_000  // from here on a number is wider than the margin, unless it has a prefix

class Chart {
  #layout
  #axis
  #box
  #values
  #time
  #drawn = null
  #pointer = null

  constructor(layout, axis) {
    this.#layout = layout
    this.#axis = axis
    this.#time = element("time", {})
    this.#values = layout.series.map(() => element("b", {}))
    const legend = layout.series.map((series, at) => {
      const line = element("span", {class: "line"})
      line.innerHTML = `<svg width="16" height="8" aria-hidden="true"><path d="M0 4H16" stroke="${series.color}" stroke-width="2.4" stroke-dasharray="${series.dash}"/></svg>`
      return element("span", {}, line, layout.series.length > 1 ? series.label : "", this.#values[at])
    })
    const title = element("h2", {}, layout.title)
    if (layout.unit) title.append(" ", element("small", {}, layout.unit))
    this.#box = element("div", {class: "plot", role: "img"})
    this.node = element("section", {class: "chart", "data-chart": layout.key}, element("header", {}, title, element("div", {class: "legend"}, this.#time, ...legend)), this.#box)
    this.#box.onpointermove = ({offsetX}) => { this.#pointer = offsetX; this.#redraw() }
    this.#box.onpointerleave = () => { this.#pointer = null; this.#redraw() }
  }

  draw(columns, window) {
    this.#drawn = [columns, window]
    this.#redraw()
  }

  #redraw() {
    if (this.#drawn === null || this.#box.clientWidth === 0) return
    const [columns, window] = this.#drawn
    const width = this.#box.clientWidth, height = this.#box.clientHeight
    const unit = this.#axis === "clock" ? 1000 : 1
    const {time} = columns
    const latest = time.at(-1) ?? 0
    // Young numbers use the whole width; seconds begin at 0.
    const end = this.#axis === "clock" ? latest : Math.max(latest, SPAN)
    const begin = Math.max(end - window * unit, Math.min(time[0] ?? 0, end - SPAN * unit))
    const lines = this.#layout.series.map(({key}) => columns[key] ?? [])
    const first = Math.max(0, time.findIndex((each) => each >= begin))
    const known = lines.flatMap((values) => values.slice(first)).filter((value) => value !== null)
    const ticks = this.#ticks(Math.max(0, ...known), height)
    const x = (at) => LEFT + (at - begin) / (end - begin || 1) * (width - LEFT - RIGHT)
    const y = (value) => height - BOTTOM - value / ticks.at(-1) * (height - TOP - BOTTOM)
    const parts = ticks.map((tick) => `<path class="grid" d="M${LEFT} ${y(tick).toFixed(1)}H${width - RIGHT}"/><text x="${LEFT - 6}" y="${(y(tick) + 4).toFixed(1)}" text-anchor="end">${this.#tickText(tick, ticks.at(-1))}</text>`)
    const moments = this.#moments(begin, end, unit, width).filter(([at, text]) => x(at) + text.length * LETTER / 2 <= width)
    parts.push(...moments.map(([at, text]) => `<text x="${x(at).toFixed(1)}" y="${height - 4}" text-anchor="middle">${text}</text>`))
    // The first lies on top.
    for (const at of [...lines.keys()].reverse()) parts.push(...this.#line(lines[at], at, {time, first, x, y}))
    const at = this.#pointer === null ? time.length - 1 : this.#nearest(time, first, x)
    if (this.#pointer !== null && time.length > 0) parts.push(`<path class="pointer" d="M${x(time[at]).toFixed(1)} ${TOP}V${height - BOTTOM}"/>`)
    if (known.length === 0) parts.push(`<text x="${width / 2}" y="${height / 2}" text-anchor="middle">no numbers yet</text>`)
    this.#box.innerHTML = `<svg width="${width}" height="${height}" aria-hidden="true">${parts.join("")}</svg>`
    this.#time.textContent = this.#pointer === null || time.length === 0 ? "" : timeText(this.#axis, time[at])
    lines.forEach((values, index) => { this.#values[index].textContent = shortText(this.#layout, values[at]) })
    const told = this.#layout.series.map(({label}, index) => `${label} ${valueText(this.#layout, lines[index].at(-1))}`)
    this.#box.setAttribute("aria-label", `${this.#layout.title}, as a chart over time. Latest: ${told.join(", ")}.`)
  }

  // A line with a gap where nothing is known, and the ground below it.
  #line(values, place, {time, first, x, y}) {
    const {color, width, dash} = this.#layout.series[place]
    const {form} = this.#layout
    let line = "", ground = "", run = null
    const finish = (at) => { if (run !== null && form === "area") ground += `${run}L${x(time[at]).toFixed(1)} ${y(0)}Z` }
    for (let at = first; at < time.length; at += 1) {
      const value = values[at]
      if (value === null || value === undefined) { finish(at - 1); run = null; continue }
      const across = x(time[at]).toFixed(1), down = y(Math.max(0, value)).toFixed(1)
      if (run === null) {
        line += `M${across} ${down}`
        run = `M${across} ${y(0)}L${across} ${down}`
      } else {
        // A step tells what happened in the time before its point.
        const step = form === "step" ? `V${down}H${across}` : `L${across} ${down}`
        line += step
        run += step
      }
    }
    finish(time.length - 1)
    return [
      ground && `<path d="${ground}" fill="${color}" fill-opacity="0.16"/>`,
      `<path d="${line}" fill="none" stroke="${color}" stroke-width="${width}" stroke-dasharray="${dash}" stroke-linejoin="round" stroke-linecap="round"/>`,
    ]
  }

  #nearest(time, first, x) {
    let best = first
    for (let at = first; at < time.length; at += 1) {
      if (Math.abs(x(time[at]) - this.#pointer) < Math.abs(x(time[best]) - this.#pointer)) best = at
    }
    return best
  }

  // Round numbers from 0 up: steps of 1, 2 or 5 times a power of ten.
  #ticks(most, height) {
    const top = most < 1e-9 ? 1 : most
    const rough = top / (height > 130 ? 4 : 2)
    const power = 10 ** Math.floor(Math.log10(rough))
    let step = [1, 2, 5, 10].find((each) => each * power >= rough * (1 - 1e-9)) * power
    if (this.#layout.whole) step = Math.max(1, step)
    return Array.from({length: Math.ceil(top / step - 1e-9) + 1}, (_, at) => at * step)
  }

  #tickText(tick, top) {
    const [size, prefix] = this.#layout.prefixed || top >= LONGEST ? scaled(tick) : [tick, ""]
    return `${number(size)}${prefix}`
  }

  #moments(begin, end, unit, width) {
    const room = Math.max(1, Math.floor((width - LEFT - RIGHT) / 84))
    const span = (end - begin) / unit
    const step = (STEPS.find((each) => span / each <= room) ?? 7200) * unit
    const found = []
    for (let at = Math.ceil(begin / step) * step; at <= end; at += step) found.push([at, timeText(this.#axis, at, step / unit)])
    return found
  }
}
