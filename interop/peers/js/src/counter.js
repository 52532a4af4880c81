/** Microseconds since 1970. */
export const microseconds = () => Math.round((performance.timeOrigin + performance.now()) * 1000)

/** Counts the messages of a topic in place of printing them. */
export class Counter {
  #received = 0
  #seen = new Set()
  /** of those seen for the first time */
  #latencies = []
  #published = 0
  #first = 0
  #last = 0

  add (data) {
    const now = microseconds()
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
    const number = Number(view.getBigUint64(0))
    const stamp = Number(view.getBigUint64(8))
    this.#received++
    if (this.#seen.has(number)) {
      return
    }
    this.#seen.add(number)
    this.#latencies.push(now - stamp)
    this.#first ||= now
    this.#last = now
    if (this.#published === 0 || stamp < this.#published) {
      this.#published = stamp
    }
  }

  result (latencies) {
    return {
      received: this.#received,
      distinct: this.#seen.size,
      published_us: this.#published,
      first_us: this.#first,
      last_us: this.#last,
      ...(latencies ? { latencies_us: this.#latencies } : {})
    }
  }
}
