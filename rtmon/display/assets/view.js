// One picture of a kernel: its numbers, how fresh they are, and the elements that draw it. There are
// several elements if JupyterLab shows an output twice. All times in milliseconds.
const FRESH = 5000, YOUNG = 3000, ALIVE = 10000, AGAIN = 30000, FORGET = 60000
const RESTARTED = "The kernel was restarted: run this notebook's cells again, down to this one."
const REPLACED = "Run this cell again to have it live."

class View {
  static #all = new Map()

  // The view of an output. An output that was saved later than the numbers here brings its own.
  static of({view, kernel, layout, frame}) {
    const known = View.#all.get(view)
    const saved = JSON.parse(frame)
    if (known === undefined) {
      const made = new View(view, kernel, JSON.parse(layout), saved)
      View.#all.set(view, made)
      return made
    }
    if (saved.time > known.frame.time) known.#take({...saved, anew: true})
    return known
  }

  #id
  #kernel
  #comm = ""
  #joined = false
  #heard = -Infinity
  #why = ""
  #trying = true
  #timer = null
  #forgotten = null
  #asked = 0
  #opened = 0

  constructor(id, kernel, layout, frame) {
    this.#id = id
    this.#kernel = kernel === "" ? null : Kernel.of(kernel)
    this.layout = layout
    this.frame = frame
    this.columns = frame.columns
    this.window = layout.window
    this.tab = "charts"
    this.query = null
    this.held = null
    this.elements = new Set()
    this.born = performance.now()
  }

  get live() { return performance.now() - this.#heard < FRESH }

  // How fresh the numbers are: as the kernel says while it says something, else by their age.
  get freshness() {
    const {status, time} = this.frame
    if (this.live || status.kind === "ended") return status
    const young = performance.now() - this.born < YOUNG && this.#why === ""
    if (young && this.#kernel !== null) return {kind: "connecting", pill: "Connecting", banner: "", stale: true}
    const why = this.#why || (this.#kernel === null ? "This page cannot reach its kernel." : "The kernel does not answer; it may be busy.")
    return {kind: this.#trying ? "disconnected" : "ended", pill: "Not live", banner: `Not live since ${momentText(time)}. ${why}`, stale: true}
  }

  add(drawn) {
    View.#all.set(this.#id, this)
    this.elements.add(drawn)
    clearTimeout(this.#forgotten)
    if (this.#timer !== null) return
    this.#timer = setInterval(() => this.#check(), 1000)
    this.#join()
  }

  // An element that leaves the page may come back, as when a cell is moved.
  remove(drawn) {
    this.elements.delete(drawn)
    if (this.elements.size > 0) return
    this.#forgotten = setTimeout(() => {
      clearInterval(this.#timer)
      this.#timer = null
      this.#kernel?.close(this.#comm)
      this.#joined = false
      this.#opened = 0
      View.#all.delete(this.#id)
    }, FORGET)
  }

  say(said) { this.#kernel?.send(this.#comm, "comm_msg", said) }

  act(name, value) {
    this.frame.values[name] = value
    this.say({do: "act", name, value})
  }

  choose(window) {
    this.window = window
    this.say({do: "window", seconds: window})
  }

  // Show a tab; if it is a table, ask for its rows.
  open(tab, query) {
    this.tab = tab
    this.query = query
    this.say({do: "table", key: query === null ? null : tab, query})
    for (const each of this.elements) each.showTab()
  }

  // Keep what is shown as it is, or go on.
  hold(held) {
    this.held = held ? {frame: this.frame, columns: this.columns} : null
    this.#draw()
  }

  #join() {
    if (this.#kernel === null) return
    this.#comm = crypto.randomUUID()
    this.#joined = true
    this.#kernel.open(this.#comm, {
      ready: () => this.#ask(),
      receive: (said) => this.#receive(said),
      closed: ({gone}) => {
        this.#kernel.forget(this.#comm)
        this.#fail(gone ? REPLACED : RESTARTED)
      },
      failed: (why, trying = false) => this.#fail(why, trying),
    })
  }

  #ask() {
    if (this.#opened > 0) this.#comm = this.#kernel.renew(this.#comm)
    this.#opened = performance.now()
    this.#kernel.send(this.#comm, "comm_open", {view: this.#id})
    if (this.window !== this.layout.window) this.choose(this.window)
    if (this.query !== null) this.open(this.tab, this.query)
  }

  #fail(why, trying = false) {
    this.#why = why
    this.#trying = trying
    this.#heard = -Infinity
    this.#draw()
  }

  #receive({frame, table, file}) {
    this.#heard = performance.now()
    this.#why = ""
    this.#trying = true
    if (frame !== undefined) this.#take(JSON.parse(frame))
    for (const each of this.elements) {
      if (table !== undefined) each.showTable(table)
      if (file !== undefined) each.showFile(file)
    }
    this.#draw()
  }

  #take(frame) {
    const columns = frame.anew ? frame.columns : {}
    if (!frame.anew) {
      const {time} = this.columns
      const begin = (time.at(-1) ?? 0) - this.window * (this.layout.axis === "clock" ? 1000 : 1)
      const first = Math.max(0, time.findIndex((each) => each >= begin))
      for (const [name, values] of Object.entries(this.columns)) {
        columns[name] = [...values.slice(first), ...(frame.columns[name] ?? [])]
      }
    }
    this.columns = columns
    this.frame = frame
  }

  #check() {
    if (!document.hidden && this.elements.size > 0) {
      const now = performance.now()
      if (!this.#joined) this.#join()
      else if (!this.live && this.#why === "" && now - this.#opened > AGAIN) this.#ask()
      if (now - this.#asked >= ALIVE) {
        this.#asked = now
        this.say({do: "alive"})
      }
    }
    if (!this.live) this.#draw()
  }

  #draw() { if (!document.hidden) for (const each of this.elements) each.draw() }
}
