// The WebSocket to the dashboard's server. It reports when no messages arrive any more, and
// reconnects until the server is back.
const BUILD = document.currentScript.dataset.build  // names this script
const TICKET = {"Rtmon-Ticket": document.currentScript.dataset.ticket}  // shows that this page was let in
const SEVERAL = document.currentScript.src === ""  // several processes share the server's port
const SILENCE = 3000  // milliseconds without a message after which the link counts as lost
const OPENING = 4000  // that opening a link may take
const PAUSES = [200, 500, 1000, 1500]  // between two attempts; the last for all later ones

// Ask for one of the dashboard's own addresses. A process of the server has them from the first
// page on that it shows: where they are not there, it shows this one.
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
  trying = true  // it tries again by itself
  lost = "connecting"  // why nothing comes; null while the link is alive

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

  // Send one request. The promise stays pending if the connection is lost before the answer.
  ask(page, asked) { return this.#questions.ask((said) => this.say(said), {do: "ask", page, asked}) }

  async #open() {
    // A browser holds up new WebSockets for seconds after many have failed: later attempts ask first.
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

  // The server sends a hidden tab only the alerts for the tab's title.
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

  // Find out why: the server is away, it lets nobody in from here, or the process that was
  // asked has not shown a page yet. True if it answers.
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
    } catch { return false }  // it is away
  }

  // Have another process of the server show this page, and so get the addresses. What is fetched
  // goes to the process that a connection is open to already; a WebSocket opens one of its own,
  // and any process may take it. It fails, as the page is no WebSocket.
  #rouse() {
    new WebSocket(location.href.replace(/^http/, "ws").replace(/#.*$/, ""))
  }
}
