// The page of one connection: verdict, charts, timeline, and all columns.
const STORY_GROUPS = [["", "All"], ["frames", "Frames"], ["pings", "Pings"], ["queue", "Queue"], ["events", "Events"]]
const OWN_KEPT = 320  // maximum number of chart points of a connection
const SHORT = 60  // minimum time span of a live chart, in seconds

// The page's time axis, but with the chart points of one connection instead of the server's points.
class ConnectionTimeRange {
  #axis
  #keys
  gaps = []
  bands = {}
  until = null  // time at which a closed connection's charts end, milliseconds; else null

  constructor(axis, layouts) {
    this.#axis = axis
    this.#keys = ["time", ...layouts.flatMap(({series}) => series.map(({key}) => key))]
    this.points = Object.fromEntries(this.#keys.map((key) => [key, []]))
  }

  get live() { return this.#axis.live }
  get window() { return this.#axis.window }
  get pointer() { return this.#axis.pointer }
  get end() { return this.live && this.until !== null ? this.until : this.#axis.end }

  // A live chart begins at the first point. Otherwise a new connection's line would be a dot at the
  // right edge.
  get begin() {
    if (!this.live) return this.#axis.begin
    const first = Math.min(this.points.time[0] ?? -Infinity, this.end - SHORT * 1e3)
    return Math.max(this.end - this.window * 1e3, first)
  }

  onchange(listener) { return this.#axis.onchange(listener) }
  point(time) { this.#axis.point(time) }
  back() { this.#axis.back() }

  // Add new points; returns false if points between the known and the new points are missing.
  take(points) {
    const last = this.points.time.at(-1) ?? -Infinity
    const from = points.time.findIndex((time) => time > last)
    const whole = from !== 0 || points.time.length < 20
    if (from < 0) return true
    for (const key of this.#keys) {
      this.points[key].push(...points[key].slice(from))
      this.points[key].splice(0, Math.max(0, this.points[key].length - OWN_KEPT))
    }
    return whole
  }

  replace(points) { for (const key of this.#keys) this.points[key] = points[key] }
}

class Connection {
  #app
  #asked
  #axis
  #charts
  #head = element("div", {class: "identity"})
  #tools
  #verdict = element("section", {class: "verdict", "aria-label": "Verdict"})
  #grid
  #note = element("p", {class: "note"})
  #story = element("ol", {class: "story"})
  #filters = element("div", {class: "group", role: "group", "aria-label": "Which entries"})
  #counts = STORY_GROUPS.map(() => element("small", {}))
  #more = element("a", {class: "link"})
  #known = element("dl", {class: "known"})
  #rest = element("div", {class: "rest"})
  #body
  #drawn = new Map()
  #marks = []
  title

  constructor(app, params) {
    this.#app = app
    this.#asked = {id: params.get("id") ?? "", ...(params.get("epoch") ? {epoch: params.get("epoch")} : {})}
    this.title = this.#asked.id
    const alone = params.get("chart")
    const layouts = OWN_CHARTS.filter(({key}) => key === alone)
    const shown = (layouts.length > 0 ? layouts : OWN_CHARTS).map((layout) => ({...layout, always: true, address: addressOf({chart: layouts.length > 0 ? null : layout.key})}))
    this.#axis = new ConnectionTimeRange(app.axis, OWN_CHARTS)
    this.#charts = shown.map((layout) => pageChart(layout, this.#axis, () => this.#marks))
    if (layouts.length > 0) this.#charts[0].node.classList.add("tall")
    this.#grid = element("div", {class: "charts own"}, ...this.#charts.map(({node}) => node))
    const report = button("Copy incident report", "Everything known as Markdown, to paste into a ticket", () => this.#copyReport(report))
    const json = button("JSON", "Download everything known as JSON", () => this.#download())
    const events = element("a", {class: "button", href: addressOf({page: "events", where: `connection:${quotedText(this.#asked.id)}`}, {fresh: true})}, "Its events")
    this.#tools = element("div", {class: "tools"}, events, report, json)
    this.#fillFilters(params.get("story") ?? "")
    const story = element("section", {class: "card"}, element("header", {}, element("h2", {}, "Story"), this.#filters), this.#story, element("p", {class: "more"}, this.#more))
    const known = element("section", {class: "card"}, element("h2", {}, "Known"), this.#known, this.#rest)
    this.#body = element("div", {class: "page"}, this.#verdict, this.#grid, this.#note, element("div", {class: "sides"}, story, known))
    this.#body.hidden = true
    this.node = element("div", {class: "page"}, element("header", {class: "subject"}, this.#head, this.#tools), this.#body)
    this.#head.append(element("h1", {}, this.title))
  }

  close() { for (const chart of this.#charts) chart.close() }
  frame() { this.#draw() }

  pane(pane) {
    if (pane.error !== undefined || pane.info === null) {
      this.#lack(pane)
      return
    }
    this.#body.hidden = this.#tools.hidden = false
    this.title = pane.info.name ?? pane.info.id
    this.#marks = pane.marks
    this.#points(pane)
    this.#once("head", pane.info, (info) => this.#drawHead(info))
    this.#once("verdict", pane.verdict, (verdict) => this.#drawVerdict(verdict))
    STORY_GROUPS.forEach(([group], at) => { this.#counts[at].textContent = number(pane.counts[group]) })
    this.#once("story", [pane.story, pane.told], () => this.#drawStory(pane))
    this.#once("known", [pane.known, pane.unknown], () => this.#drawKnown(pane))
    this.#once("rest", [pane.rooms, pane.headers, pane.traceback, pane.frames.length > 0 && pane.info.state === "closed" ? pane.frames : null, pane.missing], () => this.#drawRest(pane))
  }

  // Redraw a part of the page only if its data has changed, to keep text that the viewer has selected.
  #once(part, value, draw) {
    const text = JSON.stringify(value)
    if (this.#drawn.get(part) === text) return
    this.#drawn.set(part, text)
    draw(value)
  }

  #lack({error, events, tick}) {
    this.#body.hidden = true
    this.#tools.hidden = !(events > 0)
    const why = error ?? (tick.seq === 0 ? "Not known yet: waiting for the server's first numbers." : events > 0
      ? "The row is no longer stored: only the latest closed connections are. The events are still known."
      : "This connection is not known. It may be forgotten, or be of an earlier run of the server: a link from a table leads to the right one.")
    fill(this.#head, element("h1", {}, this.title), element("p", {role: "alert"}, why), element("a", {class: "link", href: addressOf({page: "connections", state: "all"}, {fresh: true})}, "All connections"))
    this.#drawn.delete("head")
  }

  #points({series, info, known: rows, missing}) {
    const closed = rows.find(([name]) => name === "closed")
    this.#axis.until = closed ? Number(closed[1][0]) * 1e3 + 1000 : null
    if (series !== null && !this.#axis.take(series)) this.#askForAll()
    const empty = this.#axis.points.time.length === 0
    this.#grid.hidden = empty
    this.#note.textContent = !empty ? "" : info.state === "open" && !this.#app.replay.shown ? "The charts begin now: a connection gets charts while its page is open." : `No charts: ${missing.series ?? "only connections that were looked at, or were among the most notable, while open have charts"}.`
    this.#note.hidden = !empty
    this.#draw()
  }

  async #askForAll() {
    const {series} = await this.#app.link.ask("connection", {...this.#asked, form: "series"})
    if (series) { this.#axis.replace(series); this.#draw() }
  }

  #draw() { if (!this.#grid.hidden) for (const chart of this.#charts) chart.draw() }

  #drawHead({id, name, user, path, remote, address}) {
    const parts = [known(name) ? element("code", {title: "The connection's id"}, id) : null]
    const all = (where, text, title) => element("a", {class: "link", title, href: addressOf({page: "connections", state: "all", where}, {fresh: true})}, text)
    if (known(user)) parts.push(element("span", {}, "user ", all(`user:${quotedText(user)}`, user, "All connections of this user")))
    if (known(path)) parts.push(element("span", {}, "at ", all(`path:${quotedText(path)}`, path, "All connections at this path")))
    if (known(remote)) parts.push(element("span", {}, "from ", all(`address:${quotedText(address)}`, remote, `All connections from ${address}`)))
    fill(this.#head, element("h1", {}, name ?? id), ...parts)
  }

  #drawVerdict({mood, title, sentences}) {
    this.#verdict.className = `verdict ${mood}`
    fill(this.#verdict, element("b", {}, `${title}.`), ` ${sentences.join(" ")}`)
  }

  #fillFilters(chosen) {
    fill(this.#filters, ...STORY_GROUPS.map(([group, label], at) => {
      const link = element("a", {href: addressOf({story: group, more: null})}, label, " ", this.#counts[at])
      if (group === chosen) link.setAttribute("aria-current", "true")
      return link
    }))
  }

  #drawStory({story, told, info}) {
    const fine = info.state === "closed"
    fill(this.#story, ...story.map(({time, kind, text, note, mood}) => {
      const at = moment(time * 1e3)
      if (fine) at.append(`.${String(Math.round(time * 1e3) % 1000).padStart(3, "0")}`)
      return element("li", {}, at, element("b", {class: kind === "in" || kind === "out" ? kind : mood}, kind), element("span", {}, text), element("small", {}, note))
    }))
    if (story.length === 0) this.#story.append(element("li", {class: "nothing"}, "Nothing of this kind is known."))
    this.#more.hidden = story.length >= told
    this.#more.href = addressOf({more: "1"})
    this.#more.textContent = `${number(told - story.length)} more before`
  }

  #drawKnown({known: rows, unknown}) {
    const column = (name) => COLUMNS.connections.find(({key}) => key === name)
    const items = rows.flatMap(([name, cell, meaning]) => {
      const [text, look] = Array.isArray(cell) ? cell : [cell, ""]
      const {title, help} = column(name)
      const shown = look === "time" ? moment(Number(text) * 1e3) : element("span", {title: meaning}, text)
      return [element("dt", {title: help}, title), element("dd", {class: look}, shown)]
    })
    if (unknown.length > 0) items.push(element("dt", {}, "Not known"), element("dd", {class: "soft"}, unknown.map((name) => column(name).title).join(", ")))
    fill(this.#known, ...items)
  }

  #drawRest({rooms, headers, traceback, frames, missing, info}) {
    const lacks = (part) => element("p", {class: "soft"}, `Not known: ${missing[part] ?? "the source does not tell"}.`)
    const roomLink = (room) => element("a", {class: "link", href: addressOf({page: "channel", channel: room}, {fresh: true})}, room)
    const places = rooms === null ? lacks("rooms") : rooms.length === 0 ? element("p", {class: "soft"}, "In none.") : element("p", {class: "places"}, ...rooms.map(roomLink))
    const parts = [element("h3", {}, "Channels and rooms"), places]
    if (traceback) parts.unshift(element("h3", {}, "Traceback"), preformatted(traceback, "Traceback"))
    if (info.state === "closed" && frames.length > 0) parts.push(element("h3", {title: "Seconds before the end, direction, opcode, bytes"}, "Last frames"), preformatted(frames.join("\n"), "Last frames"))
    else if (missing.frames) parts.push(element("h3", {}, "Last frames"), lacks("frames"))
    parts.push(element("h3", {}, "Request headers"), headers === null ? lacks("headers") : element("dl", {class: "known"}, ...headers.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)])))
    fill(this.#rest, ...parts)
  }

  async #copyReport(node) {
    const {report, error} = await this.#app.link.ask("connection", {...this.#asked, form: "report"})
    const done = error === undefined && await copyText(report)
    node.textContent = error !== undefined ? "No report" : done ? "Copied" : "Copy incident report"
    setTimeout(() => { node.textContent = "Copy incident report" }, 1500)
  }

  async #download() {
    const {record, error} = await this.#app.link.ask("connection", {...this.#asked, form: "json"})
    if (error === undefined) saveBlob(`connection-${this.#asked.id.replace(/[^\w-]/g, "_")}.json`, new Blob([`${JSON.stringify(record, null, 2)}\n`], {type: "application/json"}))
  }
}

const quotedText = (text) => `"${text.replace(/[\\"]/g, "\\$&")}"`

function button(label, title, does) {
  const node = element("button", {type: "button", title}, label)
  node.onclick = does
  return node
}

function preformatted(text, label) { return element("pre", {tabindex: "0", role: "region", "aria-label": label}, text) }

// Copies a text to the clipboard. If the browser refuses, shows the text in a dialog.
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    const field = element("textarea", {readonly: "", rows: "18", cols: "80", "aria-label": "The text to copy"})
    field.value = text
    const dialog = element("dialog", {"aria-label": "Copy this"}, field, element("form", {method: "dialog"}, element("button", {}, "Close")))
    dialog.onclose = () => dialog.remove()
    host.root.append(dialog)
    dialog.showModal()
    field.select()
    return false
  }
}
