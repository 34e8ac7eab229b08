// The link of an app in a notebook's cell, through the kernel's comm; as Link in link.js.
class NotebookLink {
  #line
  #listener
  #questions = new PendingRequests()
  #clock
  #heard = false  // since it was opened last
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

  // Send one request. The promise stays pending if the comm is lost before the answer.
  ask(page, asked) { return this.request({do: "ask", page, asked}) }
  request(said) { return this.#questions.ask((numbered) => this.say(numbered), said) }

  take(message) {
    const back = !this.#heard
    this.#heard = true
    if (message.answer !== undefined) this.#questions.answer(message)
    else this.show(message)
    if (back) this.#listener.changed(true)
  }

  // Show a message, also one that was saved.
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
