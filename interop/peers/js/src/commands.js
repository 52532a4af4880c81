import { createHash, randomBytes } from 'node:crypto'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { multiaddr } from '@multiformats/multiaddr'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { CHUNK, Reader, send, sendZeros, updateHash } from './io.js'
import { makeKey, makeNode, STREAM_LIMITS } from './node.js'
import { progress } from './patience.js'
import { ECHO, HASH, PERF, PING } from './protocols.js'

const PATIENCE_MS = 30_000

const print = value => console.log(JSON.stringify(value))

const open = (connection, protocol) =>
  connection.newStream(protocol, { ...STREAM_LIMITS, signal: AbortSignal.timeout(PATIENCE_MS) })

const dial = (node, address) => node.dial(address, { signal: AbortSignal.timeout(PATIENCE_MS) })

async function connected (address, options, use) {
  const node = await makeNode(await makeKey(options.key))
  try {
    return await use(await dial(node, address), node)
  } finally {
    await node.stop()
  }
}

async function sendRandom (stream, count) {
  const sum = createHash('sha256')
  for (let left = count; left > 0; left -= CHUNK) {
    const chunk = randomBytes(Math.min(left, CHUNK))
    sum.update(chunk)
    await send(stream, chunk)
  }
  await stream.close()
  return sum.digest('hex')
}

async function hashReceived (stream) {
  const sum = createHash('sha256')
  let bytes = 0
  for await (const chunk of new Reader(stream)) {
    bytes += chunk.byteLength
    updateHash(sum, chunk)
  }
  return { bytes, sha256: sum.digest('hex') }
}

async function echoOn (stream, bytes) {
  const [sent, received] = await Promise.all([sendRandom(stream, bytes), hashReceived(stream)])
  return { sent, received: received.sha256, receivedBytes: received.bytes }
}

async function hashMatches (connection, bytes) {
  const stream = await open(connection, HASH)
  const reader = new Reader(stream)
  const sent = await sendRandom(stream, bytes)
  const answer = await reader.readExactly(32)
  return Buffer.from(answer).toString('hex') === sent
}

async function pingOn (stream, reader) {
  const sent = randomBytes(32)
  const start = performance.now()
  await send(stream, sent)
  const answer = await reader.readExactly(sent.length)
  const time = performance.now() - start
  if (!sent.equals(answer)) {
    throw new Error('the ping came back with other bytes')
  }
  return time
}

async function pings (connection, count, each) {
  const stream = await open(connection, PING)
  const reader = new Reader(stream)
  for (let i = 0; i < count; i++) {
    each(await pingOn(stream, reader))
  }
  await stream.close()
}

/** Runs one perf stream; gives the ms from before it was opened until its end. */
async function perfTime (connection, upload, download) {
  const start = performance.now()
  const stream = await open(connection, PERF)
  const reader = new Reader(stream)
  const header = Buffer.alloc(8)
  header.writeBigUInt64BE(BigInt(download))
  await send(stream, header)
  await sendZeros(stream, upload)
  await stream.close()
  let received = 0
  for (let chunk = await reader.read(); chunk != null; chunk = await reader.read()) {
    received += chunk.byteLength
  }
  const time = performance.now() - start
  if (received !== download) {
    throw new Error(`${received} bytes came, not ${download}`)
  }
  return time
}

