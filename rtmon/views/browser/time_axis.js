// A time axis shared by several charts: the shown time range, and the moment under the pointer.
// A subclass has `begin` and `end` in milliseconds, and `points`: `time` and the key of
// each series → values.
class TimeAxis {
  #listeners = new Set()
  #pointed = null  // the moment that was pointed at last, milliseconds

  get elapsed() { return false }  // true if times are counted from a start, not since 1970
  get live() { return true }  // false while a range of the past is shown
  get gaps() { return [] }  // begin, end and reason of times without numbers
  get bands() { return {} }  // key of a series → its lowest and highest values within each point

  onchange(listener) {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  tell() { for (const listener of this.#listeners) listener() }

  point(time) {
    this.#pointed = time
    this.tell()
  }

  // The moment that is pointed at; null once it is not shown any more.
  get pointer() {
    const time = this.#pointed
    return time !== null && time >= this.begin && time <= this.end ? time : null
  }
}
