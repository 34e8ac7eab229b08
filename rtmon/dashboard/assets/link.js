// The WebSocket from a browser tab to the dashboard's server. Detects when the connection is lost, and
// reconnects until the server is available.
const BUILD = document.currentScript.dataset.build  // hash of this script's version
const TICKET = {"Rtmon-Ticket": document.currentScript.dataset.ticket}  // proves that Panel authorized this page
const SEVERAL = document.currentScript.src === ""  // true if several processes share the server's port
const SILENCE = 3000  // milliseconds without a message after which the connection counts as lost
const OPENING = 4000  // maximum milliseconds for opening a connection
const PAUSES = [200, 500, 1000, 1500]  // milliseconds between attempts to connect; the last value repeats

// Sends an HTTP request to one of the dashboard's routes. A server process adds these routes when it
// serves its first page. If a route is missing, this requests the page and then tries again.
async function fetchShown(url, options) {
  for (let attempt = 1; ; attempt++) {
    const answer = await fetch(url, options)
    if (answer.status !== 404 || attempt === 4) return answer
    await fetch(location.href, {cache: "no-store", signal: options.signal})
  }
}

class Link {
  #url
  #receive
  #changed
  #socket = null
  #heard = -Infinity
  #attempts = 0
  #timer = null
  #questions = new PendingRequests()
  trying = true  // reconnects automatically
  lost = "connecting"  // reason why the connection is lost; null while it is alive

  constructor(url, {receive, changed}) {
    this.#url = url
    this.#receive = receive
    this.#changed = changed
    setInterval(() => this.#check(), 250)
    addEventListener("visibilitychange", () => this.#look())
    this.#open()
  }

  get alive() { return this.lost === null }

  say(said) { if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(said)) }

  // Send a request; returns a promise of the answer. If the connection is lost, it never settles.
  ask(page, asked) { return this.#questions.ask((said) => this.say(said), {do: "ask", page, asked}) }

  async #open() {
    // Browsers delay new WebSockets after many have failed. So later attempts first send an HTTP
    // request, and open a WebSocket only if the server answers.
    if (this.#attempts > PAUSES.length && !(await this.#find())) {
      this.#timer = null
      this.#again(PAUSES.at(-1))
      return
    }
    this.#timer = null
    const socket = this.#socket = new WebSocket(this.#url)
    this.#heard = performance.now()
    socket.onopen = () => { if (document.hidden) this.say({do: "hide"}) }
    socket.onmessage = ({data}) => { if (socket === this.#socket) this.#hear(JSON.parse(data)) }
    socket.onclose = ({reason}) => { if (socket === this.#socket) this.#lose(reason || "The dashboard's server does not answer.") }
  }

  #hear(message) {
    this.#heard = performance.now()
    this.#attempts = 0
    if (message.build !== undefined) {
      if (message.build !== BUILD) location.reload()
      return
    }
    const back = this.lost !== null
    this.lost = null
    if (message.answer !== undefined) {
      this.#questions.answer(message)
    } else {
      this.#receive(message)
    }
    if (back) this.#changed(true)
  }

  #check() {
    if (this.#socket === null || document.hidden) return
    const limit = this.#socket.readyState === WebSocket.CONNECTING ? OPENING : SILENCE
    if (performance.now() - this.#heard > limit) this.#lose("Nothing comes from the dashboard's server.")
  }

  // Tell the server whether the tab is visible. A hidden tab gets only the alerts for its title.
  #look() {
    this.#heard = performance.now()
    this.say({do: document.hidden ? "hide" : "see"})
    if (!document.hidden && this.#socket === null) this.#again()
  }

  #lose(why) {
    const socket = this.#socket
    this.#socket = null
    socket?.close()
    this.#questions.forget()
    const before = this.lost
    this.lost = why
    if (before === null) this.#changed(false)
    this.#attempts += 1
    if ((this.#attempts > 1 || SEVERAL) && this.#attempts <= PAUSES.length) this.#find()
    this.#again(PAUSES[Math.min(this.#attempts, PAUSES.length) - 1])
  }

  #again(pause = 0) {
    if (this.#timer === null) this.#timer = setTimeout(() => this.#open(), pause)
  }

  // Find out by HTTP why the WebSocket fails: the server is down, the server refuses this page, or
  // the process has not added its routes. Returns true if the server answers.
  async #find() {
    const asked = {cache: "no-store", headers: {...TICKET, "Rtmon-Origin": location.host}, signal: AbortSignal.timeout(OPENING)}
    try {
      const answer = await fetchShown(this.#url.replace(/^ws/, "http"), asked)
      if (answer.redirected || answer.status === 403) location.reload()
      else if (answer.ok) {
        const {refused} = await answer.json()
        if (refused && this.lost !== null) { this.lost = refused; this.#changed(false) }
        else if (SEVERAL) this.#rouse()
      }
      return answer.ok
    } catch { return false }  // the server is down
  }

  // Request the page from another server process, so that the process adds its routes. fetch() would
  // reuse an open connection to the same process. A new WebSocket opens a new TCP connection, which
  // any process may accept. The handshake fails, because the page is not a WebSocket.
  #rouse() {
    new WebSocket(location.href.replace(/^http/, "ws").replace(/#.*$/, ""))
  }
}
