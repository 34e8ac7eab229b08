// The app's host in a notebook cell: gives the app its own URL and a connection to the kernel.
// JupyterLab replaces a cell's element when the kernel updates the saved output and when the cell is
// moved. The host object is kept, and moves to the new element.
const FORGET = 60000  // milliseconds after which a host without an element is closed

class NotebookHost {
  static #idle = new Map()  // output id → host that currently has no element

  static of({view, kernel, address, message}) {
    const saved = JSON.parse(message)
    const host = NotebookHost.#idle.get(view) ?? new NotebookHost(view, kernel, address)
    clearTimeout(host.#forgotten)
    NotebookHost.#idle.delete(view)
    host.#update(saved)
    return host
  }

  embedded = true
  root = element("div", {class: "cell"})
  keys = this.root  // shortcuts work only while the focus is in the cell
  scroller = null
  base = "?"
  #view
  #kernel
  #app
  #link
  #past = []
  #back = element("button", {type: "button", class: "back", title: "Back", "aria-label": "Back"}, "‹")
  #returned = () => {}
  #forgotten = null
  #focused = null
  #scrolled = []

  constructor(view, kernel, address) {
    this.#view = view
    this.#kernel = kernel
    this.search = address
    this.#back.disabled = true
    this.#back.onclick = () => this.#goBack()
    this.root.addEventListener("auxclick", (event) => { if (event.target.closest("a[href^='?']")) event.preventDefault() })
    this.root.addEventListener("focusin", ({target}) => { this.#focused = target })
    // An element that is removed with its cell loses the focus. enter() restores the focus, so the
    // focused element is forgotten only if the cell is still on the page.
    this.root.addEventListener("focusout", () => queueMicrotask(() => { if (this.root.isConnected) this.#focused = this.active }))
    this.root.addEventListener("scroll", ({target}) => { if (this.root.isConnected) this.#scrolled = [target, target.scrollTop] }, true)
    this.#app = openApp(this)
  }

  // Move the app into the shadow root of a new element; restore its scroll position and focus.
  enter(shadow) {
    const focused = this.#focused, [scrolled, top] = this.#scrolled
    shadow.append(this.root)
    if (scrolled) scrolled.scrollTop = top
    focused?.focus({preventScroll: true})
  }

  leave() {
    NotebookHost.#idle.set(this.#view, this)
    this.#forgotten = setTimeout(() => {
      NotebookHost.#idle.delete(this.#view)
      this.#app.close()
    }, FORGET)
  }

  #update(saved) {
    const shown = this.#app.store.frame
    if (!this.#link.alive && (shown === null || saved.frame.now > shown.now)) this.#link.show(saved)
  }

  get active() { return this.root.getRootNode().activeElement ?? null }

  visit(address, {keep = false} = {}) {
    if (!keep) this.#past.push(this.search)
    this.#back.disabled = this.#past.length === 0
    this.search = address
  }

  #goBack() {
    this.search = this.#past.pop()
    this.#back.disabled = this.#past.length === 0
    this.#returned()
  }

  onreturn(returned) { this.#returned = returned }

  // Returns true if the app handles a click on a link. A page of the app cannot open in another tab.
  follows(link) { return link.getAttribute("href").startsWith("?") }

  set title(title) { this.root.setAttribute("aria-label", title) }

  connect(listener) {
    this.#link = new NotebookLink(this.#kernel, this.#view, listener)
    return this.#link
  }

  async file(asked) {
    const {name, text, error} = await this.#link.request({do: "file", asked})
    if (error !== undefined) throw new Error(error)
    return [name, new Blob([text], {type: name.endsWith(".csv") ? "text/csv;charset=utf-8" : "application/json"})]
  }

  head() { return this.#back }
  tools() { return [] }
}

// The custom element in a cell's output.
class RtmonPage extends HTMLElement {
  #host = null
  #theme

  connectedCallback() {
    if (this.shadowRoot === null) this.attachShadow({mode: "open"}).append(element("style", {}, STYLE))
    // Disable JupyterLab's keyboard shortcuts while the focus is in this element.
    this.dataset.lmSuppressShortcuts = "true"
    this.style.setProperty("--tallest", `${this.dataset.height}px`)
    this.#host = NotebookHost.of(this.dataset)
    this.#host.enter(this.shadowRoot)
    this.#theme = followTheme(this)
  }

  disconnectedCallback() {
    this.#host.leave()
    this.#theme.disconnect()
  }
}
