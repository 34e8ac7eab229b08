// The data of one picture, its connection to the kernel, and the elements that draw the picture. There
// are several elements if JupyterLab shows an output twice.
const FORGET = 60000  // milliseconds after which a picture without an element is deleted

class PictureView {
  static #all = new Map()

  // Returns the PictureView of an output. If the saved output has newer data, uses that data.
  static of({view, kernel, layout, frame}) {
    const known = PictureView.#all.get(view)
    const saved = JSON.parse(frame)
    if (known === undefined) {
      const made = new PictureView(view, kernel, JSON.parse(layout), saved)
      PictureView.#all.set(view, made)
      return made
    }
    if (saved.time > known.frame.time) known.#take({...saved, anew: true})
    return known
  }

  #id
  #link
  #timer = null
  #forgotten = null

  constructor(id, kernel, layout, frame) {
    this.#id = id
    this.#link = new KernelComm(kernel, id, {
      opened: () => this.#ask(),
      received: (said) => this.#receive(said),
      lost: () => this.#draw(),
    })
    this.layout = layout
    this.frame = frame
    this.columns = frame.columns
    this.window = layout.window
    this.tab = "charts"
    this.query = null
    this.held = null
    this.elements = new Set()
  }

  // Freshness of the data: the kernel's status while the connection is live, else the reason of the loss.
  get freshness() {
    const {status, time} = this.frame
    const {live, trouble, trying} = this.#link
    if (live || status.kind === "ended") return status
    if (trouble === "") return {kind: "connecting", pill: "Connecting", banner: "", stale: true}
    return {kind: trying ? "disconnected" : "ended", pill: "Not live", banner: `Not live since ${clockText(time * 1e3)}. ${trouble}`, stale: true}
  }

  add(drawn) {
    PictureView.#all.set(this.#id, this)
    this.elements.add(drawn)
    clearTimeout(this.#forgotten)
    if (this.#timer !== null) return
    this.#timer = setInterval(() => this.#check(), 1000)
    this.#link.check()
  }

  // Remove an element from the picture. The element may return, for instance when a cell is moved, so
  // the connection is closed later.
  remove(drawn) {
    this.elements.delete(drawn)
    if (this.elements.size > 0) return
    this.#forgotten = setTimeout(() => {
      clearInterval(this.#timer)
      this.#timer = null
      this.#link.close()
      PictureView.#all.delete(this.#id)
    }, FORGET)
  }

  say(said) { this.#link.say(said) }

  act(name, value) {
    this.frame.values[name] = value
    this.say({do: "act", name, value})
  }

  choose(window) {
    this.window = window
    this.say({do: "window", seconds: window})
    this.#draw()
  }

  // Show a tab. If the tab is a table, request its rows from the kernel.
  open(tab, query) {
    this.tab = tab
    this.query = query
    this.say({do: "table", key: query === null ? null : tab, query})
    for (const each of this.elements) each.showTab()
  }

  // Pause or resume the picture. A paused picture does not draw new data.
  hold(held) {
    this.held = held ? {frame: this.frame, columns: this.columns} : null
    this.#draw()
  }

  #ask() {
    if (this.window !== this.layout.window) this.choose(this.window)
    if (this.query !== null) this.open(this.tab, this.query)
  }

  #receive({frame, table, file}) {
    if (frame !== undefined) this.#take(JSON.parse(frame))
    if (table !== undefined) for (const each of this.elements) each.showTable(table)
    if (file !== undefined) saveBlob(file.name, new Blob([file.text], {type: "text/csv;charset=utf-8"}))
    this.#draw()
  }

  #take(frame) {
    const columns = frame.anew ? frame.columns : {}
    if (!frame.anew) {
      const {time} = this.columns
      const begin = (time.at(-1) ?? 0) - this.window * 1e3
      const first = Math.max(0, time.findIndex((each) => each >= begin))
      for (const [name, values] of Object.entries(this.columns)) {
        columns[name] = [...values.slice(first), ...(frame.columns[name] ?? [])]
      }
    }
    this.columns = columns
    this.frame = frame
  }

  #check() {
    if (!document.hidden && this.elements.size > 0) this.#link.check()
    if (!this.#link.live) this.#draw()
  }

  #draw() { if (!document.hidden) for (const each of this.elements) each.draw() }
}
