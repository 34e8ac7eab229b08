// Addresses of views: built for links, and parsed from the host's current address.
const SHARED = ["range", "from", "to", "at"]  // parameters that a change of page keeps

const paramsNow = () => new URLSearchParams(host.search)

// The address of a view: this one with changes, or a fresh one that keeps only what all pages share.
function addressOf(changes, {fresh = false} = {}) {
  const now = paramsNow()
  const params = new URLSearchParams()
  for (const [name, value] of now) if (!fresh || SHARED.includes(name)) params.set(name, value)
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === undefined || value === "") params.delete(name)
    else params.set(name, String(value))
  }
  if (params.get("page") === "overview") params.delete("page")
  const text = params.toString()
  return text === "" ? host.base : `?${text}`
}

// Parse a time in a URL, which is in Unix seconds or ISO 8601 (in the viewer's time zone if it has
// no zone). Returns Unix seconds, or 0 for other text. URL decoding turns a plus sign into a space.
function secondsOf(text) {
  const seconds = Number(text)
  return Number.isNaN(seconds) ? Date.parse(text.replace(/(T.*) /, "$1+")) / 1e3 || 0 : seconds
}

// The time range in the URL as [begin, end] in Unix seconds; null if the URL has no range.
function rangeOf(params) {
  const begin = secondsOf(params.get("from")), end = secondsOf(params.get("to"))
  return end > begin && begin > 0 ? [begin, end] : null
}

// What a link to a page changes: events are those of the range that the charts show.
function pageChanges(page) {
  const range = rangeOf(paramsNow())
  return page === "events" && range !== null ? {page, since: range[0], until: range[1]} : {page}
}

let app

// Go to a view. keep: the view stays as it is, only what it asks for changes.
function go(changes, {fresh = false, keep = false} = {}) {
  host.visit(addressOf(changes, {fresh}), {keep})
  app.arrive({keep})
}
