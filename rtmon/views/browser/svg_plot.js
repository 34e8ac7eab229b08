// Draws the points of a chart as SVG. Grid and texts get their colours from style sheets, so that
// they follow a change of the theme.
const LEFT = 48, RIGHT = 12, TOP = 8, BOTTOM = 20, APART = 14
const FAR = 10  // two series whose usual highest values differ by this factor get separate scales
const TALL = 100  // minimum height of a plot with two scales, pixels
const BURST = 6  // values above this multiple of the usual highest value are cut off and labelled

// Return the points within the time range of an axis, for the given series.
function pointsIn({begin, end, points, bands, gaps}, series) {
  const first = Math.max(0, points.time.findIndex((each) => each >= begin))
  let last = points.time.length
  while (last > 0 && points.time[last - 1] > end) last -= 1
  const time = points.time.slice(first, last)
  return {
    time,
    lines: series.map(({key}) => points[key].slice(first, last)),
    spread: series.map(({key}) => bands[key]?.map((values) => values.slice(first, last)) ?? [[], []]),
    broken: breaks(time, points.seq?.slice(first, last) ?? [], gaps),
  }
}

// Return the indexes of points that are not connected with the point before them, because the
// server was restarted in between, or there is a gap without data.
function breaks(time, seq, gaps) {
  const middles = gaps.map(([from, until]) => (from + until) / 2)
  return new Set(time.map((_, at) => at).filter((at) => seq[at] < seq[at - 1] || middles.some((middle) => time[at - 1] < middle && middle < time[at])))
}

class Plot {
  #layout
  #axis
  #points
  #width
  #height
  #x

  // points: the result of pointsIn().
  constructor(layout, axis, points, {width, height}) {
    this.#layout = layout
    this.#axis = axis
    this.#points = points
    this.#width = width
    this.#height = height
    const {begin, end} = axis
    this.#x = (time) => LEFT + (time - begin) / (end - begin || 1) * (width - LEFT - RIGHT)
  }

