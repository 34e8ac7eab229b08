// The app's host in a browser tab: gives the app its URL, its title, and the connection to the server.
// In a notebook cell, NotebookHost in notebook_host.js has the same members.
class BrowserHost {
  embedded = false  // the app fills the browser tab
  root = document.getElementById("rtmon")
  keys = window  // target of the app's keyboard listeners
  scroller = window  // scrolled to the top when another page opens
  get active() { return document.activeElement }

  get search() { return location.search }
  get base() { return location.pathname }  // the URL's path without parameters

  visit(address, {keep = false} = {}) {
    if (keep) history.replaceState(null, "", address)
    else history.pushState(null, "", address)
  }

  // Call a function when the user has changed the URL with the browser's back or forward button.
  onreturn(returned) { addEventListener("popstate", returned) }

  // Returns true if the app handles a click on a link, false if the browser handles it.
  follows(link, event) {
    if (event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || link.target || link.hash) return false
    return link.origin === location.origin && link.pathname === location.pathname
  }

  set title(title) { if (document.title !== title) document.title = title }

  connect(listener) {
    const channel = new URL(`rtmon/channel?ticket=${encodeURIComponent(TICKET["Rtmon-Ticket"])}`, location.href.replace(/[?#].*$/, ""))
    return new Link(channel.href.replace(/^http/, "ws"), listener)
  }

  // Downloads a table as a file; returns the file's name and content.
  async file(asked) {
    const answer = await fetchShown("rtmon/download", {method: "POST", headers: TICKET, body: JSON.stringify(asked)})
    if (!answer.ok) throw new Error((await answer.json()).error)
    return [/filename="([^"]+)"/.exec(answer.headers.get("Content-Disposition"))[1], await answer.blob()]
  }

  // Returns the element before the links to the pages: the rtmon logo.
  head() {
    const brand = element("a", {class: "brand", href: this.base})
    brand.innerHTML = MARK
    brand.append("rtmon")
    return brand
  }

  // Returns the buttons at the end of the toolbar.
  tools(showKeys) {
    const tool = (name, label, text, does) => {
      const button = element("button", {type: "button", class: name, title: label, ...(text.length < 2 ? {"aria-label": label.replace(/ \(.*/, "")} : {})}, text)
      button.onclick = does
      return button
    }
    this.#copy = tool("copy", "Copy a link that opens this view", "Copy link", () => this.copy())
    this.#nameCopy()
    return [this.#copy, tool("theme", "Light or dark", "◐", () => this.toggleTheme()), tool("help", "Keys (?)", "?", showKeys)]
  }

  toggleTheme() { window.rtmonTheme.toggle() }

  async copy() {
    try { await navigator.clipboard.writeText(location.href) } catch { prompt("The link to this view:", location.href); return }
    this.#copy.textContent = "Copied"
    setTimeout(() => this.#nameCopy(), 1500)
  }

  // On phones, CSS hides the word "link", because the toolbar is too narrow.
  #nameCopy() { this.#copy.replaceChildren("Copy", element("span", {class: "rest"}, " link")) }

  #copy
}

const host = new BrowserHost()
