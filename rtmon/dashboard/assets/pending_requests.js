// Requests sent over a connection whose answers have not arrived.
class PendingRequests {
  #open = new Map()
  #next = 1

  // Send a request by calling say(); returns a promise of the answer. If the connection is lost, the
  // promise never settles.
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
