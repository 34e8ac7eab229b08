// The connection from a page in a notebook cell to the kernel, over a Jupyter comm. It has the same
// interface as Link in link.js.
class NotebookLink {
  #line
  #listener
  #questions = new PendingRequests()
  #clock
  #heard = false  // true if a message has arrived since the comm was opened
  #ended = false

  constructor(kernel, view, listener) {
    this.#listener = listener
    this.#line = new KernelComm(kernel, view, {
      opened: () => {},
      received: ({text}) => this.take(JSON.parse(text)),
      lost: () => this.#lose(),
    })
    this.#clock = setInterval(() => this.#check(), 1000)
    this.#check()
  }

  get alive() { return this.#ended || (this.#heard && this.#line.live) }
  get trying() { return this.#line.trying }
  get lost() { return this.alive ? null : this.#line.trouble || "connecting" }

  say(said) { this.#line.say(said) }

  // Send a request; returns a promise of the answer. If the connection is lost, it never settles.
  ask(page, asked) { return this.request({do: "ask", page, asked}) }
  request(said) { return this.#questions.ask((numbered) => this.say(numbered), said) }

  take(message) {
    const back = !this.#heard
    this.#heard = true
    if (message.answer !== undefined) this.#questions.answer(message)
    else this.show(message)
    if (back) this.#listener.changed(true)
  }

  // Pass a message from the kernel, or the message in the saved output, to the app.
  show(message) {
    if (message.frame !== undefined) this.#ended = message.frame.status.kind === "ended"
    this.#listener.receive(message)
  }

  close() {
    clearInterval(this.#clock)
    this.#line.close()
  }

  #check() {
    if (document.hidden) return
    this.#line.check()
    if (this.#heard && !this.#line.live) this.#lose()
  }

  #lose() {
    this.#questions.forget()
    const before = this.#heard
    this.#heard = false
    if (before) this.#listener.changed(false)
  }
}
