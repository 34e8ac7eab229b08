// The page of Events: newest first, with filters and a pause. A row can be opened to show the
// connection's traceback and last frames.
class Events {
  #app
  #rows
  #columns = new ColumnMenu(COLUMNS.events)
  #kinds = element("div", {class: "group", role: "group", "aria-label": "Kinds of events"})
  #causes = element("select", {"aria-label": "Cause of the end"})
  #pause = element("a", {class: "button pause"})
  #range = element("a", {class: "button"})
  #open = new Map()  // epoch and number of an event → element with the details below its row
  #told = ""
  params

  constructor(app, params) {
    this.#app = app
    this.params = params
    const columns = COLUMNS.events.map((column) => ({code: {...column, align: "left"}, detail: {...column, align: "left wide"}})[column.key] ?? column)
    this.#rows = new AppTable(columns, {
      heading: "Events",
      linked: "name",
      link: ({id, epoch}) => id === null ? null : addressOf({page: "connection", id, epoch}, {fresh: true}),
      folds: {
        label: "Traceback and last frames",
        has: ({box}) => box,
        node: (row) => this.#open.get(eventKey(row)) ?? null,
        toggle: (row) => this.#toggle(row),
      },
      empty: ({tick}) => tick.seq === 0 ? "Not known yet: waiting for the server's first numbers." : ["where", "kind", "cause"].some((name) => this.params.get(name)) ? "No event matches this." : "Nothing has happened yet. Events appear here as connections open, close and fail.",
    })
    this.#causes.onchange = () => go({cause: this.#causes.value, offset: null})
    this.#rows.tools.append(this.#pause, this.#columns.node, sizeChooser(params))
    this.node = element("div", {class: "page"}, searchField(params, 'kind:closed code:1006 reason:"*timeout*"'), element("div", {class: "filters"}, this.#kinds, this.#causes, this.#range), this.#rows.node)
  }

  close() {}
  frame() {}

  // Draw the button that limits the events to the charts' time range.
  #drawRange() {
    const since = Number(this.params.get("since")), held = since > 0
    const [begin, end] = held ? [since, Number(this.params.get("until")) || Date.now() / 1e3] : rangeOf(this.params) ?? []
    this.#range.hidden = !(end > begin)
    if (this.#range.hidden) return
    this.#range.href = addressOf(held ? {since: null, until: null, offset: null} : {since: begin, until: end, offset: null})
    write(this.#range, `Only ${clockText(begin * 1e3)} – ${clockText(end * 1e3)}`)
    this.#range.title = held ? "Show the events of all times again" : "Show the events of the range that the charts show"
    this.#range.classList.toggle("held", held)
    this.#range.setAttribute("aria-current", String(held))
  }

  pane(pane) {
    this.#drawRange()
    this.#rows.draw(pane)
    if (pane.error !== undefined) return
    this.#columns.show(pane.columns)
    this.#explain(pane)
    this.#drawTools(pane)
  }

  // Add the meanings of close codes as tooltips.
  #explain({rows, columns}) {
    const at = columns.indexOf("code")
    if (at < 0) return
    const shown = [...this.#rows.table.tBodies[0].rows].filter((tr) => !tr.classList.contains("below"))
    shown.forEach((tr, index) => { if (rows[index].meaning) tr.cells[at].title = rows[index].meaning })
  }

  #drawTools({kinds, causes, newest, newer}) {
    const held = this.params.get("until")
    const changes = {until: held === null ? newest.toFixed(3) : null, offset: null}
    this.#pause.href = addressOf(changes)
    // Keep the page, so that opened rows stay open.
    this.#pause.onclick = (event) => { event.preventDefault(); go(changes, {keep: true}) }
    this.#pause.textContent = held === null ? "Hold" : `Resume · ${number(newer)} new`
    this.#pause.title = held === null ? "Hold these events while they are read" : `Held as of ${clockText(Number(held) * 1e3)}; ${number(newer)} events have come since`
    this.#pause.classList.toggle("held", held !== null)
    const chosen = this.params.get("kind") ?? ""
    const told = JSON.stringify([kinds, chosen, held])
    if (told === this.#told) return
    this.#told = told
    fill(this.#causes, ...["", ...causes].map((cause) => element("option", {value: cause}, cause || "any cause of an end")))
    this.#causes.value = this.params.get("cause") ?? ""
    fill(this.#kinds, ...["", ...kinds].map((kind) => {
      const link = element("a", {href: addressOf({kind, offset: null})}, kind === "" ? "all" : kind)
      if (kind === chosen) link.setAttribute("aria-current", "true")
      return link
    }))
  }

  async #toggle(row) {
    const key = eventKey(row)
    if (this.#open.delete(key)) { this.#rows.draw(this.#rows.pane); return }
    const box = element("div", {class: "box"}, "…")
    this.#open.set(key, box)
    this.#rows.draw(this.#rows.pane)
    const found = await this.#app.link.ask("connection", {id: row.id, epoch: row.epoch})
    fill(box, ...blackBox(found, row))
  }
}

const eventKey = ({epoch, seq}) => `${epoch} ${seq}`

// Returns the elements below an opened row: a connection's verdict, traceback and last frames.
function blackBox(found, {id, epoch, meaning}) {
  if (found.error !== undefined) return [element("p", {role: "alert"}, found.error)]
  const link = element("a", {class: "link", href: addressOf({page: "connection", id, epoch}, {fresh: true})}, "The whole story")
  if (found.info === null) return [element("p", {}, "The connection is no longer stored: only the latest closed ones are. ", meaning)]
  const {verdict, traceback, frames, missing} = found
  const parts = [element("p", {}, element("b", {}, `${verdict.title}.`), ` ${verdict.sentences.join(" ")} `, link)]
  if (traceback) parts.push(element("h3", {}, "Traceback"), preformatted(traceback, "Traceback"))
  if (frames.length > 0) parts.push(element("h3", {}, "Last frames: seconds before the end, direction, opcode, bytes"), preformatted(frames.join("\n"), "Last frames"))
  else parts.push(element("p", {class: "soft"}, `Last frames: ${missing.frames ?? "none are kept"}.`))
  return parts
}
