import { createHash } from 'node:crypto'
import { createInterface } from 'node:readline'
import { gossipsub, StrictNoSign, StrictSign } from '@libp2p/gossipsub'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { multiaddr } from '@multiformats/multiaddr'
import { Counter, microseconds } from './counter.js'
import { makeKey, makeNode } from './node.js'

const PATIENCE_MS = 30_000

const print = value => console.log(JSON.stringify(value))
const hex = bytes => Buffer.from(bytes).toString('hex')
const sha256 = bytes => createHash('sha256').update(bytes).digest()

const POLICIES = { 'strict-sign': StrictSign, 'strict-no-sign': StrictNoSign }

const sequenceBytes = number => Buffer.from(number.toString(16).padStart(16, '0'), 'hex')

const MESSAGE_IDS = {
  // That of the specification: the library's own begins with the key in place of the peer id.
  default: message => Buffer.concat([message.from.toMultihash().bytes, sequenceBytes(message.sequenceNumber)]),
  sha256: message => sha256(message.data),
  first8: message => message.data.subarray(0, 8)
}

function choose (what, choices, name) {
  if (!(name in choices)) {
    throw new Error(`unknown ${what} ${name}`)
  }
  return choices[name]
}

/** Turns what --config says into the library's options; what is left out is as the library has it. */
function libraryOptions (config) {
  const options = {
    D: config.d,
    Dlo: config.d_lo,
    Dhi: config.d_hi,
    Dout: config.d_out,
    Dscore: config.d_score,
    Dlazy: config.d_lazy,
    heartbeatInterval: config.heartbeat_ms,
    pruneBackoff: config.prune_backoff_s && config.prune_backoff_s * 1000,
    unsubcribeBackoff: config.unsubscribe_backoff_s && config.unsubscribe_backoff_s * 1000,
    idontwantMinDataSize: config.idontwant_bytes,
    maxInboundDataLength: config.max_message_bytes
  }
  return {
    ...Object.fromEntries(Object.entries(options).filter(([, value]) => value != null)),
    floodPublish: config.flood_publish ?? false,
    allowPublishToZeroTopicPeers: true,
    globalSignaturePolicy: choose('policy', POLICIES, config.policy ?? 'strict-sign'),
    msgIdFn: choose('message id', MESSAGE_IDS, config.message_id ?? 'default'),
    msgIdToStrFn: hex,
    asyncValidation: config.validation_ms != null,
    // All peers of a test have the same IP address.
    scoreParams: { IPColocationFactorWeight: 0 }
  }
}

function newSaid () {
  return { messages: 0, ihave: 0, iwant: 0, idontwant: 0, graft: 0, prune: 0, partial: null }
}

function addSaid (said, rpc) {
  const ids = controls => controls?.reduce((sum, control) => sum + (control.messageIDs?.length ?? 0), 0) ?? 0
  said.messages += rpc.messages?.length ?? 0
  said.ihave += ids(rpc.control?.ihave)
  said.iwant += ids(rpc.control?.iwant)
  said.idontwant += ids(rpc.control?.idontwant)
  said.graft += rpc.control?.graft?.length ?? 0
  said.prune += rpc.control?.prune?.length ?? 0
}

class Node {
  sent = newSaid()
  received = newSaid()
  counters = new Map()

  constructor (node, config) {
    this.node = node
    this.config = config
    this.pubsub = node.services.pubsub
    this.pubsub.addEventListener('gossipsub:message', event => this.receive(event.detail))
    this.trace()
  }

  /** The library has no tracer, but all that is said goes through two of its methods. */
  trace () {
    const { handleReceivedRpc, sendRpc } = this.pubsub
    this.pubsub.handleReceivedRpc = (from, rpc) => {
      addSaid(this.received, rpc)
      return handleReceivedRpc.call(this.pubsub, from, rpc)
    }
    this.pubsub.sendRpc = (to, rpc) => {
      const sent = sendRpc.call(this.pubsub, to, rpc)
      if (sent) {
        // Only now it holds what was put on top of it.
        addSaid(this.sent, rpc)
      }
      return sent
    }
  }

