// The WebSocket to a kernel on the Jupyter server. It carries the comms of all rtmon outputs on the page.
const RETRY = [1, 2, 4, 8, 15, 30]

class Kernel {
  static #all = new Map()

  static of(id) {
    if (!Kernel.#all.has(id)) Kernel.#all.set(id, new Kernel(id))
    return Kernel.#all.get(id)
  }

  #session = crypto.randomUUID()
  #comms = new Map()
  #socket = null
  #failures = 0

  constructor(id) { this.id = id }

  // Register a comm. The listener's methods are called as follows: ready() each time the WebSocket has
  // opened, receive(data) with each message from the kernel, closed(data) when the kernel closes the
  // comm, and failed(reason, trying) when the kernel cannot be reached. trying: true if the page
  // tries to reconnect.
  open(comm, listener) {
    this.#comms.set(comm, listener)
    if (this.#socket === null) this.#connect()
    else if (this.#socket.readyState === WebSocket.OPEN) listener.ready()
  }

  close(comm) {
    this.send(comm, "comm_close", {})
    this.forget(comm)
  }

  // Close a comm and register its listener under a new id. If an id were opened twice, Python's garbage
  // collector would close the first comm later, and the page would treat this as a close of the second.
  renew(comm) {
    const id = crypto.randomUUID()
    this.#comms.set(id, this.#comms.get(comm))
    this.close(comm)
    return id
  }

  forget(comm) { this.#comms.delete(comm) }

  send(comm, type, data) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return
    const id = crypto.randomUUID()
    const header = {
      msg_id: id, msg_type: type, session: this.#session, username: "", version: "5.3", date: new Date().toISOString(),
    }
    const content = {comm_id: comm, target_name: "rtmon", data}
    this.#socket.send(JSON.stringify({
      channel: "shell", header, parent_header: {}, metadata: {}, content, buffers: [],
    }))
  }

  async #connect() {
    this.#socket = {}
    const server = document.getElementById("jupyter-config-data")
    if (server === null) return this.#fail("This is a saved copy, without a kernel.")
    const base = new URL(JSON.parse(server.textContent).baseUrl, location.href)
    try {
      // Check first that the kernel exists: a failed WebSocket would log an error in the browser console.
      const answer = await fetch(new URL("api/kernels", base))
      const kernels = answer.ok ? await answer.json() : []
      if (answer.ok && !kernels.some((kernel) => kernel.id === this.id)) {
        this.#fail("Its kernel has ended: run this notebook's cells again, down to this one.")
        return
      }
    } catch {
      return this.#retry()
    }
    const address = new URL(`api/kernels/${this.id}/channels?session_id=${this.#session}`, base)
    address.protocol = base.protocol.replace("http", "ws")
    const socket = this.#socket = new WebSocket(address)
    socket.onopen = () => {
      this.#failures = 0
      this.#each((listener) => listener.ready())
    }
    socket.onmessage = ({data}) => { if (typeof data === "string") this.#receive(JSON.parse(data)) }
    socket.onclose = () => this.#retry()
  }

  #retry() {
    this.#each((listener) => listener.failed("Jupyter cannot be reached; trying again.", true))
    setTimeout(() => this.#connect(), 1000 * RETRY[Math.min(this.#failures, RETRY.length - 1)])
    this.#failures += 1
  }

  #fail(why) {
    this.#socket = null
    this.#each((listener) => listener.failed(why))
  }

  #each(tell) { for (const listener of [...this.#comms.values()]) tell(listener) }

  #receive({header, content}) {
    if (header.msg_type === "status" && ["starting", "restarting"].includes(content.execution_state)) {
      this.#each((listener) => listener.ready())  // a restarted kernel has lost its comms
    }
    const listener = this.#comms.get(content.comm_id)
    if (listener === undefined) return
    if (header.msg_type === "comm_msg") listener.receive(content.data)
    else if (header.msg_type === "comm_close") listener.closed(content.data)
  }
}
