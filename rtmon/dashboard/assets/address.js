// URLs of the dashboard's pages: builds URLs for links, and parses the current URL's parameters.
const SHARED = ["range", "from", "to", "at"]  // URL parameters that links to other pages keep

const paramsNow = () => new URLSearchParams(host.search)

// Returns a page's URL: the current URL with changed parameters. With fresh, only the parameters in
// SHARED are kept from the current URL.
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

// Converts the time in a URL parameter to Unix seconds; 0 if invalid. The parameter contains Unix
// seconds or ISO 8601 text. A time without a zone is in the viewer's time zone. URLSearchParams
// decodes the "+" of a zone as a space.
function secondsOf(text) {
  const seconds = Number(text)
  return Number.isNaN(seconds) ? Date.parse(text.replace(/(T.*) /, "$1+")) / 1e3 || 0 : seconds
}

// Returns the time range in the URL, [begin, end] in Unix seconds; null if the URL has no range.
function rangeOf(params) {
  const begin = secondsOf(params.get("from")), end = secondsOf(params.get("to"))
  return end > begin && begin > 0 ? [begin, end] : null
}

// Returns the URL parameters of a link to a page. A link to the Events page shows only the events in
// the charts' time range.
function pageChanges(page) {
  const range = rangeOf(paramsNow())
  return page === "events" && range !== null ? {page, since: range[0], until: range[1]} : {page}
}

let app

// Opens the page with these URL parameters. With keep, the present page stays open and only sends a
// new request.
function go(changes, {fresh = false, keep = false} = {}) {
  host.visit(addressOf(changes, {fresh}), {keep})
  app.arrive({keep})
}
