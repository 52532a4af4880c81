import { createHash } from 'node:crypto'
import { Reader, send, sendZeros, updateHash } from './io.js'
import { STREAM_LIMITS } from './node.js'

export const ECHO = '/echo/1.0.0'
export const HASH = '/hash/1.0.0'
export const PERF = '/perf/1.0.0'
export const PING = '/ipfs/ping/1.0.0'

async function echo (stream) {
  for await (const chunk of new Reader(stream)) {
    await send(stream, chunk)
  }
}

async function hash (stream) {
  const sum = createHash('sha256')
  for await (const chunk of new Reader(stream)) {
    updateHash(sum, chunk)
  }
  await send(stream, sum.digest())
}

async function perf (stream) {
  const reader = new Reader(stream)
  const header = await reader.readExactly(8)
  const answer = Number(Buffer.from(header).readBigUInt64BE())
  while (await reader.read() != null) {
    // the data itself does not matter
  }
  await sendZeros(stream, answer)
}

export async function serve (node) {
  for (const [protocol, handler] of [[ECHO, echo], [HASH, hash], [PERF, perf]]) {
    await node.handle(protocol, async stream => {
      try {
        await handler(stream)
        await stream.close()
      } catch (error) {
        console.error(`${protocol}: ${error.message}`)
        stream.abort(error)
      }
    }, STREAM_LIMITS)
  }
}
