// A notebook's cell as the host of the app: an address of its own, and the kernel at the other end.
// It outlives the element that shows it: JupyterLab makes that anew each time the kernel replaces
// the saved output, and when a cell is moved.
const FORGET = 60000  // milliseconds for which a host without an element is kept

class NotebookHost {
  static #idle = new Map()  // view → the host that has no element now

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
  keys = this.root  // the keyboard is the notebook's while the focus is elsewhere
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
    // What leaves the page with its cell loses the focus, too, and gets it back with it.
    this.root.addEventListener("focusout", () => queueMicrotask(() => { if (this.root.isConnected) this.#focused = this.active }))
    this.root.addEventListener("scroll", ({target}) => { if (this.root.isConnected) this.#scrolled = [target, target.scrollTop] }, true)
    this.#app = openApp(this)
  }

  // Stand in an element's shadow.
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

  // There is no other tab in which the app could open a link.
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

// The element that stands in a cell's output.
class RtmonPage extends HTMLElement {
  #host = null
  #theme

  connectedCallback() {
    if (this.shadowRoot === null) this.attachShadow({mode: "open"}).append(element("style", {}, STYLE))
    // JupyterLab's keys are its own again as soon as the focus is outside.
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
