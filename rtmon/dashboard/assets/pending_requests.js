// Requests that were sent through a link, until they are answered.
class PendingRequests {
  #open = new Map()
  #next = 1

  // Send a request. The promise stays pending if the connection is lost before the answer.
  ask(say, said) {
    const id = this.#next++
    const answer = new Promise((resolve) => this.#open.set(id, resolve))
    say({...said, id})
    return answer
  }

  answer({answer, value}) {
    this.#open.get(answer)?.(value)
    this.#open.delete(answer)
  }

  forget() { this.#open.clear() }
}
