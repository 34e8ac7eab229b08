// Combines the charts' update and the rows of one tick, so that the page shows both as of one tick.
// They arrive in one message, unless the query is slow or the viewer has just requested the rows.
const ROWLESS = 1500  // milliseconds that a frame waits for the rows of its tick, at most
const FRAMELESS = 250  // that rows wait for their frame: a viewer waits for them

class OneTick {
  #show
  #now
  #frames = []  // that wait for the rows of their tick, with the time at which each came
  #rows = null  // that wait for the frame of their tick, likewise
  #tick = null  // of the frame in sight
  #timer

  // show({frame, pane}) is called with the update and rows to show; now() returns milliseconds.
  constructor(show, now = () => performance.now()) {
    this.#show = show
    this.#now = now
  }

  // Handle a message. A page without rows shows each update at once.
  take({frame, pane}, {rows}) {
    const came = this.#now()
    if (frame !== undefined) this.#frames.push({frame, came})
    if (pane !== undefined) this.#rows = {pane, came}
    if (rows) this.settle()
    else this.flush()
  }

  // Show the update and rows that wait.
  flush() {
    clearTimeout(this.#timer)
    const frames = this.#frames.splice(0)
    for (const {frame} of frames) this.#showFrame(frame)
    this.#showRows()
  }

  // Show what is complete, and what has waited for long enough.
  settle() {
    const {pane} = this.#rows ?? {}
    const now = this.#now()
    let shown = this.#frames.findLastIndex(({came}) => now - came >= ROWLESS)
    if (pane !== undefined) {
      const own = pane.tick === undefined ? this.#frames.length - 1 : this.#frames.findLastIndex(({frame}) => same(frame, pane.tick))
      shown = Math.max(shown, own)
    }
    for (const {frame} of this.#frames.splice(0, shown + 1)) this.#showFrame(frame)
    if (pane !== undefined && (pane.tick === undefined || same(this.#tick, pane.tick) || now - this.#rows.came >= FRAMELESS)) this.#showRows()
    clearTimeout(this.#timer)
    const ends = [...this.#frames.map(({came}) => came + ROWLESS), ...(this.#rows === null ? [] : [this.#rows.came + FRAMELESS])]
    if (ends.length > 0) this.#timer = setTimeout(() => this.settle(), Math.max(1, Math.min(...ends) - now))
  }

  close() { clearTimeout(this.#timer) }

  #showFrame(frame) {
    this.#tick = frame
    this.#show({frame})
  }

  #showRows() {
    if (this.#rows === null) return
    const {pane} = this.#rows
    this.#rows = null
    this.#show({pane})
  }
}

const same = (one, other) => one !== null && one.epoch === other.epoch && one.seq === other.seq
