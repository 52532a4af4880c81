import { Uint8ArrayList } from 'uint8arraylist'
import { progress } from './patience.js'

export const CHUNK = 64 * 1024

const PAUSE_AT = 1024 * 1024

/**
 * Reads a stream chunk by chunk up to its end. The stream's own iterator cannot be used: it does not slow the sender
 * down, and it never ends where the other side closed before the iteration began.
 */
export class Reader {
  #stream
  #chunks = []
  #queued = 0
  #ended = false
  #error
  #wake
  #resuming = false

  constructor (stream) {
    this.#stream = stream
    stream.addEventListener('message', event => {
      progress()
      this.#chunks.push(event.data)
      this.#queued += event.data.byteLength
      this.#pauseIfFull()
      this.#wake?.()
    })
    stream.addEventListener('end', () => {
      this.#ended = true
      this.#wake?.()
    })
    stream.addEventListener('close', event => {
      this.#ended = true
      this.#error = event.error
      this.#wake?.()
    })
    // Its end may have been announced before now, and yet data that came with the protocol's negotiation is only handed
    // over in a microtask that was queued when the listener was added.
    queueMicrotask(() => {
      if (stream.status === 'aborted' || stream.status === 'reset') {
        this.#error ??= new Error(`the stream is ${stream.status}`)
      }
      this.#ended ||= stream.readableEnded || stream.status !== 'open'
      this.#wake?.()
    })
  }

  /** @returns the next chunk, a Uint8Array or Uint8ArrayList, or undefined at the end of the stream */
  async read () {
    while (this.#chunks.length === 0) {
      if (this.#stream.readStatus === 'paused') {
        this.#resume()
        continue
      }
      if (this.#error != null) {
        throw this.#error
      }
      if (this.#ended) {
        return undefined
      }
      await new Promise(resolve => { this.#wake = resolve })
    }
    const chunk = this.#chunks.shift()
    this.#queued -= chunk.byteLength
    return chunk
  }

  #pauseIfFull () {
    if (this.#queued >= PAUSE_AT && !this.#resuming && this.#stream.readStatus === 'readable') {
      this.#stream.pause()
    }
  }

  #resume () {
    // This hands over at once what came meanwhile. Pausing again before it is done would leave a stream that says it
    // is paused and yet goes on letting the other side send.
    this.#resuming = true
    this.#stream.resume()
    this.#resuming = false
    this.#pauseIfFull()
  }

  /** Reads exactly that many bytes; what is left of the last chunk is read next. */
  async readExactly (length) {
    const bytes = new Uint8ArrayList()
    while (bytes.byteLength < length) {
      const chunk = await this.read()
      if (chunk == null) {
        throw new Error(`the stream ended after ${bytes.byteLength} of ${length} bytes`)
      }
      bytes.append(chunk)
    }
    if (bytes.byteLength > length) {
      const rest = bytes.sublist(length)
      this.#chunks.unshift(rest)
      this.#queued += rest.byteLength
    }
    return bytes.subarray(0, length)
  }

  async * [Symbol.asyncIterator] () {
    for (let chunk = await this.read(); chunk != null; chunk = await this.read()) {
      yield chunk
    }
  }
}

/**
 * Hands the data to the stream and waits until the stream takes more. It goes in pieces, as the library puts into one
 * yamux frame all that the window lets through, and rust-yamux ends the connection at a frame of more than 1 MiB.
 */
export async function send (stream, data) {
  for (let start = 0; start < data.byteLength; start += CHUNK) {
    await sendPiece(stream, data.byteLength <= CHUNK ? data : cut(data, start, start + CHUNK))
  }
}

const cut = (data, start, end) => data instanceof Uint8Array ? data.subarray(start, end) : data.sublist(start, Math.min(end, data.byteLength))

async function sendPiece (stream, piece) {
  progress()
  if (!stream.send(piece)) {
    // Not stream.onDrain(): it waits only the first time it is called.
    while (stream.writableNeedsDrain) {
      if (stream.writeStatus === 'closed') {
        throw new Error('the stream was closed while it was written to')
      }
      await drained(stream)
    }
    progress()
  }
}

function drained (stream) {
  return new Promise((resolve, reject) => {
    const done = event => {
      stream.removeEventListener('drain', done)
      stream.removeEventListener('close', done)
      if (event.type === 'close') {
        reject(event.error ?? new Error('the stream was closed while it was written to'))
      } else {
        resolve()
      }
    }
    stream.addEventListener('drain', done)
    stream.addEventListener('close', done)
  })
}

export function updateHash (hash, chunk) {
  for (const part of chunk instanceof Uint8Array ? [chunk] : chunk) {
    hash.update(part)
  }
}

const ZEROS = new Uint8Array(CHUNK)

export async function sendZeros (stream, count) {
  for (let left = count; left > 0; left -= CHUNK) {
    await send(stream, left < CHUNK ? ZEROS.subarray(0, left) : ZEROS)
  }
}