  receive ({ propagationSource, msgId, msg }) {
    if (this.config.validation_ms != null) {
      setTimeout(() => {
        this.pubsub.reportMessageValidationResult(msgId, propagationSource.toString(), 'accept')
      }, this.config.validation_ms)
    }
    const counter = this.counters.get(msg.topic)
    if (counter != null) {
      counter.add(msg.data)
      return
    }
    print({
      event: 'message',
      topic: msg.topic,
      id: msgId,
      from: propagationSource.toString(),
      source: msg.from?.toString() ?? null,
      sequence: msg.sequenceNumber == null ? null : hex(sequenceBytes(msg.sequenceNumber)),
      bytes: msg.data.length,
      sha256: hex(sha256(msg.data))
    })
  }

  async execute (request) {
    const { topic } = request
    switch (request.do) {
      case 'connect':
        await this.node.dial(multiaddr(request.address), { signal: AbortSignal.timeout(PATIENCE_MS) })
        return {}
      case 'subscribe':
        if (request.partial != null) {
          throw new Error('js-libp2p has no partial messages')
        }
        this.pubsub.subscribe(topic)
        return {}
      case 'unsubscribe':
        this.pubsub.unsubscribe(topic)
        return {}
      case 'publish':
        await this.pubsub.publish(topic, Buffer.from(request.data, 'hex'))
        return {}
      case 'load':
        return this.load(request)
      case 'count':
        this.counters.set(topic, new Counter())
        return {}
      case 'counted':
        return this.counters.get(topic).result(request.latencies)
      case 'state':
        return { peers: this.pubsub.getSubscribers(topic).map(String), mesh: this.pubsub.getMeshPeers(topic) }
      case 'traffic': {
        const streams = [...this.pubsub.streamsOutbound]
        return {
          sent: this.sent,
          received: this.received,
          duplicates: null,
          protocols: Object.fromEntries(streams.map(([peer, stream]) => [peer, stream.protocol]))
        }
      }
    }
    throw new Error(`unknown command ${request.do}`)
  }

  /** Publishes many messages: each begins with its number and with when it was published. */
  async load ({ topic, count, first = 0, bytes = 0, per_second: perSecond }) {
    const start = performance.now()
    for (let i = 0; i < count; i++) {
      const wait = perSecond > 0 ? start + i * 1000 / perSecond - performance.now() : 0
      if (wait > 0 || i % 100 === 99) {
        await new Promise(resolve => setTimeout(resolve, Math.max(wait, 0)))
      }
      const data = Buffer.alloc(Math.max(bytes, 16))
      data.writeBigUInt64BE(BigInt(first + i))
      data.writeBigUInt64BE(BigInt(microseconds()), 8)
      await this.pubsub.publish(topic, data)
    }
    return { count, seconds: (performance.now() - start) / 1000 }
  }
}

async function key (type, seed) {
  if (seed == null) {
    return makeKey(type)
  }
  const bytes = Buffer.alloc(32)
  bytes.writeBigUInt64LE(BigInt(seed))
  return generateKeyPairFromSeed('Ed25519', bytes)
}

export async function pubsub (options) {
  const config = JSON.parse(options.config)
  const service = components => {
    const router = gossipsub(libraryOptions(config))(components)
    if (config.protocols != null) {
      router.protocols = config.protocols
    }
    return router
  }
  const libp2p = await makeNode(await key(options.key, config.seed), [options.listen], { pubsub: service })
  const node = new Node(libp2p, config)
  process.once('SIGTERM', () => process.exit(0))
  print({ event: 'listening', peer_id: libp2p.peerId.toString(), addrs: libp2p.getMultiaddrs().map(String) })
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line)
    try {
      print({ event: 'done', do: request.do, ...await node.execute(request) })
    } catch (error) {
      print({ event: 'failed', do: request.do, error: `${error.name}: ${error.message}` })
    }
  }
  process.exit(0)
}