function median (values) {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

function reportCount (count, ok) {
  print({ count, ok })
  if (ok !== count) {
    throw new Error(`${count - ok} of ${count} streams failed`)
  }
}

async function freshNodes (options) {
  const nodes = []
  for (let i = 0; i < options.count; i++) {
    nodes.push(await makeNode(await makeKey(options.key)))
    progress()
  }
  return nodes
}

const stopAll = nodes => Promise.all(nodes.map(node => node.stop()))

export function stdinEnd () {
  return new Promise(resolve => process.stdin.once('end', resolve).once('error', resolve).resume())
}

export const commands = {
  async ping (address, options) {
    await connected(address, options, connection =>
      pings(connection, options.count, time => print({ rtt_ms: time })))
  },

  async identify (address, options) {
    const node = await makeNode(await makeKey(options.key))
    try {
      const connection = await dial(node, address)
      // The library also does it by itself, but then keeps silent where it fails.
      const result = await node.services.identify.identify(connection)
      print({
        peer_id: result.peerId.toString(),
        agent_version: result.agentVersion ?? null,
        protocol_version: result.protocolVersion ?? null,
        protocols: result.protocols,
        listen_addrs: result.listenAddrs.map(String),
        observed_addr: result.observedAddr?.toString() ?? null,
        key_type: connection.remotePeer.publicKey?.type.toLowerCase() ?? null
      })
    } finally {
      await node.stop()
    }
  },

  async echo (address, options) {
    await connected(address, options, async connection => {
      const result = await echoOn(await open(connection, ECHO), options.bytes)
      print({ bytes: options.bytes, sent_sha256: result.sent, received_sha256: result.received })
      if (result.sent !== result.received) {
        throw new Error(`other bytes came back, ${result.receivedBytes} of ${options.bytes}`)
      }
    })
  },

  async 'half-close' (address, options) {
    await connected(address, options, async connection => {
      if (!await hashMatches(connection, options.bytes)) {
        throw new Error('the hash is wrong')
      }
      print({ bytes: options.bytes, ok: true })
    })
  },

  async streams (address, options) {
    await connected(address, options, async connection => {
      const streams = await Promise.allSettled(Array.from({ length: options.count }, () => open(connection, ECHO)))
      const results = await Promise.allSettled(streams.map(async ({ value, reason }) => {
        if (reason != null) {
          throw reason
        }
        const result = await echoOn(value, options.bytes)
        if (result.sent !== result.received) {
          throw new Error(`other bytes came back, ${result.receivedBytes} of ${options.bytes}`)
        }
      }))
      for (const { reason } of results) {
        if (reason != null) {
          console.error(reason.message)
        }
      }
      reportCount(options.count, results.filter(result => result.status === 'fulfilled').length)
    })
  },

  async 'short-streams' (address, options) {
    await connected(address, options, async connection => {
      let ok = 0
      while (ok < options.count && await hashMatches(connection, options.bytes).catch(error => console.error(error.message))) {
        ok++
      }
      reportCount(options.count, ok)
    })
  },

  async perf (address, options) {
    const upload = options['upload-bytes']
    const download = options['download-bytes'] ?? upload
    await connected(address, options, async connection => {
      for (let i = 0; i < options.iterations; i++) {
        const up = await perfTime(connection, upload, 0)
        const down = await perfTime(connection, 0, download)
        print({ upload_bytes_per_s: upload / up * 1000, download_bytes_per_s: download / down * 1000 })
      }
    })
  },

  async latency (address, options) {
    await connected(address, options, async connection => {
      const streamTimes = []
      const pingTimes = []
      for (let i = 0; i < options.count; i++) {
        streamTimes.push(await perfTime(connection, 1, 1))
      }
      await pings(connection, options.count, time => pingTimes.push(time))
      print({ stream_ms: median(streamTimes), ping_ms: median(pingTimes) })
    })
  },

  async connect (address, options) {
    const nodes = await freshNodes(options)
    const waiting = [...nodes]
    const times = []
    async function work () {
      for (let node = waiting.pop(); node != null; node = waiting.pop()) {
        const start = performance.now()
        const connection = await dial(node, address)
        times.push(performance.now() - start)
        progress()
        await connection.close()
      }
    }
    const start = performance.now()
    await Promise.all(Array.from({ length: options.parallel }, work))
    const total = performance.now() - start
    print({ connect_ms: median(times), per_second: options.count / total * 1000 })
    await stopAll(nodes)
  },

  async idle (address, options) {
    const nodes = await freshNodes(options)
    for (const node of nodes) {
      await dial(node, address)
      progress()
    }
    print({ count: nodes.length })
    const alive = setInterval(progress, 1000)
    await stdinEnd()
    clearInterval(alive)
    await stopAll(nodes)
  },

  async 'wrong-peer-id' (address, options) {
    const other = peerIdFromPrivateKey(await generateKeyPair('Ed25519')).toString()
    const wrong = multiaddr(address.toString().replace(/\/p2p\/[^/]+$/, `/p2p/${other}`))
    const error = await connected(wrong, options, () => undefined).catch(error => error)
    if (error == null) {
      throw new Error('a connection to the wrong peer was accepted')
    }
    // The library has no error of its own for this; only the text of a failed handshake tells it from other failures.
    if (error.name !== 'EncryptionFailedError' || !error.message.includes(other)) {
      throw error
    }
    print({ refused: true, error: error.message })
  },

  async 'unknown-protocol' (address, options) {
    await connected(address, options, async (connection, node) => {
      const error = await open(connection, '/does-not-exist/1.0.0').then(() => undefined, error => error)
      if (error == null) {
        throw new Error('a protocol that does not exist was accepted')
      }
      if (error.name !== 'UnsupportedProtocolError') {
        throw error
      }
      await pings(connection, 1, time => print({ refused: true, ping_ms: time }))
    })
  }
}
