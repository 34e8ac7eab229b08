// A chart over the page's time axis, as SVG: its colours come from style sheets, so that a change
// of theme reaches it, and every number in it is text.
const LEFT = 48, RIGHT = 12, TOP = 8, BOTTOM = 20, APART = 14
const FAR = 10  // times: from here on two series get a scale of their own
const BURST = 6  // times the usual highest value: what is above that is cut, and told
const SHORTEST = 2000  // milliseconds that a range has at least
const AROUND = 5  // seconds before and after a mark whose events it leads to
const NAMED = 6  // series of a legend at most, those with the most; the others stand together

class Chart {
  #layout
  #axis
  #plot
  #values
  #told
  #others = element("span", {})  // of a legend: the series that it has no room for
  #time
  #quiet
  #drag = null
  #broken = new Set()  // places of points that no line leads to
  #says = true
  #leave
  onsilent = null  // told when the chart begins or ends to have nothing to say

  constructor(layout, axis, marks) {
    this.#layout = layout
    this.#axis = axis
    this.marks = marks
    this.#time = element("time", {})
    this.#values = layout.series.map(() => element("b", {}))
    this.legend = layout.series.map((series, at) => {
      const line = element("i", {"aria-hidden": "true"})
      line.innerHTML = `<svg width="14" height="8"><path d="M0 4H14" stroke="${series.color}" stroke-width="2.4" stroke-dasharray="${series.dash}"/></svg>`
      return element("span", {}, line, layout.series.length > 1 ? series.label : "", this.#values[at])
    })
    const link = element("a", {href: layout.address ?? addressOf({page: "chart", chart: layout.key}), title: "This chart alone"}, layout.title)
    const title = element("h2", {}, link)
    if (layout.unit) title.append(" ", element("small", {}, layout.unit))
    this.#plot = element("div", {class: "plot", role: "img", tabindex: "0"})
    this.#quiet = element("p", {class: "quiet"})
    this.#told = element("header", {"aria-atomic": "true"}, title, this.#time, element("div", {class: "legend"}, ...this.legend, this.#others))
    this.node = element("section", {class: "card chart", "data-chart": layout.key}, this.#told, this.#plot, this.#quiet)
    this.#plot.addEventListener("pointermove", (event) => this.#move(event))
    this.#plot.addEventListener("pointerleave", () => { if (this.#drag === null) axis.point(null) })
    this.#plot.addEventListener("pointerdown", (event) => this.#grab(event))
    this.#plot.addEventListener("pointerup", (event) => this.#release(event))
    this.#plot.addEventListener("dblclick", () => this.#axis.back())
    this.#plot.addEventListener("keydown", (event) => this.#step(event))
    this.#plot.addEventListener("blur", () => { this.#told.removeAttribute("aria-live"); this.#drag = null; axis.point(null) })
    this.#leave = axis.onchange(() => this.draw())
    this.resized = new ResizeObserver(() => this.draw())
    this.resized.observe(this.#plot)
  }

  close() {
    this.#leave()
    this.resized.disconnect()
  }

  get tall() { return this.node.classList.contains("tall") }

  draw() {
    const {begin, end, points, bands} = this.#axis
    const first = Math.max(0, points.time.findIndex((each) => each >= begin))
    let last = points.time.length
    while (last > 0 && points.time[last - 1] > end) last -= 1
    const time = points.time.slice(first, last)
    const lines = this.#layout.series.map(({key}) => points[key].slice(first, last))
    const spread = this.#layout.series.map(({key}) => bands[key]?.map((values) => values.slice(first, last)) ?? [[], []])
    const at = this.#axis.pointer === null ? time.length - 1 : nearest(time, this.#axis.pointer)
    this.#legend(time, lines, at)
    this.#plot.dataset.points = time.length
    const silent = time.length > 0 && lines.every((values) => values.every((value) => !value))
    const unknown = lines.every((values) => values.every((value) => !known(value)))
    this.#plot.setAttribute("aria-label", `${this.#layout.title}, as a chart over time. ${lines.map((values, index) => this.#inWords(values, spread[index], index)).join("; ")}.`)
    // A chart with nothing to say takes a line.
    const says = !silent || this.tall || (this.#layout.always && !unknown) || ["open", "messages", "bandwidth"].includes(this.#layout.key)
    if (this.node.classList.toggle("silent", !says) === this.#says) {
      this.#says = says
      this.onsilent?.(!says)
    }
    this.#quiet.textContent = unknown ? (time.length > 0 ? "not measured here" : "no numbers yet") : "nothing in this time"
    if (!says || this.#plot.clientWidth === 0) return
    this.#broken = this.#breaks(time, points.seq?.slice(first, last) ?? [])
    this.#plot.innerHTML = this.#picture(begin, end, time, lines, spread, at)
  }

  // Places of points before which the server was started anew, or there are no numbers for a while.
  #breaks(time, seq) {
    const middles = this.#axis.gaps.map(([from, until]) => (from + until) / 2)
    return new Set(time.map((_, at) => at).filter((at) => seq[at] < seq[at - 1] || middles.some((middle) => time[at - 1] < middle && middle < time[at])))
  }

  // A line for a screen reader: its last value, and between which it was in the time that is shown.
  #inWords(values, [lows, highs], index) {
    const all = [...values, ...lows, ...highs].filter(known)
    const {label} = this.#layout.series[index]
    if (all.length === 0) return `${label} not known`
    const [low, high] = [Math.min(...all), Math.max(...all)].map((value) => valueText(this.#layout, value))
    return `${label} ${valueText(this.#layout, values.at(-1))}${low === high ? "" : `, from ${low} to ${high}`}`
  }

  #legend(time, lines, at) {
    write(this.#time, this.#axis.pointer === null || time.length === 0 ? "" : clockText(time[at]))
    lines.forEach((values, index) => write(this.#values[index], shortText(this.#layout, values[at])))
    this.#shorten(lines, at)
  }

  // A legend of many series names those that have the most in the time shown, as many as a line takes.
  #shorten(lines, at) {
    this.#others.hidden = true
    if (lines.length <= NAMED) return
    const totals = lines.map((values) => values.reduce((sum, value) => sum + (value ?? 0), 0))
    const ranked = lines.map((_, index) => index).filter((index) => totals[index] > 0).sort((a, b) => totals[b] - totals[a])
    const ends = []  // where each of them would end, in pixels
    for (const index of ranked) ends.push((ends.at(-1) ?? 0) + (this.#layout.series[index].label.length + 5) * LETTER + 26)
    const room = this.#plot.clientWidth - 80
    const fit = this.tall ? ends.length : Math.max(1, Math.min(NAMED, ends.filter((end) => end <= room).length))
    const named = ranked.slice(0, fit), others = ranked.slice(fit)
    this.legend.forEach((node, index) => { node.hidden = !named.includes(index) })
    if (others.length === 0) return
    this.#others.hidden = false
    fill(this.#others, `${others.length} other `, element("b", {}, shortText(this.#layout, others.reduce((sum, index) => sum + (lines[index][at] ?? 0), 0))))
    this.#others.title = others.map((index) => `${this.#layout.series[index].label} ${shortText(this.#layout, lines[index][at])}`).join(", ")
  }

  #picture(begin, end, time, lines, spread, at) {
    const width = this.#plot.clientWidth, height = this.#plot.clientHeight
    const x = (each) => LEFT + (each - begin) / (end - begin || 1) * (width - LEFT - RIGHT)
    const parts = []
    for (const [from, until, reason] of this.#axis.gaps) {
      if (until <= begin || from >= end) continue
      parts.push(`<rect class="gap" x="${x(Math.max(from, begin)).toFixed(1)}" y="${TOP}" width="${Math.max(1, x(Math.min(until, end)) - x(Math.max(from, begin))).toFixed(1)}" height="${height - TOP - BOTTOM}"><title>${escaped(reason)}</title></rect>`)
    }
    const lanes = this.#lanes(lines)
    const each = (height - TOP - BOTTOM - APART * (lanes.length - 1)) / lanes.length
    lanes.forEach((lane, index) => {
      const top = TOP + index * (each + APART)
      parts.push(this.#lane(lane, lines, spread, {time, x, top, bottom: top + each, width}))
    })
    parts.push(moments(begin, end, width, height, x), this.#marked(begin, end, height, x))
    if (this.#axis.pointer !== null && time.length > 0) parts.push(`<path class="pointer" d="M${x(time[at]).toFixed(1)} ${TOP}V${height - BOTTOM}"/>`)
    if (this.#drag !== null) {
      const [from, until] = this.#drag.map(x).sort((a, b) => a - b)
      parts.push(`<rect class="range" x="${from.toFixed(1)}" y="${TOP}" width="${(until - from).toFixed(1)}" height="${height - TOP - BOTTOM}"/>`)
    }
    if (time.length === 0) parts.push(`<text x="${width / 2}" y="${height / 2}" text-anchor="middle">no numbers of this time</text>`)
    return `<svg width="${width}" height="${height}" aria-hidden="true">${parts.join("")}</svg>`
  }

  // Which series share a scale: two that are far apart have one each, the greater on top.
  #lanes(lines) {
    const all = lines.map((_, index) => index)
    if (lines.length !== 2 || this.#layout.unit === "ms") return [all]
    const highs = lines.map((values) => usual(values))
    const [low, high] = [...highs].sort((a, b) => a - b)
    if (low <= 0 || high < FAR * low) return [all]
    return all.sort((a, b) => highs[b] - highs[a]).map((index) => [index])
  }

  #lane(lane, lines, spread, {time, x, top, bottom, width}) {
    const tops = lane.map((index) => lines[index].map((value, place) => Math.max(value ?? 0, spread[index][1][place] ?? 0)))
    const most = Math.max(0, ...tops.flat()), high = usual(tops.flat())
    const cut = high > 0 && most > BURST * high
    const ticks = ticksOf(cut ? 2 * high : most, bottom - top, this.#layout.whole)
    const y = (value) => bottom - Math.min(1, Math.max(0, value) / ticks.at(-1)) * (bottom - top)
    const parts = ticks.map((tick) => `<path class="grid" d="M${LEFT} ${y(tick).toFixed(1)}H${width - RIGHT}"/><text x="${LEFT - 6}" y="${(y(tick) + 4).toFixed(1)}" text-anchor="end">${shortText(this.#layout, tick)}</text>`)
    // The first lies on top.
    for (const index of [...lane].reverse()) parts.push(this.#band(spread[index], index, {time, x, y}), this.#line(lines[index], index, {time, x, y, bottom}))
    if (cut) {
      const at = tops.find((each) => each.includes(most)).indexOf(most)
      const across = Math.min(width - RIGHT - 40, Math.max(LEFT + 40, x(time[at])))
      parts.push(`<text class="burst" x="${across.toFixed(1)}" y="${top + 9}" text-anchor="middle">▲ ${shortText(this.#layout, most)}</text>`)
    }
    return parts.join("")
  }

  // A line with a gap where nothing is known, and the ground below it.
  #line(values, place, {time, x, y, bottom}) {
    const {color, width, dash} = this.#layout.series[place]
    const {form} = this.#layout
    let line = "", ground = "", run = null
    const finish = (at) => { if (run !== null && form === "area") ground += `${run}L${x(time[at]).toFixed(1)} ${bottom.toFixed(1)}Z` }
    for (let at = 0; at < time.length; at += 1) {
      const value = values[at]
      if (!known(value) || this.#broken.has(at)) { finish(at - 1); run = null }
      if (!known(value)) continue
      const across = x(time[at]).toFixed(1), down = y(value).toFixed(1)
      if (run === null) {
        line += `M${across} ${down}h0`  // a dot, where nothing is known before and after
        run = `M${across} ${bottom.toFixed(1)}L${across} ${down}`
      } else {
        // A step tells what happened in the time before its point.
        const step = form === "step" ? `V${down}H${across}` : `L${across} ${down}`
        line += step
        run += step
      }
    }
    finish(time.length - 1)
    return `${ground && `<path d="${ground}" fill="${color}" fill-opacity="0.16"/>`}<path d="${line}" fill="none" stroke="${color}" stroke-width="${width}" stroke-dasharray="${dash}" stroke-linejoin="round" stroke-linecap="round"/>`
  }

  // The ground between the lowest and the highest value within each point.
  #band([lows, highs], place, {time, x, y}) {
    const runs = [[]]
    highs.forEach((high, at) => {
      if (this.#broken.has(at)) runs.push([])
      if (known(high) && known(lows[at])) runs.at(-1).push(at)
      else runs.push([])
    })
    const edge = (values, at) => `${x(time[at]).toFixed(1)} ${y(values[at]).toFixed(1)}`
    const path = runs.filter(({length}) => length > 0).map((run) => `M${[...run.map((at) => edge(highs, at)), ...run.reverse().map((at) => edge(lows, at))].join("L")}Z`).join("")
    return path && `<path class="band" d="${path}" fill="${this.#layout.series[place].color}"/>`
  }

  #marked(begin, end, height, x) {
    const found = this.marks().filter(({time}) => time >= begin && time <= end)
    return found.map(({time, kind, text}) => `<g class="mark ${/^(error|rejected|restart)$/.test(kind) ? "bad" : ""}" data-time="${time}"><path d="M${x(time).toFixed(1)} ${TOP}V${height - BOTTOM}"/><circle cx="${x(time).toFixed(1)}" cy="${TOP}" r="3"/><title>${escaped(`${clockText(time)} ${kind} ${text}`)}</title></g>`).join("")
  }

  #moment({offsetX}) {
    const {begin, end} = this.#axis
    return begin + (Math.min(Math.max(offsetX, LEFT), this.#plot.clientWidth - RIGHT) - LEFT) / (this.#plot.clientWidth - LEFT - RIGHT) * (end - begin)
  }

  #move(event) {
    if (this.#drag !== null) this.#drag[1] = this.#moment(event)
    this.#axis.point(this.#moment(event))
  }

  #grab(event) {
    if (event.button !== 0 || event.pointerType === "touch" || event.target.closest(".mark")) return
    this.#plot.setPointerCapture(event.pointerId)
    this.#drag = [this.#moment(event), this.#moment(event)]
  }

  #release({target}) {
    const mark = this.#drag === null ? target.closest(".mark") : null
    if (mark !== null) {
      const at = Math.round(Number(mark.dataset.time) / 1e3)
      go({page: "events", since: at - AROUND, until: at + AROUND}, {fresh: true})
      return
    }
    this.#zoom((this.#axis.end - this.#axis.begin) / 50)  // less is a click that slipped
  }

  // Show the range that was chosen on all charts, unless it is too short.
  #zoom(least) {
    const drag = this.#drag
    this.#drag = null
    if (drag === null) return
    const [begin, end] = drag.sort((a, b) => a - b)
    if (end - begin >= Math.max(SHORTEST, least)) go({from: Math.round(begin / 1e3), to: Math.round(end / 1e3), range: null})
    else this.draw()
  }

  // Left and right move the moment that all charts tell the values of, and with shift one end of a
  // range, which Enter shows and Escape gives up; Escape without one goes back.
  #step(event) {
    const by = {ArrowLeft: -1, ArrowRight: 1}[event.key]
    if (event.key === "Enter") this.#zoom(0)
    else if (event.key === "Escape" && this.#drag === null && !this.#axis.live) this.#axis.back()
    else if (event.key === "Escape") { this.#drag = null; this.draw() }
    else if (by === undefined) return
    event.preventDefault()
    if (by === undefined) return
    this.#told.setAttribute("aria-live", "polite")
    const {begin, end, pointer} = this.#axis
    const from = pointer ?? end
    const moved = Math.min(end, Math.max(begin, from + by * (end - begin) / 60))
    this.#drag = event.shiftKey ? [this.#drag?.[0] ?? from, moved] : null
    this.#axis.point(moved)
  }
}
