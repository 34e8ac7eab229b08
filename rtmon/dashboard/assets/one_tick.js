// Holds back updates and table rows until both of the same tick have arrived, so that all shown data
// is from one tick. They arrive separately if the rows take long or the viewer has just requested them.
const ROWLESS = 1500  // maximum milliseconds that an update waits for its tick's rows
const FRAMELESS = 250  // maximum milliseconds that rows wait for their tick's update; short, because the viewer waits

class OneTick {
  #show
  #now
  #frames = []  // updates that wait for their tick's rows, with their arrival times
  #rows = null  // rows that wait for their tick's update, with their arrival time
  #tick = null  // tick of the shown update
  #timer

  // show({frame, pane}) is called with the update or rows to show; now() returns milliseconds.
  constructor(show, now = () => performance.now()) {
    this.#show = show
    this.#now = now
  }

  // Handle a message from the server. rows: false if the page has no rows to wait for.
  take({frame, pane}, {rows}) {
    const came = this.#now()
    if (frame !== undefined) this.#frames.push({frame, came})
    if (pane !== undefined) this.#rows = {pane, came}
    if (rows) this.settle()
    else this.flush()
  }

  // Show all waiting updates and rows at once.
  flush() {
    clearTimeout(this.#timer)
    const frames = this.#frames.splice(0)
    for (const {frame} of frames) this.#showFrame(frame)
    this.#showRows()
  }

  // Show updates and rows that are complete or have waited for the maximum time.
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
