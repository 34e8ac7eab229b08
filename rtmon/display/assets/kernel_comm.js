// The Jupyter comm from an output to the kernel. Reopens after each loss of the connection. All times
// are in milliseconds.
const FRESH = 5000, YOUNG = 3000, ALIVE = 10000, AGAIN = 30000
const RESTARTED = "The kernel was restarted: run this notebook's cells again, down to this one."
const REPLACED = "Run this cell again to have it live."

class KernelComm {
  #kernel
  #view
  #listener
  #comm = ""
  #joined = false
  #heard = -Infinity
  #why = ""
  #asked = 0
  #opened = 0
  #born = performance.now()
  trying = true  // true if the connection may recover without user action

  // kernel: the kernel's id, or "" if unknown. The listener's methods are called as follows: opened()
  // each time the comm is opened, received(said) with each message from the kernel, and lost() when the
  // connection is lost.
  constructor(kernel, view, listener) {
    this.#kernel = kernel === "" ? null : Kernel.of(kernel)
    this.#view = view
    this.#listener = listener
  }

  get live() { return performance.now() - this.#heard < FRESH }

  // Reason why no messages arrive; "" while it is too early to know.
  get trouble() {
    if (this.#kernel === null) return "This page cannot reach its kernel."
    if (performance.now() - this.#born < YOUNG) return this.#why
    return this.#why || "The kernel does not answer; it may be busy."
  }

  say(said) { if (this.#opened > 0) this.#kernel.send(this.#comm, "comm_msg", said) }

  // Open or reopen the comm if needed, and send a keepalive message every ten seconds. Call this about
  // once a second while the output is visible.
  check() {
    const now = performance.now()
    if (!this.#joined) this.#join()
    else if (!this.live && this.#why === "" && now - this.#opened > AGAIN) this.#ask()
    if (now - this.#asked < ALIVE) return
    this.#asked = now
    this.say({do: "alive"})
  }

  // Close the comm. The next check() opens it again.
  close() {
    this.#kernel?.close(this.#comm)
    this.#joined = false
    this.#opened = 0
  }

  #join() {
    if (this.#kernel === null) return
    this.#comm = crypto.randomUUID()
    this.#joined = true
    this.#kernel.open(this.#comm, {
      ready: () => this.#ask(),
      receive: (said) => {
        this.#heard = performance.now()
        this.#why = ""
        this.trying = true
        this.#listener.received(said)
      },
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
    this.#kernel.send(this.#comm, "comm_open", {view: this.#view})
    this.#listener.opened()
  }

  #fail(why, trying = false) {
    this.#why = why
    this.trying = trying
    this.#heard = -Infinity
    this.#listener.lost()
  }
}
