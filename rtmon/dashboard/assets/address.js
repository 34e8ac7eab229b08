// Addresses of views: links hold them, and the host knows the one that is shown.
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

// What a link to a page changes: events are those of the range that the charts show.
function pageChanges(page) {
  const now = paramsNow()
  const [since, until] = [now.get("from"), now.get("to")]
  return page === "events" && since && until ? {page, since, until} : {page}
}

let app

// Go to a view. keep: the view stays as it is, only what it asks for changes.
function go(changes, {fresh = false, keep = false} = {}) {
  host.visit(addressOf(changes, {fresh}), {keep})
  app.arrive({keep})
}