  // Return the SVG of the plot. at: index of the point under the pointer, or null. range: [start,
  // end] of the time range that the viewer is selecting, or null. marks: events to mark. note: text
  // that is shown if no value is known.
  svg({at = null, range = null, marks = [], note = ""}) {
    const {time, lines} = this.#points
    const x = this.#x, width = this.#width, height = this.#height, bottom = height - BOTTOM
    const lanes = this.#lanes()
    const each = (bottom - TOP - APART * (lanes.length - 1)) / lanes.length
    const parts = [
      ...this.#axis.gaps.map((gap) => this.#gap(gap)),
      ...lanes.map((lane, index) => this.#lane(lane, TOP + index * (each + APART), each)),
      moments(this.#axis, width, height, x),
      ...marks.map((mark) => this.#mark(mark)),
    ]
    if (at !== null && time.length > 0) parts.push(`<path class="pointer" d="M${x(time[at]).toFixed(1)} ${TOP}V${bottom}"/>`)
    if (range !== null) {
      const [from, until] = range.map(x).sort((a, b) => a - b)
      parts.push(`<rect class="range" x="${from.toFixed(1)}" y="${TOP}" width="${(until - from).toFixed(1)}" height="${bottom - TOP}"/>`)
    }
    if (!lines.some((values) => values.some(known))) parts.push(`<text x="${width / 2}" y="${height / 2}" text-anchor="middle">${note}</text>`)
    return `<svg width="${width}" height="${height}" aria-hidden="true">${parts.join("")}</svg>`
  }

  #gap([from, until, reason]) {
    const {begin, end} = this.#axis
    if (until <= begin || from >= end) return ""
    const left = this.#x(Math.max(from, begin)), right = this.#x(Math.min(until, end))
    return `<rect class="gap" x="${left.toFixed(1)}" y="${TOP}" width="${Math.max(1, right - left).toFixed(1)}" height="${this.#height - TOP - BOTTOM}"><title>${escaped(reason)}</title></rect>`
  }

  #mark({time, kind, text}) {
    const {begin, end} = this.#axis
    if (time < begin || time > end) return ""
    const across = this.#x(time).toFixed(1)
    return `<g class="mark ${/^(error|rejected|restart)$/.test(kind) ? "bad" : ""}" data-time="${time}"><path d="M${across} ${TOP}V${this.#height - BOTTOM}"/><circle cx="${across}" cy="${TOP}" r="3"/><title>${escaped(`${clockText(time)} ${kind} ${text}`)}</title></g>`
  }

  // Group the series by scale: lists of indexes of series, from top to bottom. Two series whose
  // values differ much get one scale each, the series with greater values on top. In a chart of
  // many series, those without positive values are omitted, as in the legend.
  #lanes() {
    const {lines} = this.#points
    const all = lines.map((_, index) => index).filter((index) => lines.length <= NAMED || lines[index].some((value) => value > 0))
    if (lines.length !== 2 || this.#layout.unit === "ms" || this.#height < TALL) return [all]
    const highs = lines.map((values) => usual(values))
    const [low, high] = [...highs].sort((a, b) => a - b)
    if (low <= 0 || high < FAR * low) return [all]
    return all.sort((a, b) => highs[b] - highs[a]).map((index) => [index])
  }

  #lane(lane, top, height) {
    const {time, lines, spread} = this.#points
    const bottom = top + height, right = this.#width - RIGHT
    const tops = lane.map((index) => lines[index].map((value, place) => Math.max(value ?? 0, spread[index][1][place] ?? 0)))
    const most = Math.max(0, ...tops.flat()), high = usual(tops.flat())
    const cut = high > 0 && most > BURST * high
    const ticks = ticksOf(cut ? 2 * high : most, height, this.#layout.whole)
    const y = (value) => bottom - Math.min(1, Math.max(0, value) / ticks.at(-1)) * height
    const parts = ticks.map((tick) => `<path class="grid" d="M${LEFT} ${y(tick).toFixed(1)}H${right}"/><text x="${LEFT - 6}" y="${(y(tick) + 4).toFixed(1)}" text-anchor="end">${shortText(this.#layout, tick)}</text>`)
    // Later SVG elements cover earlier ones: the first series is drawn last, on top.
    for (const index of [...lane].reverse()) parts.push(this.#band(index, y), this.#line(index, y, bottom))
    if (cut) {
      const at = tops.find((each) => each.includes(most)).indexOf(most)
      const across = Math.min(right - 40, Math.max(LEFT + 40, this.#x(time[at])))
      parts.push(`<text class="burst" x="${across.toFixed(1)}" y="${top + 9}" text-anchor="middle">▲ ${shortText(this.#layout, most)}</text>`)
    }
    return parts.join("")
  }

  // Return the SVG of a series: its line, with gaps where values are unknown, and the filled area
  // below it if the chart's form is "area".
  #line(place, y, bottom) {
    const {time, lines, broken} = this.#points
    const {form, series} = this.#layout
    const {color, width, dash} = series[place]
    const x = this.#x, values = lines[place]
    let line = "", ground = "", run = null
    const finish = (at) => { if (run !== null && form === "area") ground += `${run}L${x(time[at]).toFixed(1)} ${bottom.toFixed(1)}Z` }
    for (let at = 0; at < time.length; at += 1) {
      const value = values[at]
      if (!known(value) || broken.has(at)) { finish(at - 1); run = null }
      if (!known(value)) continue
      const across = x(time[at]).toFixed(1), down = y(value).toFixed(1)
      if (run === null) {
        line += `M${across} ${down}h0`  // draws a dot for a point without known neighbours
        run = `M${across} ${bottom.toFixed(1)}L${across} ${down}`
      } else {
        // A step chart shows a point's value over the time since the point before.
        const step = form === "step" ? `V${down}H${across}` : `L${across} ${down}`
        line += step
        run += step
      }
    }
    finish(time.length - 1)
    return `${ground && `<path d="${ground}" fill="${color}" fill-opacity="0.16"/>`}<path d="${line}" fill="none" stroke="${color}" stroke-width="${width}" stroke-dasharray="${dash}" stroke-linejoin="round" stroke-linecap="round"/>`
  }

  // Return the SVG of the band between the lowest and the highest value within each point.
  #band(place, y) {
    const {time, spread, broken} = this.#points
    const [lows, highs] = spread[place]
    const runs = [[]]
    highs.forEach((high, at) => {
      if (broken.has(at)) runs.push([])
      if (known(high) && known(lows[at])) runs.at(-1).push(at)
      else runs.push([])
    })
    const edge = (values, at) => `${this.#x(time[at]).toFixed(1)} ${y(values[at]).toFixed(1)}`
    const path = runs.filter(({length}) => length > 0).map((run) => `M${[...run.map((at) => edge(highs, at)), ...run.reverse().map((at) => edge(lows, at))].join("L")}Z`).join("")
    return path && `<path class="band" d="${path}" fill="${this.#layout.series[place].color}"/>`
  }
}
