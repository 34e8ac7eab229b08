// Scales of charts and sparklines: axis ticks for values and times, and the usual highest value.
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400, 172_800]
const LETTER = 6.4  // width of a letter of an axis label, pixels

// Format a time on an axis: time of day in the viewer's time zone, or seconds since the start.
const timeText = ({elapsed}, milliseconds) => elapsed ? `${number(milliseconds / 1e3)} s` : clockText(milliseconds)

// Return the SVG of the time labels below a chart, as many as fit without overlapping.
function moments({begin, end, elapsed}, width, height, x) {
  const span = (end - begin) / 1e3
  const zone = elapsed ? 0 : new Date(begin).getTimezoneOffset() * 60
  const roomFor = (letters) => Math.max(1, Math.floor((width - LEFT - RIGHT) / (letters * LETTER + 18)))
  const step = STEPS.find((each) => span / each <= roomFor(each % 60 === 0 ? 5 : 8)) ?? Math.ceil(span / roomFor(5) / 86_400) * 86_400
  const found = []
  for (let at = Math.ceil((begin / 1e3 - zone) / step) * step + zone; at * 1e3 <= end; at += step) {
    const text = elapsed ? `${number(at)} s` : dialText(at, step)
    const half = text.length * LETTER / 2
    if (x(at * 1e3) - half < LEFT - 20 || x(at * 1e3) + half > width) continue
    found.push(`<text x="${x(at * 1e3).toFixed(1)}" y="${height - 4}" text-anchor="middle">${text}</text>`)
  }
  return found.join("")
}

// Format a time label in the viewer's time zone: a date, hours and minutes, or also seconds,
// depending on the step between two labels. Both arguments are in seconds.
function dialText(seconds, step) {
  const date = new Date(seconds * 1e3)
  if (step >= 86_400) return `${date.getDate()}.${date.getMonth() + 1}.`
  return `${two(date.getHours())}:${two(date.getMinutes())}${step % 60 === 0 ? "" : `:${two(date.getSeconds())}`}`
}

const escaped = (text) => text.replace(/[&<>"]/g, (letter) => `&#${letter.charCodeAt(0)};`)

function nearest(time, moment) {
  let low = 0, high = time.length - 1
  while (low < high) {
    const middle = (low + high) >> 1
    if (time[middle] < moment) low = middle + 1
    else high = middle
  }
  return low > 0 && moment - time[low - 1] < time[low] - moment ? low - 1 : low
}

// Return the 96th percentile of the positive values. An axis that ends there is not stretched by
// a single burst.
function usual(values) {
  const sorted = values.filter((value) => value > 0).sort((a, b) => a - b)
  return sorted.length === 0 ? 0 : sorted[Math.floor((sorted.length - 1) * 0.96)]
}

// Return axis ticks from 0 up; the step is 1, 2 or 5 times a power of ten.
function ticksOf(most, height, whole) {
  const top = most < 1e-9 ? 1 : most
  const rough = top / Math.max(1, Math.round(height / 36))
  const power = 10 ** Math.floor(Math.log10(rough))
  let step = [1, 2, 5, 10].find((each) => each * power >= rough * (1 - 1e-9)) * power
  if (whole) step = Math.max(1, step)
  return Array.from({length: Math.ceil(top / step - 1e-9) + 1}, (_, at) => at * step)
}

// Return the SVG of a small line chart without axes, for a tile or a table row.
function sparkline(values, color, {width = 100, height = 24} = {}) {
  const most = Math.max(...values.filter(known), 0) || 1
  let path = ""
  values.forEach((value, at) => {
    if (!known(value)) return
    const across = (at / Math.max(1, values.length - 1) * width).toFixed(1), down = (height - 2 - value / most * (height - 4)).toFixed(1)
    path += `${path === "" || !known(values[at - 1]) ? "M" : "L"}${across} ${down}`
  })
  return `<svg class="spark" viewBox="0 0 ${width} ${height}" preserveAspectRatio="none" aria-hidden="true"><path d="${path}" fill="none" stroke="${color}" stroke-width="1.5" vector-effect="non-scaling-stroke"/></svg>`
}
