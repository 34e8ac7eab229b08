// Numbers and times for people, as rtmon/views/number_format.py writes them; times in the viewer's zone.
function scaled(value) {
  let step = 0
  while (Math.abs(value) >= 999.5 && step < PREFIXES.length - 1) { value /= 1000; step += 1 }
  return [value, PREFIXES[step]]
}

function number(value, digits = 2) {
  return value.toLocaleString("en", {maximumFractionDigits: digits})
}

const known = (value) => value !== null && value !== undefined

// A value of a chart with its unit: "1.86 kB/s", "1,860 ms".
function valueText(chart, value) {
  if (!known(value)) return UNKNOWN
  const [size, prefix] = chart.prefixed ? scaled(value) : [value, ""]
  return `${Number(size.toPrecision(3)).toLocaleString("en")} ${prefix}${chart.unit.split(" ")[0]}`.trimEnd()
}

// The same without the unit, which stands in the title.
function shortText(chart, value) {
  if (!known(value)) return UNKNOWN
  const [size, prefix] = chart.prefixed || Math.abs(value) >= 100_000 ? scaled(value) : [value, ""]
  return `${Number(size.toPrecision(3)).toLocaleString("en")}${prefix}`
}

const two = (value) => String(value).padStart(2, "0")

// Time of day in the viewer's zone; with the date if it is of another day.
function clockText(milliseconds, seconds = true) {
  const at = new Date(milliseconds)
  const day = at.toDateString() === new Date().toDateString() ? "" : `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} `
  return `${day}${two(at.getHours())}:${two(at.getMinutes())}${seconds ? `:${two(at.getSeconds())}` : ""}`
}

const utcText = (milliseconds) => `${new Date(milliseconds).toISOString().replace("T", " ").slice(0, 19)} UTC`

// A <time> that shows the viewer's zone, and UTC on hover.
function moment(milliseconds, seconds = true) {
  return element("time", {datetime: new Date(milliseconds).toISOString(), title: utcText(milliseconds)}, clockText(milliseconds, seconds))
}

function agoText(seconds) {
  const whole = Math.max(0, Math.round(seconds))
  if (whole < 90) return `${whole} s`
  if (whole < 5400) return `${Math.round(whole / 60)} min`
  return whole < 129_600 ? `${Math.round(whole / 3600)} h` : `${Math.round(whole / 86_400)} d`
}

// How fresh numbers are that the viewer holds, as rtmon/views/data_freshness.py has it.
function paused(milliseconds) {
  return {kind: "paused", pill: "Paused", stale: false, banner: `Paused: this is how it was at ${clockText(milliseconds)}. Nothing is lost; resume to catch up.`}
}

// Write a text where another stands: what is the same already is left alone, also by screen readers.
function write(node, text) { if (node.textContent !== text) node.textContent = text }

// Put children into a node, in place of those it has.
function fill(node, ...children) { node.replaceChildren(...children.filter((child) => child !== null)) }
