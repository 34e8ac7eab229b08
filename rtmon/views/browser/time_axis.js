// A time axis shared by several charts: their time range, and the moment under the mouse pointer.
// A subclass must define `begin` and `end` of the range in milliseconds, and `points`: an object
// with the list `time` in milliseconds, and a list of values for the key of each series.
class TimeAxis {
  #listeners = new Set()
  #pointed = null  // the moment that the pointer was last over, milliseconds

  get elapsed() { return false }  // true if times count from the start of a run, not since 1970
  get live() { return true }  // false while the charts show a time range of the past
  get gaps() { return [] }  // time ranges without data: [begin, end, reason]
  get bands() { return {} }  // key of a series → [lowest values, highest values] within each point

  onchange(listener) {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  tell() { for (const listener of this.#listeners) listener() }

  point(time) {
    this.#pointed = time
    this.tell()
  }

  // The moment under the pointer; null if there is none, or if it has left the time range.
  get pointer() {
    const time = this.#pointed
    return time !== null && time >= this.begin && time <= this.end ? time : null
  }
}
